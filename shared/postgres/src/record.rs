//! Records as rows.

use std::borrow::Cow;

use idempotency::{Key, OutgoingMessage, OwnerToken, Record, Status, StoreError, Timestamp};
use tokio_postgres::Row;
use tokio_postgres::types::{FromSql, Type};

use crate::Parameter;

/// A parameter of a statement of the store, and its type.
pub(crate) type Typed = (Parameter, Type);

/// The columns, in the order of every statement. The first is the ID.
pub(crate) const COLUMNS: [&str; 9] = [
    "id",
    "status",
    "owner",
    "in_progress_expiration",
    "expiration",
    "validation",
    "data",
    "outgoing",
    "reason",
];

/// The values of all columns, in their order.
pub(crate) fn values(key: &Key, record: &Record) -> Result<Vec<Typed>, StoreError> {
    // A text of an error may have any character. Refusing it would leave the work without its rejection.
    let reason = record.reason.as_deref().map(|reason| reason.replace('\0', "\u{fffd}"));
    let values = vec![
        id(key),
        text(record.status.word()),
        optional_text(record.owner.as_ref().map(OwnerToken::as_str)),
        optional_number(record.lease_end.map(|end| end.millis())),
        number(record.expiration_seconds),
        optional_text(record.fingerprint.as_deref()),
        optional_text(record.data.as_deref()),
        optional_text(json(&record.outgoing).as_deref()),
        optional_text(reason.as_deref()),
    ];
    match values.iter().position(|(value, _)| value.has_nul()) {
        Some(column) => Err(StoreError::Refused(
            format!(
                "column {} would get a NUL character, which PostgreSQL can't hold",
                COLUMNS[column]
            )
            .into(),
        )),
        None => Ok(values),
    }
}

/// The value of the column `id`.
pub(crate) fn id(key: &Key) -> Typed {
    text(&record_id(key))
}

/// The ID of a key's record. One with a NUL character has a hash in the place of the key, as a key that is too long has:
/// no other key's record has such an ID.
pub(crate) fn record_id(key: &Key) -> Cow<'_, str> {
    let id = key.record_id();
    match id.split_once('#') {
        Some((namespace, _)) if id.contains('\0') => Cow::Owned(format!(
            "{}#sha256:{}",
            namespace.replace('\0', "\u{fffd}"),
            key.token()
        )),
        _ => Cow::Borrowed(id),
    }
}

pub(crate) fn text(value: &str) -> Typed {
    (Parameter::from(value), Type::TEXT)
}

pub(crate) fn optional_text(value: Option<&str>) -> Typed {
    (Parameter::from(value), Type::TEXT)
}

pub(crate) fn optional_number(value: Option<u64>) -> Typed {
    (Parameter::from(value.map(clamped)), Type::INT8)
}

pub(crate) fn number(value: u64) -> Typed {
    (Parameter::from(clamped(value)), Type::INT8)
}

/// `bigint` is signed. Beyond it are only times that mean never.
fn clamped(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// `None`: there is nothing to send.
pub(crate) fn json(outgoing: &[OutgoingMessage]) -> Option<String> {
    // Strings in lists and maps: nothing in them can't be written.
    (!outgoing.is_empty()).then(|| serde_json::to_string(outgoing).unwrap_or_default())
}

/// The record in a row whose columns are [`COLUMNS`]; `None`: the row has none.
pub(crate) fn read(key: &Key, row: &Row) -> Result<Option<Record>, StoreError> {
    let columns = Columns { key, row };
    if columns.get::<String>(0)?.is_none() {
        return Ok(None);
    }
    let word = columns.get::<String>(1)?.and_then(|word| Status::from_word(&word));
    Ok(Some(Record {
        status: word.ok_or_else(|| columns.unreadable(1))?,
        owner: columns.get::<String>(2)?.map(OwnerToken::from),
        lease_end: columns.number(3)?.map(Timestamp::from_millis),
        expiration_seconds: columns.number(4)?.ok_or_else(|| columns.unreadable(4))?,
        fingerprint: columns.get(5)?,
        data: columns.get(6)?,
        outgoing: columns.get::<String>(7)?.map_or(Ok(Vec::new()), |json| {
            serde_json::from_str(&json).map_err(|_| columns.unreadable(7))
        })?,
        reason: columns.get(8)?,
    }))
}

struct Columns<'a> {
    key: &'a Key,
    row: &'a Row,
}

impl<'a> Columns<'a> {
    fn get<T: FromSql<'a>>(&self, column: usize) -> Result<Option<T>, StoreError> {
        self.row.try_get(column).map_err(|_| self.unreadable(column))
    }

    fn number(&self, column: usize) -> Result<Option<u64>, StoreError> {
        let number = self.get::<i64>(column)?.map(u64::try_from).transpose();
        number.map_err(|_| self.unreadable(column))
    }

    fn unreadable(&self, column: usize) -> StoreError {
        StoreError::Unreadable {
            id: self.key.record_id().to_owned(),
            attribute: COLUMNS[column],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id_of(namespace: &str, key: &str) -> String {
        record_id(&Key::new(namespace, key).unwrap()).into_owned()
    }

    #[test]
    fn an_id_is_that_of_the_key_unless_it_has_a_nul() {
        assert_eq!(id_of("n", "m-1"), "n#m-1");
        let hashed = id_of("n", "m\0");
        assert!(hashed.starts_with("n#sha256:") && !hashed.contains('\0'), "{hashed}");
        for other in [id_of("n", "m\u{fffd}"), id_of("n", "m\0\0"), id_of("n\0", "m\0")] {
            assert_ne!(hashed, other);
        }
        // Nor does a key that looks like the hash share its record.
        assert_ne!(hashed, id_of("n", hashed.strip_prefix("n#").unwrap()));
    }

    #[test]
    fn only_a_reason_may_have_a_nul_and_loses_it() {
        let (key, record) = (
            Key::new("n", "k").unwrap(),
            Record {
                status: Status::Rejected,
                owner: None,
                lease_end: None,
                expiration_seconds: u64::MAX,
                fingerprint: None,
                data: None,
                outgoing: Vec::new(),
                reason: Some("why\0".to_owned()),
            },
        );
        let all = values(&key, &record).unwrap();
        assert_eq!(all[8].0, Parameter::from("why\u{fffd}"));
        assert_eq!(all[4].0, Parameter::from(i64::MAX));
        let odd = Record {
            fingerprint: Some("\0".to_owned()),
            ..record
        };
        assert!(matches!(values(&key, &odd), Err(StoreError::Refused(_))));
    }
}
