//! Records as items. Attributes that Powertools has too have its names.

use std::borrow::Cow;
use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;

use super::map::map;
use crate::{Key, OutgoingMessage, OwnerToken, Record, Status, StoreError, Timestamp};

/// A DynamoDB item: attribute names and values.
pub type Item = HashMap<String, AttributeValue>;

pub(super) const ID: &str = "id";
pub(super) const STATUS: &str = "status";
pub(super) const OWNER: &str = "owner";
/// Milliseconds.
pub(super) const LEASE_END: &str = "in_progress_expiration";
/// Seconds, as TTL needs them.
pub(super) const EXPIRATION: &str = "expiration";
pub(super) const FINGERPRINT: &str = "validation";
pub(super) const DATA: &str = "data";
/// JSON: the messages to send, in order.
pub(super) const OUTGOING: &str = "outgoing";
pub(super) const REASON: &str = "reason";

pub(super) fn of(key: &Key, record: &Record) -> Item {
    let own = [(ID, text(key.record_id())), (STATUS, text(record.status.word()))];
    let others = attributes(record).into_iter();
    let others = others.filter_map(|(name, value)| Some((name, value?.into())));
    map(own.into_iter().chain(others))
}

/// All attributes that a record may have beside ID and status, each time in this order; `None`: this one does not have it.
pub(super) fn attributes(record: &Record) -> [(&'static str, Option<Value<'_>>); 7] {
    fn text(value: &Option<String>) -> Option<Value<'_>> {
        Some(Value::Text(value.as_deref()?.into()))
    }
    [
        (
            OWNER,
            record.owner.as_ref().map(|owner| Value::Text(owner.as_str().into())),
        ),
        (LEASE_END, record.lease_end.map(|end| Value::Number(end.millis()))),
        (EXPIRATION, Some(Value::Number(record.expiration_seconds))),
        (FINGERPRINT, text(&record.fingerprint)),
        (DATA, text(&record.data)),
        (OUTGOING, written(&record.outgoing).map(|json| Value::Text(json.into()))),
        (REASON, text(&record.reason)),
    ]
}

/// The value of an attribute before it is copied for a request.
pub(super) enum Value<'a> {
    Text(Cow<'a, str>),
    Number(u64),
}

impl From<Value<'_>> for AttributeValue {
    fn from(value: Value<'_>) -> Self {
        match value {
            Value::Text(value) => Self::S(value.into_owned()),
            Value::Number(value) => number(value),
        }
    }
}

pub(super) fn text(value: &str) -> AttributeValue {
    AttributeValue::S(value.to_owned())
}

pub(super) fn number(value: u64) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

impl Record {
    /// The record of a key as the table has it.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unreadable`] if it is neither ours nor Powertools'.
    pub fn from_item(key: &Key, item: &Item) -> Result<Self, StoreError> {
        record(key, item)
    }

    /// The record of a key as the table would have it: for a tool that shows records of any store in one form.
    pub fn to_item(&self, key: &Key) -> Item {
        of(key, self)
    }
}

pub(super) fn record(key: &Key, item: &Item) -> Result<Record, StoreError> {
    let missing = |attribute| StoreError::Unreadable {
        id: key.record_id().to_owned(),
        attribute,
    };
    let text = |name| item.get(name).and_then(|value| value.as_s().ok()).cloned();
    let number = |name| {
        item.get(name)
            .and_then(|value| value.as_n().ok())
            .and_then(|digits| digits.parse().ok())
    };
    Ok(Record {
        status: text(STATUS)
            .and_then(|word| Status::from_word(&word))
            .ok_or_else(|| missing(STATUS))?,
        owner: text(OWNER).map(OwnerToken::from),
        lease_end: number(LEASE_END).map(Timestamp::from_millis),
        expiration_seconds: number(EXPIRATION).ok_or_else(|| missing(EXPIRATION))?,
        fingerprint: text(FINGERPRINT),
        data: text(DATA),
        outgoing: text(OUTGOING)
            .map_or(Ok(Vec::new()), |json| serde_json::from_str(&json))
            .map_err(|_| missing(OUTGOING))?,
        reason: text(REASON),
    })
}

/// `None`: there is nothing to send.
pub(super) fn written(outgoing: &[OutgoingMessage]) -> Option<String> {
    // Strings in lists and maps: nothing in them can't be written.
    (!outgoing.is_empty()).then(|| serde_json::to_string(outgoing).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> Key {
        Key::new("place-order", "m-1").unwrap()
    }

    fn full() -> Record {
        Record {
            status: Status::InProgress,
            owner: Some(OwnerToken::from("token".to_owned())),
            lease_end: Some(Timestamp::from_millis(1_700_000_000_123)),
            expiration_seconds: 1_700_000_000,
            fingerprint: Some("f".to_owned()),
            data: Some("{}".to_owned()),
            outgoing: vec![
                OutgoingMessage::new("queue", "{}")
                    .with_group("g")
                    .with_attribute("a", "b"),
            ],
            reason: Some("why".to_owned()),
        }
    }

    #[test]
    fn a_record_is_read_as_it_was_written() {
        let bare = Record {
            status: Status::Completed,
            owner: None,
            lease_end: None,
            fingerprint: None,
            data: None,
            outgoing: Vec::new(),
            reason: None,
            ..full()
        };
        for record_in in [full(), bare] {
            assert_eq!(record(&key(), &of(&key(), &record_in)).unwrap(), record_in);
        }
    }

    #[test]
    fn expiration_is_in_seconds_and_lease_end_in_milliseconds() {
        let item = of(&key(), &full());
        assert_eq!(item["expiration"], AttributeValue::N("1700000000".to_owned()));
        assert_eq!(
            item["in_progress_expiration"],
            AttributeValue::N("1700000000123".to_owned())
        );
    }

    #[test]
    fn an_item_that_is_no_record_is_named() {
        let mut item = of(&key(), &full());
        item.insert("status".to_owned(), AttributeValue::S("DONE".to_owned()));
        assert_eq!(
            record(&key(), &item).unwrap_err().to_string(),
            "record place-order#m-1 can't be read: attribute status is missing or of the wrong type"
        );
    }

    #[test]
    fn unreadable_outgoing_messages_are_an_error() {
        let mut item = of(&key(), &full());
        item.insert("outgoing".to_owned(), AttributeValue::S("[{}]".to_owned()));
        assert!(record(&key(), &item).is_err());
    }
}
