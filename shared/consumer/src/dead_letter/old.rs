//! What earlier versions of this crate and of its operator wrote. It is still read, and no longer written.

use std::collections::BTreeMap;

use super::{IDEMPOTENCY_KEY, Original, Rejection, Unpacked};
use crate::Attribute;

const FAILURE_REASON: &str = "FailureReason";
const FAILED_FUNCTION: &str = "FailedFunction";
const RECEIVE_COUNT: &str = "ReceiveCount";
/// Its message ID in its own queue.
const ORIGINAL_MESSAGE_ID: &str = "OriginalMessageId";

/// The attributes of a dead letter, if they are those of an old one: it has a key and a reason.
///
/// The key stays among the producer's, because the producer may have set it.
pub(super) fn unpack(mut attributes: BTreeMap<String, Attribute>) -> Unpacked {
    let text = |name: &str| {
        attributes
            .get(name)?
            .string_value
            .clone()
            .filter(|text| !text.is_empty())
    };
    let (Some(key), Some(reason)) = (text(IDEMPOTENCY_KEY), text(FAILURE_REASON)) else {
        return Unpacked {
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
        code: None,
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
}
