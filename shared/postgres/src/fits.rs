//! What fits a record and a transaction, judged without a request.

use idempotency::{Key, Record, TooLarge};

/// PostgreSQL takes 1 GB in a column. Every duplicate reads the record, in the time that its message has.
const MAX_RECORD_BYTES: usize = 64 * 1024 * 1024;

/// A statement costs tens of microseconds and a transaction keeps its locks to its end. One statement can write many rows.
const MAX_WRITES: usize = 1000;

pub(crate) fn check(key: &Key, record: &Record, writes: usize) -> Result<(), TooLarge> {
    let length = |value: &Option<String>| value.as_ref().map_or(0, String::len);
    let outgoing = match record.outgoing.is_empty() {
        true => 0,
        // Strings in lists and maps: nothing in them can't be written.
        false => serde_json::to_string(&record.outgoing).map_or(0, |json| json.len()),
    };
    let texts = length(&record.data) + length(&record.reason) + length(&record.fingerprint);
    let bytes = key.record_id().len() + texts + outgoing;
    if bytes > MAX_RECORD_BYTES {
        return Err(TooLarge::Record {
            bytes,
            most: MAX_RECORD_BYTES,
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

#[cfg(test)]
mod tests {
    use idempotency::{OutgoingMessage, Status};

    use super::*;

    fn record(data: usize, outgoing: Vec<OutgoingMessage>) -> Record {
        Record {
            status: Status::Completed,
            owner: None,
            lease_end: None,
            expiration_seconds: 0,
            fingerprint: None,
            data: Some("x".repeat(data)),
            outgoing,
            reason: None,
        }
    }

    #[test]
    fn a_record_of_the_limit_fits_and_a_byte_more_does_not() {
        let key = Key::new("n", "k").unwrap();
        let room = MAX_RECORD_BYTES - "n#k".len();
        assert_eq!(check(&key, &record(room, Vec::new()), MAX_WRITES), Ok(()));
        let bytes = MAX_RECORD_BYTES + 1;
        let too_large = TooLarge::Record {
            bytes,
            most: MAX_RECORD_BYTES,
        };
        assert_eq!(check(&key, &record(room + 1, Vec::new()), 0), Err(too_large));
        let json = r#"[{"queue_url":"q","body":"b"}]"#.len();
        let message = || vec![OutgoingMessage::new("q", "b")];
        assert_eq!(check(&key, &record(room - json, message()), 0), Ok(()));
        assert_eq!(check(&key, &record(room - json + 1, message()), 0), Err(too_large));
    }

    #[test]
    fn a_transaction_has_a_limit_of_writes() {
        let writes = MAX_WRITES + 1;
        let too_many = TooLarge::Writes {
            writes,
            most: MAX_WRITES,
        };
        assert_eq!(
            check(&Key::new("n", "k").unwrap(), &record(0, Vec::new()), writes),
            Err(too_many)
        );
    }
}
