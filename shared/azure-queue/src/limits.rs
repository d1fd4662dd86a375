//! What a Storage Queue accepts as a message.

use consumer::dead_letter::{FAILURE, Rejection};
use consumer::{Attribute, Limits, QueueMessage, to_cloud_event};
use idempotency::Timestamp;

use crate::encoding::Encoding;

/// A message with its envelope and encoding
/// ([Put Message](https://learn.microsoft.com/rest/api/storageservices/put-message)).
pub(crate) const MOST_BYTES: usize = 64 * 1024;
/// What a message leaves free, so that its dead letter has room for reason and origin.
const RESERVE: usize = 4 * 1024;

/// The limits of each queue.
pub(crate) fn limits(encoding: Encoding) -> Limits {
    Limits {
        message_bytes: match encoding {
            Encoding::Base64 => MOST_BYTES / 4 * 3,
            Encoding::None => MOST_BYTES,
        },
        // Bounded by the size only.
        attributes: 256,
        empty_body: true,
        ordered: false,
        character: |_| true,
        attribute_name: |name| !name.is_empty(),
        group: |group| !group.is_empty(),
        other: match encoding {
            Encoding::Base64 => |message| fits(message, Encoding::Base64),
            Encoding::None => |message| fits(message, Encoding::None),
        },
    }
}

fn fits(message: &QueueMessage, encoding: Encoding) -> Result<(), String> {
    let most = match message.attributes.contains_key(FAILURE) {
        true => MOST_BYTES,
        false => MOST_BYTES - RESERVE,
    };
    let event = to_cloud_event(message, Timestamp::from_millis(0), 0);
    match encoding.bytes(&event) {
        has if has > most => Err(format!(
            "it takes {has} bytes with its envelope and encoding, of at most {most}"
        )),
        _ => Ok(()),
    }
}

/// The event of a message. The reason of a dead letter is halved until it fits: the consumer shortens it without regard to
/// envelope and encoding.
pub(crate) fn event(message: &QueueMessage, sent_at: Timestamp, encoding: Encoding) -> String {
    let event = to_cloud_event(message, sent_at, 0);
    match shorter(message).filter(|_| encoding.bytes(&event) > MOST_BYTES) {
        Some(shorter) => self::event(&shorter, sent_at, encoding),
        None => event,
    }
}

/// The message with half of the reason for which it was dead-lettered. `None`: it has none, or a short one.
fn shorter(message: &QueueMessage) -> Option<QueueMessage> {
    let failure = message.attributes.get(FAILURE)?;
    let mut rejection = Rejection::from_json(failure.string_value.as_deref()?).ok()?;
    let half = rejection.reason.floor_char_boundary(rejection.reason.len() / 2);
    rejection.reason.truncate(half);
    let failure = Attribute {
        string_value: Some(rejection.to_json()),
        ..failure.clone()
    };
    let mut shorter = message.clone();
    shorter.attributes.insert(FAILURE.to_owned(), failure);
    (half > 0).then_some(shorter)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn message(body: usize, attribute: usize) -> QueueMessage {
        let attribute = (attribute > 0).then(|| Attribute {
            data_type: Some("String".to_owned()),
            string_value: Some("\"".repeat(attribute)),
            binary_value: None,
        });
        QueueMessage {
            body: "x".repeat(body),
            attributes: attribute
                .map(|attribute| ("a".to_owned(), attribute))
                .into_iter()
                .collect::<BTreeMap<_, _>>(),
            group: None,
            deduplication_id: Some("k".to_owned()),
            trace_header: None,
        }
    }

    /// The same, with another name of the attribute.
    fn named(name: &str, body: usize, attribute: usize) -> QueueMessage {
        let message = message(body, attribute);
        let attributes = message
            .attributes
            .into_values()
            .map(|value| (name.to_owned(), value))
            .collect();
        QueueMessage { attributes, ..message }
    }

    /// The longest body that a queue accepts.
    fn most(name: &str, encoding: Encoding, attribute: usize) -> usize {
        let limits = limits(encoding);
        let accepted = |body: usize| limits.check(&named(name, body, attribute)).is_ok();
        let (mut accepts, mut refuses) = (0, MOST_BYTES);
        while refuses - accepts > 1 {
            let body = accepts.midpoint(refuses);
            if accepted(body) { accepts = body } else { refuses = body }
        }
        accepts
    }

    #[test]
    fn envelope_encoding_and_room_for_the_reason_count() {
        let overhead = to_cloud_event(&message(0, 0), Timestamp::from_millis(0), 0).len();
        assert_eq!(most("a", Encoding::None, 0), MOST_BYTES - RESERVE - overhead);
        assert_eq!(
            most("a", Encoding::Base64, 0),
            (MOST_BYTES - RESERVE) / 4 * 3 - overhead
        );
        let quoted = most("a", Encoding::None, 100);
        let attribute = r#""a":"","#.len() + 2 * 100;
        assert_eq!(quoted, MOST_BYTES - RESERVE - overhead - attribute, "escapes count");
        let failure = r#""consumerfailure":"","#.len() + 2 * 100;
        assert_eq!(most(FAILURE, Encoding::None, 100), MOST_BYTES - overhead - failure);
        let markup = QueueMessage {
            body: "<".repeat(20_000),
            ..message(0, 0)
        };
        assert!(
            limits(Encoding::None).check(&markup).is_err(),
            "XML has four characters for each"
        );
        assert!(limits(Encoding::Base64).check(&markup).is_ok());
    }

    #[test]
    fn a_reason_is_halved_until_its_dead_letter_fits() {
        let rejection = Rejection {
            reason: "\"ü".repeat(1000),
            ..Rejection::default()
        };
        let failure = Attribute {
            data_type: Some("String".to_owned()),
            string_value: Some(rejection.to_json()),
            binary_value: None,
        };
        let mut dead_letter = message(MOST_BYTES / 4 * 3 - 2000, 0);
        dead_letter.attributes.insert(FAILURE.to_owned(), failure);
        let event = event(&dead_letter, Timestamp::from_millis(0), Encoding::Base64);
        assert!(
            Encoding::Base64.bytes(&event) <= MOST_BYTES && event.contains("\\\"ü"),
            "{}",
            event.len()
        );
        let read = consumer::Incoming::new(consumer::MessageId::new("m").unwrap(), event);
        let read = consumer::from_cloud_event(&read).unwrap().attributes;
        let kept = Rejection::from_json(read[FAILURE].string_value.as_deref().unwrap())
            .unwrap()
            .reason;
        assert!(!kept.is_empty() && rejection.reason.starts_with(&kept), "{kept}");

        dead_letter.attributes.clear();
        let whole = super::event(&dead_letter, Timestamp::from_millis(0), Encoding::Base64);
        assert_eq!(whole, to_cloud_event(&dead_letter, Timestamp::from_millis(0), 0));
    }
}
