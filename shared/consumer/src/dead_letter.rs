//! Dead letters: rejected messages, as they are sent to the dead-letter queue.

use crate::delivery::Message;
use crate::{Attribute, Limits, QueueMessage};

/// Message attribute: the key of the message's work, without the namespace.
///
/// Keep it when you send the message again, because the new message has another ID. It is the key unless the handler states
/// another one.
pub const IDEMPOTENCY_KEY: &str = "IdempotencyKey";
/// Message attribute: why the message can never be processed.
pub const FAILURE_REASON: &str = "FailureReason";
/// Message attribute: the namespace of the handler that rejected the message.
pub const FAILED_FUNCTION: &str = "FailedFunction";
/// Message attribute, a number: how often the message was received.
pub const RECEIVE_COUNT: &str = "ReceiveCount";
/// Message attribute: the message ID in the message's own queue.
pub const ORIGINAL_MESSAGE_ID: &str = "OriginalMessageId";

/// Message attribute of a redriven message: its original deduplication ID. The redrive gives it another one, but a handler may
/// use the original as its key.
pub const ORIGINAL_DEDUPLICATION_ID: &str = "OriginalDeduplicationId";

/// The dead letter of a message: the message with all its attributes, and ours.
///
/// If the queue's limits leave no room for all of ours, the least important are left out, and near the size limit the reason
/// is cut. `None`: not even key and reason fit, so only the queue's own redrive policy can move the message without loss.
pub(crate) fn of(namespace: &str, message: &Message, reason: &str, limits: &Limits) -> Option<QueueMessage> {
    let delivery = &message.delivery;
    let mut dead_letter = QueueMessage {
        body: delivery.incoming.body.clone(),
        attributes: delivery.incoming.attributes.clone(),
        group: delivery.group().map(str::to_owned),
        // Not the ID alone: a message may be dead-lettered, redriven and dead-lettered again within five minutes.
        deduplication_id: Some(format!("{}-{}", delivery.message_id(), delivery.receive_count())),
        trace_header: delivery.trace_header().map(str::to_owned),
    };
    let ours = [
        (IDEMPOTENCY_KEY, Attribute::string(delivery.key_text())),
        (FAILURE_REASON, Attribute::string("?")),
        (FAILED_FUNCTION, Attribute::string(namespace)),
        (ORIGINAL_MESSAGE_ID, Attribute::string(delivery.message_id())),
        (RECEIVE_COUNT, Attribute::number(delivery.receive_count())),
    ];
    for (position, (name, value)) in ours.into_iter().enumerate() {
        let full = dead_letter.attributes.len() >= limits.attributes && !dead_letter.attributes.contains_key(name);
        if full && position < 2 {
            return None;
        }
        if !full {
            dead_letter.attributes.insert(name.to_owned(), value);
        }
    }
    let room = limits
        .message_bytes
        .checked_sub(dead_letter.bytes() - 1)
        .filter(|room| *room > 0)?;
    let reason = limits.sendable(reason);
    let cut = reason.floor_char_boundary(room);
    let reason = if cut == 0 { "?" } else { &reason[..cut] };
    dead_letter
        .attributes
        .insert(FAILURE_REASON.to_owned(), Attribute::string(reason));
    limits.check(&dead_letter).is_ok().then_some(dead_letter)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Incoming, MemoryQueues, MessageId, Queues};

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
            trace_header: Some("Root=1".to_owned()),
            attributes: attributes.collect(),
            ..Incoming::new(MessageId::new("m-1").unwrap(), body)
        };
        crate::prepare::prepare(&Rejecting, incoming).0
    }

    #[test]
    fn attributes_keep_the_names_that_stored_dead_letters_have() {
        let names = [
            IDEMPOTENCY_KEY,
            FAILURE_REASON,
            FAILED_FUNCTION,
            RECEIVE_COUNT,
            ORIGINAL_MESSAGE_ID,
            ORIGINAL_DEDUPLICATION_ID,
        ];
        let stored = [
            "IdempotencyKey",
            "FailureReason",
            "FailedFunction",
            "ReceiveCount",
            "OriginalMessageId",
            "OriginalDeduplicationId",
        ];
        assert_eq!(names, stored);
    }

    fn names(dead_letter: &QueueMessage) -> Vec<&str> {
        dead_letter.attributes.keys().map(String::as_str).collect()
    }

    #[test]
    fn a_dead_letter_is_the_message_with_reason_and_origin() {
        let dead_letter = of("place-order", &message("{}", 1), "never", &limits()).unwrap();
        let text = |name: &str| dead_letter.attributes[name].string_value.as_deref().unwrap();
        assert_eq!((dead_letter.body.as_str(), text("a0")), ("{}", "v"));
        assert_eq!(
            [
                IDEMPOTENCY_KEY,
                FAILURE_REASON,
                FAILED_FUNCTION,
                RECEIVE_COUNT,
                ORIGINAL_MESSAGE_ID
            ]
            .map(text),
            ["m-1", "never", "place-order", "3", "m-1"]
        );
        assert_eq!(dead_letter.group.as_deref(), Some("g"));
        assert_eq!(dead_letter.trace_header.as_deref(), Some("Root=1"));
    }

    #[test]
    fn the_last_attributes_are_left_out_beyond_ten() {
        let eight = of("n", &message("{}", 8), "never", &limits()).unwrap();
        assert_eq!(names(&eight)[..2], [FAILURE_REASON, IDEMPOTENCY_KEY]);
        assert_eq!(eight.attributes.len(), 10);
        assert_eq!(of("n", &message("{}", 9), "never", &limits()), None);
    }

    #[test]
    fn near_the_size_limit_the_reason_is_cut() {
        let without = of("n", &message("x", 0), "?", &limits()).unwrap().bytes() - 2;
        let fits = |body: usize| of("n", &message(&"x".repeat(body), 0), "a long reason", &limits());
        let reason = |dead_letter: QueueMessage| dead_letter.attributes[FAILURE_REASON].string_value.clone().unwrap();
        let full = limits().message_bytes - without;
        assert_eq!(reason(fits(full - 6).unwrap()), "a long");
        assert_eq!(reason(fits(full - 1).unwrap()), "a");
        assert_eq!(fits(full), None);
    }

    #[test]
    fn characters_that_sqs_refuses_are_replaced_in_a_reason() {
        let dead_letter = of("n", &message("{}", 0), "bad\u{0}byte", &limits()).unwrap();
        assert_eq!(
            dead_letter.attributes[FAILURE_REASON].string_value.as_deref(),
            Some("bad\u{fffd}byte")
        );
    }
}
