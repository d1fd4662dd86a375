//! What Cloud Tasks accepts as a message.

use std::collections::BTreeMap;

use consumer::dead_letter::{self, FAILURE};
use consumer::{Limits, QueueMessage};

use crate::headers::{self, GROUP, TRACE, is_plain};

/// A task takes up to 1 MiB less 5 bytes, encoded as Protocol Buffers: measured by the conformance tests of the crate
/// cloud-tasks-emulator 0.1.3 against the service. The documentation states 1 MB. The rest is for URL, names and account, and
/// for the length of each field.
const MOST_BYTES: usize = (1024 - 16) * 1024;
/// A message that is sent leaves this much for what its dead letter adds.
const DEAD_LETTER_ROOM: usize = 16 * 1024;
/// Cloud Tasks accepts 80 KB of headers
/// ([HttpRequest](https://cloud.google.com/tasks/docs/reference/rest/v2/projects.locations.queues.tasks#HttpRequest)), but common
/// servers and proxies before the target no more than 16 KiB, and a task that never arrives is lost in the end. The rest is for a
/// copy's own headers, for the token, and for those that Google adds.
const MOST_HEADER_BYTES: usize = 10_500;
/// Of a dead letter: reason and origin come on top of what its message has.
const MOST_DEAD_LETTER_BYTES: usize = 13_500;
/// A server of hyper refuses a request with more than a hundred headers; some are Google's.
const MOST_ATTRIBUTES: usize = 50;
/// What a reason of a dead letter may take if headers are too large with all of it.
const SHORT_REASON: usize = 256;
/// Pub/Sub's limit for an ordering key.
const LONGEST_GROUP: usize = 1024;

/// The limits of each queue.
pub(crate) fn limits() -> Limits {
    Limits {
        message_bytes: MOST_BYTES,
        attributes: MOST_ATTRIBUTES,
        empty_body: true,
        ordered: false,
        character: |_| true,
        attribute_name: |name| !name.is_empty(),
        group: |group| group.len() <= LONGEST_GROUP && is_plain(group),
        other: |message| message_headers(message).map(drop),
    }
}

/// The headers that carry attributes, group and trace of a message to send.
///
/// # Errors
///
/// Why Cloud Tasks would refuse the message, or drop one of them.
pub(crate) fn message_headers(message: &QueueMessage) -> Result<BTreeMap<String, String>, String> {
    let mut all = all_headers(message)?;
    let (most, most_bytes) = match message.attributes.get(FAILURE) {
        Some(failure) => {
            if headers::bytes(&all) > MOST_HEADER_BYTES {
                let mut short = message.clone();
                short.attributes.insert(
                    FAILURE.to_owned(),
                    dead_letter::with_short_reason(failure, SHORT_REASON),
                );
                all = all_headers(&short)?;
            }
            (MOST_DEAD_LETTER_BYTES, MOST_BYTES)
        }
        None => (MOST_HEADER_BYTES, MOST_BYTES - DEAD_LETTER_ROOM),
    };
    let has = headers::bytes(&all);
    if has > most {
        return Err(format!(
            "attributes and group take {has} bytes of at most {most}: they are headers of the task, which proxies and servers \
             limit to 16 KiB"
        ));
    }
    match message.body.len() + has {
        bytes if bytes > most_bytes => Err(format!("body and headers take {bytes} bytes of at most {most_bytes}")),
        _ => Ok(all),
    }
}

/// The same, whatever they take.
///
/// # Errors
///
/// No header can carry the group or the trace.
pub(crate) fn all_headers(message: &QueueMessage) -> Result<BTreeMap<String, String>, String> {
    let mut all = headers::of_attributes(&message.attributes);
    for (name, text) in [(GROUP, &message.group), (TRACE, &message.trace_header)] {
        match text {
            Some(text) if !is_plain(text) => return Err(format!("no header can carry the value of {name}")),
            Some(text) => drop(all.insert(name.to_owned(), text.clone())),
            None => {}
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use consumer::Attribute;
    use consumer::dead_letter::{Original, Rejection};

    use super::*;

    fn string(value: &str) -> Attribute {
        Attribute {
            data_type: Some("String".to_owned()),
            string_value: Some(value.to_owned()),
            binary_value: None,
        }
    }

    fn message(body: usize, attributes: &[(&str, usize)]) -> QueueMessage {
        let attributes = attributes.iter();
        QueueMessage {
            body: "x".repeat(body),
            attributes: attributes
                .map(|(name, bytes)| ((*name).to_owned(), string(&"x".repeat(*bytes))))
                .collect(),
            group: None,
            deduplication_id: None,
            trace_header: None,
        }
    }

    #[test]
    fn body_and_attributes_share_what_a_task_may_take() {
        let refused = |message: &QueueMessage| limits().check(message).map_err(|why| why.to_string()).unwrap_err();
        let most = MOST_BYTES - DEAD_LETTER_ROOM;
        assert!(limits().check(&message(most, &[])).is_ok());
        assert!(limits().check(&message(0, &[])).is_ok());
        assert!(refused(&message(most + 1, &[])).contains("bytes of at most"));
        // Packed, an attribute takes more than its own bytes.
        assert!(refused(&message(most - 6100, &[("a", 6000)])).contains("body and headers take"));
        assert!(limits().check(&message(0, &[("a", 7500)])).is_ok());
        assert!(refused(&message(0, &[("a", 9000)])).contains("headers of the task"));
    }

    #[test]
    fn the_dead_letter_of_any_message_fits() {
        let fits = |bytes: &usize| message_headers(&message(0, &[("a", *bytes)])).is_ok();
        let largest = (0..MOST_HEADER_BYTES).rev().find(fits).unwrap();
        let original = Original {
            message_id: Some("i".repeat(64)),
            key: Some("k".repeat(255)),
            queue: Some(format!(
                "projects/{}/locations/europe-west1/queues/{}",
                "p".repeat(30),
                "q".repeat(100)
            )),
            ..Original::default()
        };
        let rejection = Rejection {
            // Each takes four bytes: it is JSON in JSON.
            reason: "\"".repeat(5000),
            code: Some("c".repeat(64)),
            function: "f".repeat(64),
            receive_count: u32::MAX,
        };
        let headers = headers::bytes(&message_headers(&message(0, &[("a", largest)])).unwrap());
        let mut dead_letter = message(MOST_BYTES - DEAD_LETTER_ROOM - headers, &[("a", largest)]);
        assert!(message_headers(&dead_letter).is_ok());
        dead_letter.attributes = dead_letter::pack(dead_letter.attributes, original, Some(&rejection), &limits());
        assert!(message_headers(&dead_letter).is_ok());
        assert!(message_headers(&message(0, &[("a", largest + 500)])).is_err());
    }

    #[test]
    fn a_group_is_what_a_header_can_carry() {
        let group = limits().group;
        assert!(group("customer 1") && !group("") && !group("ü") && !group(" a") && !group(&"g".repeat(1025)));
    }

    #[test]
    fn a_long_reason_of_a_dead_letter_is_cut() {
        let rejection = Rejection {
            reason: "why ".repeat(30_000),
            code: None,
            function: "f".to_owned(),
            receive_count: 1,
        };
        let mut dead_letter = message(1, &[("a", 3000)]);
        dead_letter
            .attributes
            .insert(FAILURE.to_owned(), string(&rejection.to_json()));
        let sent = message_headers(&dead_letter).unwrap();
        let received = sent
            .iter()
            .map(|(name, value)| (name.parse::<http::HeaderName>().unwrap(), value.parse().unwrap()))
            .collect();
        let attributes = headers::attributes(&received).unwrap();
        let failure = attributes[FAILURE].string_value.as_deref().unwrap();
        let reason = Rejection::from_json(failure).unwrap().reason;
        assert_eq!(
            (reason.len(), attributes["a"].string_value.as_ref().unwrap().len()),
            (SHORT_REASON, 3000)
        );
    }
}
