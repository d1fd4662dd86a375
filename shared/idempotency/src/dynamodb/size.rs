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
    use super::*;

    #[test]
    fn digits_are_counted_as_they_are_written() {
        for number in [0, 1, 9, 10, 99, 100, 1_700_000_000_123, u64::MAX] {
            assert_eq!(digits(number), number.to_string().len(), "{number}");
        }
    }
}
