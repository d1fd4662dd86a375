//! What fits an item and a transaction, judged without a request.

use std::io;

use super::item::{DATA, EXPIRATION, FINGERPRINT, ID, LEASE_END, OUTGOING, OWNER, REASON, STATUS};
use crate::{Key, OutgoingMessage, Record, TooLarge};

/// DynamoDB's limit for an item, attribute names included
/// ([Constraints](https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html)).
const MAX_ITEM_BYTES: usize = 400 * 1024;

/// Of the 100 items of a transaction, the record is one
/// ([TransactWriteItems](https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html)).
const MAX_WRITES: usize = 99;

pub(super) fn check(key: &Key, record: &Record, writes: usize) -> Result<(), TooLarge> {
    let bytes = bytes(key, record);
    if bytes > MAX_ITEM_BYTES {
        return Err(TooLarge::Record {
            bytes,
            most: MAX_ITEM_BYTES,
        });
    }
    if writes > MAX_WRITES {
        return Err(TooLarge::Writes {
            writes,
            most: MAX_WRITES,
        });
    }
    Ok(())
}

/// What DynamoDB counts as the size of a record: names and values in UTF-8, a number about a byte for two digits
/// ([item sizes](https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html)).
pub(super) fn bytes(key: &Key, record: &Record) -> usize {
    let text = |name: &str, value: Option<usize>| value.map_or(0, |bytes| name.len() + bytes);
    let length = |value: &Option<String>| value.as_ref().map(String::len);
    let number = |name: &str, value: u64| name.len() + digits(value) / 2 + 2;
    text(ID, Some(key.record_id().len()))
        + text(STATUS, Some(record.status.word().len()))
        + text(OWNER, record.owner.as_ref().map(|owner| owner.as_str().len()))
        + record.lease_end.map_or(0, |end| number(LEASE_END, end.millis()))
        + number(EXPIRATION, record.expiration_seconds)
        + text(FINGERPRINT, length(&record.fingerprint))
        + text(DATA, length(&record.data))
        + text(OUTGOING, json_bytes(&record.outgoing))
        + text(REASON, length(&record.reason))
}

fn digits(number: u64) -> usize {
    number.checked_ilog10().map_or(1, |digits| digits as usize + 1)
}

/// The length of the messages' JSON, which is counted and not kept; `None`: there are none.
fn json_bytes(outgoing: &[OutgoingMessage]) -> Option<usize> {
    if outgoing.is_empty() {
        return None;
    }
    let mut counter = Counter(0);
    // Strings in lists and maps: nothing in them can't be written.
    serde_json::to_writer(&mut counter, outgoing).ok()?;
    Some(counter.0)
}

struct Counter(usize);

impl io::Write for Counter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_dynamodb::types::AttributeValue;

    use super::*;
    use crate::dynamodb::item;
    use crate::{OwnerToken, Status, Timestamp};

    /// Every attribute, in characters that UTF-8 and JSON make longer.
    fn full() -> Record {
        Record {
            status: Status::InProgress,
            owner: Some(OwnerToken::from("token".to_owned())),
            lease_end: Some(Timestamp::from_millis(1_700_000_000_123)),
            expiration_seconds: 1_700_000_000,
            fingerprint: Some("f".repeat(64)),
            data: Some("ü".to_owned()),
            outgoing: vec![OutgoingMessage::new("queue", "\"é\"")],
            reason: Some("why".to_owned()),
        }
    }

    #[test]
    fn each_attribute_of_an_item_counts() {
        let key = Key::new("n", "k").unwrap();
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
        for record in [full(), bare] {
            let value = |value: &AttributeValue| match value {
                AttributeValue::N(digits) => digits.len() / 2 + 2,
                text => text.as_s().unwrap().len(),
            };
            let item = item::of(&key, &record);
            let expected: usize = item.iter().map(|(name, found)| name.len() + value(found)).sum();
            assert_eq!(bytes(&key, &record), expected, "{record:?}");
        }
    }

    #[test]
    fn an_item_of_the_limit_fits_and_a_byte_more_does_not() {
        let key = Key::new("n", "k").unwrap();
        let with = |bytes: usize| Record {
            data: Some("x".repeat(bytes)),
            ..full()
        };
        let room = MAX_ITEM_BYTES - bytes(&key, &with(0));
        assert_eq!(check(&key, &with(room), MAX_WRITES), Ok(()));
        let too_large = TooLarge::Record {
            bytes: 409_601,
            most: 409_600,
        };
        assert_eq!(check(&key, &with(room + 1), 0), Err(too_large));
    }

    #[test]
    fn digits_are_counted_as_they_are_written() {
        for number in [0, 1, 9, 10, 99, 100, 1_700_000_000_123, u64::MAX] {
            assert_eq!(digits(number), number.to_string().len(), "{number}");
        }
    }
}
