//! Dead letters: rejected messages, as they are sent to the dead-letter queue, and as an operator sends them again.
//!
//! A message that is sent again has the attributes that its producer set, and up to two of ours. The names of ours begin
//! with `Consumer.` and are reserved. Every other name is the producer's. Dead letters of earlier versions are
//! still read.

mod format;
mod old;
mod pack;

use crate::delivery::Message;
use crate::limits::Unsendable;
use crate::reason::Reason;
use crate::{Delivery, Limits, QueueMessage};

pub use format::{Malformed, Original, Rejection, with_short_reason};
pub(crate) use pack::escaped;
pub use pack::{Unpacked, pack};

/// Message attribute: the key of the message's work, without the namespace, as the producer states it.
///
/// Outgoing messages have it. It is the key unless the handler states another one.
pub const IDEMPOTENCY_KEY: &str = "IdempotencyKey";
/// Message attribute: an [`Original`] as JSON text.
///
/// Keep it when you send the message again, because the new message has another ID.
pub const ORIGINAL: &str = "Consumer.Original";
/// Message attribute: a [`Rejection`] as JSON text. Leave it out when you send the message again.
pub const FAILURE: &str = "Consumer.Failure";

/// The dead letter of a message: the message with all its attributes, and ours.
///
/// # Errors
///
/// Why the queue does not accept it, even with the shortest reason. Only the queue's own redrive policy can then move the
/// message without loss.
pub(crate) fn of(
    namespace: &str,
    message: &Message,
    reason: &Reason,
    limits: &Limits,
) -> Result<QueueMessage, Unsendable> {
    let delivery = &message.delivery;
    let dead_letter = QueueMessage {
        body: delivery.incoming.body.clone(),
        attributes: delivery.incoming.attributes.clone(),
        group: delivery.group().map(str::to_owned),
        // Not the ID alone: a message may be dead-lettered, redriven and dead-lettered again within five minutes.
        deduplication_id: Some(format!("{}-{}", delivery.message_id(), delivery.receive_count())),
        trace_header: delivery.trace_to_send().map(str::to_owned),
    };
    let rejection = Rejection {
        reason: reason.text.clone(),
        code: reason.code.clone(),
        function: namespace.to_owned(),
        receive_count: delivery.receive_count(),
    };
    fit(dead_letter, original(delivery), rejection, limits)
}

/// The message with our attributes. Near the size limit the reason is cut.
///
/// A queue that keeps the order of groups gets each message that has none as a group of its own.
pub(crate) fn fit(
    message: QueueMessage,
    original: Original,
    rejection: Rejection,
    limits: &Limits,
) -> Result<QueueMessage, Unsendable> {
    let shortest = Rejection {
        reason: "?".to_owned(),
        ..rejection.clone()
    };
    let own_group = || message.deduplication_id.clone().filter(|_| limits.ordered);
    let mut dead_letter = QueueMessage {
        attributes: pack(message.attributes, original, Some(&shortest), limits),
        group: message.group.or_else(own_group),
        ..message
    };
    limits.first_refusal(&dead_letter)?;
    let reason = limits.sendable(&rejection.reason);
    let room = limits.message_bytes - dead_letter.bytes() + shortest.reason.len();
    let reason = cut(&reason, room);
    if !reason.is_empty() {
        let rejection = Rejection {
            reason: reason.to_owned(),
            ..rejection
        };
        let value = pack::text(&rejection.to_json(), limits);
        dead_letter.attributes.insert(FAILURE.to_owned(), value);
    }
    Ok(dead_letter)
}

/// What the message is, for the one that is sent in its place.
///
/// A key that is only its ID is not stated as a key. The function may not have been able to decide another, because of a
/// malformed body for example, and must decide it when it is fixed.
fn original(delivery: &Delivery) -> Original {
    let before = delivery.original();
    let message_id = before.and_then(|before| before.message_id.as_deref());
    let message_id = message_id.unwrap_or(delivery.message_id());
    let key = Some(delivery.key_text()).filter(|key| *key != message_id);
    let queue = delivery.incoming.queue.clone();
    Original {
        message_id: Some(message_id.to_owned()),
        key: key.map(str::to_owned),
        deduplication_id: delivery.producers_deduplication_id().map(str::to_owned),
        queue: queue.or_else(|| before.and_then(|before| before.queue.clone())),
        attributes: Default::default(),
    }
}

/// The longest beginning of a text that takes at most this many bytes in a JSON string.
fn cut(text: &str, bytes: usize) -> &str {
    let mut taken = 0;
    let mut characters = text.char_indices();
    let end = characters.find(|(_, character)| {
        taken += match character {
            '"' | '\\' | '\n' | '\r' | '\t' | '\u{8}' | '\u{c}' => 2,
            ..'\u{20}' => 6,
            other => other.len_utf8(),
        };
        taken > bytes
    });
    end.map_or(text, |(end, _)| &text[..end])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Attribute, Incoming, MemoryQueues, MessageId, Queues};

    fn limits() -> Limits {
        MemoryQueues::new().limits("dlq")
    }

    struct Rejecting;

    impl crate::Handler for Rejecting {
        type Message = serde_json::Value;
        type Write = idempotency::NoWrites;
        const NAMESPACE: &'static str = "n";

        async fn handle(
            &self,
            _: Self::Message,
            _: &crate::Delivery,
        ) -> Result<idempotency::Completion, crate::Failure> {
            Err(crate::Failure::permanent("never"))
        }
    }

    fn message(body: &str, attributes: usize) -> Message {
        let attributes = (0..attributes).map(|n| (format!("a{n}"), Attribute::string("v")));
        let incoming = Incoming {
            receive_count: 3,
            group: Some("g".to_owned()),
            deduplication_id: Some("d-1".to_owned()),
            queue: Some("arn:aws:sqs:eu-west-1:1:orders".to_owned()),
            trace_header: Some("Root=1-2-3".to_owned()),
            attributes: attributes.collect(),
            ..Incoming::new(MessageId::new("m-1").unwrap(), body)
        };
        crate::prepare::prepare(&Rejecting, incoming, &crate::Metrics::default()).0
    }

    fn of(namespace: &str, message: &Message, reason: &str, limits: &Limits) -> Result<QueueMessage, Unsendable> {
        super::of(namespace, message, &reason.to_owned().into(), limits)
    }

    fn original(dead_letter: &QueueMessage) -> Original {
        Original::from_json(dead_letter.attributes[ORIGINAL].string_value.as_deref().unwrap()).unwrap()
    }

    fn reason(dead_letter: &QueueMessage) -> String {
        let text = dead_letter.attributes[FAILURE].string_value.as_deref().unwrap();
        Rejection::from_json(text).unwrap().reason
    }

    #[test]
    fn attributes_keep_the_names_that_stored_messages_have() {
        assert_eq!(
            [IDEMPOTENCY_KEY, ORIGINAL, FAILURE],
            ["IdempotencyKey", "Consumer.Original", "Consumer.Failure"]
        );
    }

    #[test]
    fn a_dead_letter_is_the_message_with_reason_and_origin() {
        let dead_letter = of("place-order", &message("{}", 1), "never", &limits()).unwrap();
        let text = |name: &str| dead_letter.attributes[name].string_value.as_deref().unwrap();
        assert_eq!((dead_letter.body.as_str(), text("a0")), ("{}", "v"));
        assert_eq!(
            text(ORIGINAL),
            r#"{"messageId":"m-1","deduplicationId":"d-1","queue":"arn:aws:sqs:eu-west-1:1:orders"}"#
        );
        assert_eq!(
            text(FAILURE),
            r#"{"reason":"never","function":"place-order","receiveCount":3}"#
        );
        assert_eq!(dead_letter.group.as_deref(), Some("g"));
        assert_eq!(dead_letter.trace_header.as_deref(), Some("Root=1-2-3"));
    }

    #[test]
    fn ten_attributes_of_the_producer_leave_room_for_ours() {
        let ten = of("n", &message("{}", 10), "never", &limits()).unwrap();
        assert_eq!(ten.attributes.len(), 10);
        assert_eq!(original(&ten).attributes.keys().collect::<Vec<_>>(), ["a8", "a9"]);
        assert_eq!(reason(&ten), "never");
    }

    #[test]
    fn near_the_size_limit_the_reason_is_cut() {
        let without = of("n", &message("x", 0), "?", &limits()).unwrap().bytes() - 2;
        let fits = |body: usize, why| of("n", &message(&"x".repeat(body), 0), why, &limits());
        let full = limits().message_bytes - without;
        assert_eq!(reason(&fits(full - 6, "a long reason").unwrap()), "a long");
        assert_eq!(reason(&fits(full - 1, "a long reason").unwrap()), "a");
        assert!(matches!(fits(full, "a long reason"), Err(Unsendable::Size { .. })));
        // A quotation mark takes two bytes in JSON, and an umlaut in UTF-8.
        assert_eq!(reason(&fits(full - 4, "a\"ü!").unwrap()), "a\"");
        assert_eq!(reason(&fits(full - 1, "\"").unwrap()), "?");
        assert_eq!(reason(&fits(full - 10, "é\u{1f375}\\\\\\").unwrap()), "é\u{1f375}\\\\");
    }

    #[test]
    fn an_ordered_queue_gets_a_group_for_each_message_without_one() {
        let limits = MemoryQueues::new().limits("dlq.fifo");
        let mut message = message("{}", 0);
        let group = |message: &Message| of("n", message, "never", &limits).unwrap().group;
        assert_eq!(group(&message).as_deref(), Some("g"));
        let mut incoming = (*message.delivery.received.incoming).clone();
        incoming.group = None;
        message.delivery.received.incoming = incoming.into();
        assert_eq!(group(&message).as_deref(), Some("m-1-3"));
    }

    #[test]
    fn characters_that_sqs_refuses_are_replaced_in_a_reason() {
        let dead_letter = of("n", &message("{}", 0), "bad\u{0}byte", &limits()).unwrap();
        assert_eq!(reason(&dead_letter), "bad\u{fffd}byte");
    }
}
