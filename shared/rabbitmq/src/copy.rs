//! The copy of a received message: what takes its place before it is acknowledged.

use idempotency::Timestamp;
use lapin::BasicProperties;
use lapin::message::Delivery;
use lapin::types::{AMQPValue, FieldTable, ShortString};

use crate::headers::{ATTEMPTS, NOT_BEFORE, is_of_broker};
use crate::properties::{PERSISTENT, Publication};
use crate::size::{MOST_DEAD_LETTER_BYTES, MOST_HEADER_BYTES, header_bytes};

/// Whether a copy of the message fits a frame. Its own two headers are small.
pub(crate) fn fits(properties: &BasicProperties) -> bool {
    kept_bytes(properties) <= MOST_HEADER_BYTES
}

/// Bytes of the headers that a copy has from its message.
pub(crate) fn kept_bytes(properties: &BasicProperties) -> usize {
    header_bytes(&kept_headers(properties))
}

/// The message that waits: the same message, with the attempts so far and when it is to be redelivered.
pub(crate) fn delayed(
    properties: &BasicProperties,
    body: Vec<u8>,
    attempts: u32,
    not_before: Timestamp,
) -> Publication {
    let headers = [
        (ATTEMPTS, AMQPValue::LongLongInt(attempts.into())),
        (
            NOT_BEFORE,
            AMQPValue::LongLongInt(i64::try_from(not_before.millis()).unwrap_or(i64::MAX)),
        ),
    ];
    with_headers(properties, body, headers)
}

/// The message as it is sent to the dead-letter queue, under this ID and with these headers added. `None`: its headers do not
/// fit a frame.
pub(crate) fn dead_letter(delivery: &Delivery, id: &str, added: Vec<(&str, AMQPValue)>) -> Option<Publication> {
    let copy = with_headers(&delivery.properties, delivery.data.clone(), added);
    let properties = copy
        .properties
        .with_message_id(ShortString::try_new(id).unwrap_or_default());
    let bytes = properties.headers().as_ref().map_or(0, header_bytes);
    (bytes <= MOST_DEAD_LETTER_BYTES).then_some(Publication { properties, ..copy })
}

fn with_headers<'a>(
    properties: &BasicProperties,
    body: Vec<u8>,
    added: impl IntoIterator<Item = (&'a str, AMQPValue)>,
) -> Publication {
    let mut headers = kept_headers(properties);
    for (name, value) in added {
        headers.insert(ShortString::try_new(name).unwrap_or_default(), value);
    }
    Publication {
        properties: kept_properties(properties)
            .with_headers(headers)
            .with_delivery_mode(PERSISTENT),
        body,
    }
}

fn kept_headers(properties: &BasicProperties) -> FieldTable {
    let all = properties.headers().iter().flatten();
    let ours = |name: &str| name == ATTEMPTS || name == NOT_BEFORE;
    let mut headers = FieldTable::default();
    for (name, value) in all.filter(|(name, _)| !is_of_broker(name.as_str()) && !ours(name.as_str())) {
        headers.insert(name.clone(), value.clone());
    }
    headers
}

/// Without two that the producer's message needs and a copy must not have: its expiration, which would end the wait or drop
/// the dead letter, and its user, whom the broker compares with ours
/// ([validated user ID](https://www.rabbitmq.com/docs/validated-user-id)).
fn kept_properties(properties: &BasicProperties) -> BasicProperties {
    type Set = fn(BasicProperties, ShortString) -> BasicProperties;
    let texts: [(&Option<ShortString>, Set); 8] = [
        (properties.content_type(), BasicProperties::with_content_type),
        (properties.content_encoding(), BasicProperties::with_content_encoding),
        (properties.correlation_id(), BasicProperties::with_correlation_id),
        (properties.reply_to(), BasicProperties::with_reply_to),
        (properties.message_id(), BasicProperties::with_message_id),
        (properties.kind(), BasicProperties::with_type),
        (properties.app_id(), BasicProperties::with_app_id),
        (properties.cluster_id(), BasicProperties::with_cluster_id),
    ];
    let mut kept = BasicProperties::default();
    for (value, set) in texts {
        if let Some(value) = value {
            kept = set(kept, value.clone());
        }
    }
    if let Some(priority) = properties.priority() {
        kept = kept.with_priority(*priority);
    }
    match properties.timestamp() {
        Some(timestamp) => kept.with_timestamp(*timestamp),
        None => kept,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> AMQPValue {
        AMQPValue::LongString(text.into())
    }

    #[test]
    fn a_dead_letter_with_too_many_header_bytes_is_not_sent() {
        let dead_letter = |bytes: usize| {
            let mut delivery = Delivery::mock(1, "".into(), "orders".into(), false, b"{}".to_vec());
            let mut headers = FieldTable::default();
            headers.insert("a".into(), text(&"x".repeat(bytes)));
            delivery.properties = BasicProperties::default().with_headers(headers);
            dead_letter(&delivery, "m-1", vec![("why", text("w"))])
        };
        assert!(dead_letter(MOST_DEAD_LETTER_BYTES - 17).is_some());
        assert!(dead_letter(MOST_DEAD_LETTER_BYTES - 16).is_none());
    }

    #[test]
    fn a_copy_is_the_message_without_what_would_misroute_it() {
        let mut headers = FieldTable::default();
        for name in [
            "IdempotencyKey",
            "CC",
            "BCC",
            "x-death",
            "x-first-death-queue",
            ATTEMPTS,
            NOT_BEFORE,
        ] {
            headers.insert(name.into(), text("old"));
        }
        let properties = BasicProperties::default()
            .with_message_id("m-1".into())
            .with_type("order-placed".into())
            .with_priority(3)
            .with_timestamp(1_700_000_000)
            .with_expiration("10".into())
            .with_user_id("alice".into())
            .with_delivery_mode(1)
            .with_headers(headers);
        let copy = delayed(&properties, b"{}".to_vec(), 4, Timestamp::from_millis(5));
        let mut expected = FieldTable::default();
        expected.insert("IdempotencyKey".into(), text("old"));
        expected.insert(ATTEMPTS.into(), AMQPValue::LongLongInt(4));
        expected.insert(NOT_BEFORE.into(), AMQPValue::LongLongInt(5));
        let expected = BasicProperties::default()
            .with_message_id("m-1".into())
            .with_type("order-placed".into())
            .with_priority(3)
            .with_timestamp(1_700_000_000)
            .with_delivery_mode(2)
            .with_headers(expected);
        assert_eq!((copy.properties, copy.body.as_slice()), (expected, &b"{}"[..]));
    }
}
