//! What earlier versions of this crate and of its operator wrote. It is still read, and no longer written.

use std::collections::BTreeMap;

use super::{IDEMPOTENCY_KEY, Original, Rejection, Unpacked};
use crate::Attribute;

const FAILURE_REASON: &str = "FailureReason";
const FAILED_FUNCTION: &str = "FailedFunction";
const RECEIVE_COUNT: &str = "ReceiveCount";
/// In a dead letter, its message ID in its own queue. In a redriven message, the original one.
const ORIGINAL_MESSAGE_ID: &str = "OriginalMessageId";
/// In a redriven message, its original deduplication ID.
const ORIGINAL_DEDUPLICATION_ID: &str = "OriginalDeduplicationId";

/// What the operator's redrive stated of a message that SQS had moved: its ID, which is a UUID, and on a FIFO queue its
/// deduplication ID.
///
/// A producer may use the same names. The attributes count only as this program wrote them, and stay among the producer's.
pub(super) fn redriven(attributes: &BTreeMap<String, Attribute>) -> Option<Original> {
    Some(Original {
        message_id: Some(text(attributes, ORIGINAL_MESSAGE_ID).filter(|id| is_message_id(id))?),
        deduplication_id: text(attributes, ORIGINAL_DEDUPLICATION_ID),
        ..Original::default()
    })
}

/// Whether SQS could have made this message ID.
fn is_message_id(id: &str) -> bool {
    let mut bytes = id.bytes().enumerate();
    id.len() == 36
        && bytes.all(|(position, byte)| match position {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
        })
}

fn text(attributes: &BTreeMap<String, Attribute>, name: &str) -> Option<String> {
    let text = attributes.get(name)?.string_value.clone();
    text.filter(|text| !text.is_empty())
}

/// The attributes of a dead letter, if they are those of an old one: it has a key and a reason.
///
/// The key stays among the producer's, because the producer may have set it.
pub(super) fn unpack(mut attributes: BTreeMap<String, Attribute>) -> Unpacked {
    let text = |name: &str| text(&attributes, name);
    let (Some(key), Some(reason)) = (text(IDEMPOTENCY_KEY), text(FAILURE_REASON)) else {
        return Unpacked {
            original: redriven(&attributes),
            attributes,
            ..Unpacked::default()
        };
    };
    let original = Original {
        message_id: text(ORIGINAL_MESSAGE_ID),
        key: Some(key),
        ..Original::default()
    };
    let rejection = Rejection {
        reason,
        function: text(FAILED_FUNCTION).unwrap_or_default(),
        receive_count: text(RECEIVE_COUNT)
            .and_then(|count| count.parse().ok())
            .unwrap_or_default(),
    };
    for name in [FAILURE_REASON, FAILED_FUNCTION, RECEIVE_COUNT, ORIGINAL_MESSAGE_ID] {
        attributes.remove(name);
    }
    Unpacked {
        attributes,
        original: Some(original),
        rejection: Some(rejection),
        malformed: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As the version before wrote it: the message with all its attributes, and five of its own.
    fn stored() -> BTreeMap<String, Attribute> {
        let text = |(name, value): (&str, &str)| (name.to_owned(), Attribute::string(value));
        let mut stored: BTreeMap<_, _> = [
            ("IdempotencyKey", "o-1"),
            ("FailureReason", "wrong sum"),
            ("FailedFunction", "place-order"),
            ("OriginalMessageId", "m-1"),
            ("tenant", "blue"),
        ]
        .map(text)
        .into();
        let count = Attribute {
            data_type: Some("Number".to_owned()),
            ..Attribute::string("3")
        };
        stored.insert("ReceiveCount".to_owned(), count);
        stored
    }

    fn names(unpacked: &Unpacked) -> Vec<&str> {
        unpacked.attributes.keys().map(String::as_str).collect()
    }

    #[test]
    fn a_dead_letter_written_before_is_read() {
        let read = Unpacked::of_dead_letter(stored(), false);
        assert_eq!(names(&read), ["IdempotencyKey", "tenant"]);
        let original = read.original.unwrap();
        assert_eq!(original.key.as_deref(), Some("o-1"));
        assert_eq!(original.message_id.as_deref(), Some("m-1"));
        assert_eq!((original.deduplication_id, original.queue), (None, None));
        let rejection = read.rejection.unwrap();
        assert_eq!(rejection.reason, "wrong sum");
        assert_eq!(
            (rejection.function.as_str(), rejection.receive_count),
            ("place-order", 3)
        );
    }

    #[test]
    fn less_important_attributes_of_a_dead_letter_may_be_missing() {
        let mut stored = stored();
        for name in ["FailedFunction", "OriginalMessageId", "ReceiveCount"] {
            stored.remove(name);
        }
        let rejection = Unpacked::of_dead_letter(stored, false).rejection.unwrap();
        assert_eq!((rejection.function.as_str(), rejection.receive_count), ("", 0));
    }

    #[test]
    fn a_producers_attributes_with_old_names_are_the_producers() {
        let all = stored();
        let moved = Unpacked::of_dead_letter(all.clone(), true);
        assert_eq!((&moved.attributes, moved.rejection), (&all, None));
        for missing in ["IdempotencyKey", "FailureReason"] {
            let mut stored = all.clone();
            stored.remove(missing);
            let read = Unpacked::of_dead_letter(stored.clone(), false);
            assert_eq!((read.attributes, read.original, read.rejection), (stored, None, None));
        }
        let mut new = all.clone();
        new.insert("Consumer.Original".to_owned(), Attribute::string("{}"));
        assert_eq!(Unpacked::of_dead_letter(new, false).attributes, all);
    }

    #[test]
    fn only_an_id_of_sqs_is_one_that_a_redrive_stated() {
        let id = "6ee5d0a2-0c3c-4e8b-9a0f-5d1c3f6b7a80";
        let redriven = |id: &str| {
            let attributes = [(ORIGINAL_MESSAGE_ID, id), (ORIGINAL_DEDUPLICATION_ID, "d-1")];
            let attributes = attributes.map(|(name, value)| (name.to_owned(), Attribute::string(value)));
            Unpacked::of(attributes.into())
        };
        let original = redriven(id).original.unwrap();
        assert_eq!(original.message_id.as_deref(), Some(id));
        assert_eq!(original.deduplication_id.as_deref(), Some("d-1"));
        assert_eq!(redriven(id).attributes.len(), 2, "a producer may have set them");
        for not_of_sqs in ["corr-1", "", &id[1..], &id.to_uppercase(), &id.replace('-', "0")] {
            assert_eq!(redriven(not_of_sqs).original, None, "{not_of_sqs}");
        }
    }
}
