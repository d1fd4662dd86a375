//! A delivery as the consumer knows messages.

use std::collections::BTreeMap;

use consumer::dead_letter::IDEMPOTENCY_KEY;
use consumer::{Attribute, Incoming, MessageId, is_trace_header};
use idempotency::Timestamp;
use lapin::BasicProperties;
use lapin::message::Delivery;

use crate::copy;
use crate::headers::{self, ATTEMPTS, DELIVERY_COUNT, GROUP, NOT_BEFORE, TRACE, is_attribute};
use crate::size::MOST_HEADER_BYTES;

/// The message, or why it can't be processed: `queue` is the destination under which it was received.
pub(crate) fn incoming(queue: &str, delivery: &Delivery) -> Result<Incoming, String> {
    let properties = &delivery.properties;
    let all = properties.headers().as_ref();
    let attributes = attributes(properties);
    let id =
        id(properties, &attributes).ok_or("it has neither the property message_id nor the header IdempotencyKey")?;
    let body = str::from_utf8(&delivery.data).map_err(|_| match properties.content_encoding() {
        Some(encoding) => format!("its body is not UTF-8 (content_encoding {:?})", encoding.as_str()),
        None => "its body is not UTF-8".to_owned(),
    })?;
    if !copy::fits(properties) {
        // Before it is processed: it could neither be retried nor dead-lettered after that.
        return Err(format!(
            "its headers take {} bytes of at most {MOST_HEADER_BYTES}",
            copy::kept_bytes(properties)
        ));
    }
    Ok(Incoming {
        attributes,
        group: headers::text(all, GROUP),
        queue: Some(queue.to_owned()),
        receive_count: receive_count(delivery),
        sent_at: properties
            .timestamp()
            .and_then(|seconds| Some(Timestamp::from_millis(seconds.checked_mul(1000)?))),
        trace_header: headers::text(all, TRACE).filter(|trace| is_trace_header(trace)),
        ..Incoming::new(id, body)
    })
}

/// A message without an ID is identified by the key that its producer states.
fn id(properties: &BasicProperties, attributes: &BTreeMap<String, Attribute>) -> Option<MessageId> {
    let id = properties
        .message_id()
        .as_ref()
        .and_then(|id| MessageId::new(id.as_str()));
    id.or_else(|| MessageId::new(attributes.get(IDEMPOTENCY_KEY)?.string_value.as_deref()?))
}

fn attributes(properties: &BasicProperties) -> BTreeMap<String, Attribute> {
    let headers = properties.headers().iter().flatten();
    let attributes = headers.filter(|(name, _)| !name.as_str().is_empty() && is_attribute(name.as_str()));
    let attributes = attributes.filter_map(|(name, value)| Some((name.to_string(), headers::attribute(value)?)));
    attributes.collect()
}

/// The attempts of the message before it was copied, and those since. The count of the queue only helps operators: which
/// returns it counts depends on the version of RabbitMQ.
pub(crate) fn receive_count(delivery: &Delivery) -> u32 {
    let headers = delivery.properties.headers().as_ref();
    let before = headers::number(headers, ATTEMPTS).unwrap_or(0);
    let returned = headers::number(headers, DELIVERY_COUNT).unwrap_or(delivery.redelivered.into());
    let count = before.saturating_add(returned).saturating_add(1);
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// When a copy is to be redelivered.
pub(crate) fn not_before(delivery: &Delivery) -> Option<Timestamp> {
    let millis = headers::number(delivery.properties.headers().as_ref(), NOT_BEFORE)?;
    Some(Timestamp::from_millis(millis))
}

#[cfg(test)]
mod tests {
    use lapin::types::{AMQPValue, FieldTable};

    use super::*;

    fn delivery(properties: BasicProperties, headers: &[(&str, AMQPValue)], body: &[u8]) -> Delivery {
        let mut delivery = Delivery::mock(1, "".into(), "orders".into(), false, body.to_vec());
        let mut table = FieldTable::default();
        for (name, value) in headers {
            table.insert((*name).into(), value.clone());
        }
        delivery.properties = properties.with_headers(table);
        delivery
    }

    fn with_id() -> BasicProperties {
        BasicProperties::default().with_message_id("m-1".into())
    }

    fn text(text: &str) -> AMQPValue {
        AMQPValue::LongString(text.into())
    }

    #[test]
    fn a_message_whose_copy_would_not_fit_is_odd() {
        let received = |bytes: usize| {
            let large = text(&"x".repeat(bytes));
            // Left out of copies.
            let of_broker = ("x-first-death-queue", text(&"x".repeat(2000)));
            incoming("amqp:orders", &delivery(with_id(), &[("a", large), of_broker], b"{}")).map(drop)
        };
        assert_eq!(received(MOST_HEADER_BYTES - 7), Ok(()));
        let why = received(MOST_HEADER_BYTES - 6).unwrap_err();
        assert_eq!(why, "its headers take 114689 bytes of at most 114688");
    }

    #[test]
    fn everything_about_a_message_is_read() {
        let headers = [
            (GROUP, text("g")),
            (TRACE, text("Root=1-2-3")),
            ("IdempotencyKey", text("k")),
            ("traceparent", text("00-1-2-01")),
            ("size", AMQPValue::LongInt(3)),
            ("empty", text("")),
            ("x-delivery-count", AMQPValue::LongLongInt(2)),
            (ATTEMPTS, AMQPValue::LongLongInt(4)),
            (NOT_BEFORE, AMQPValue::LongLongInt(5)),
        ];
        let delivery = delivery(
            with_id().with_timestamp(1_700_000_000),
            &headers,
            "{\"ü\":1}".as_bytes(),
        );
        let incoming = incoming("amqp:orders", &delivery).unwrap();
        assert_eq!((incoming.id.as_str(), incoming.body.as_str()), ("m-1", "{\"ü\":1}"));
        assert_eq!(
            (incoming.group.as_deref(), incoming.queue.as_deref()),
            (Some("g"), Some("amqp:orders"))
        );
        assert_eq!(incoming.receive_count, 7);
        assert_eq!(incoming.sent_at, Some(Timestamp::from_millis(1_700_000_000_000)));
        assert_eq!(incoming.trace_header.as_deref(), Some("Root=1-2-3"));
        let names: Vec<_> = incoming.attributes.keys().map(String::as_str).collect();
        assert_eq!(names, ["IdempotencyKey", "size", "traceparent"]);
        assert_eq!(not_before(&delivery), Some(Timestamp::from_millis(5)));
    }

    #[test]
    fn a_key_identifies_a_message_without_an_id() {
        let delivery = delivery(BasicProperties::default(), &[("IdempotencyKey", text("k"))], b"{}");
        assert_eq!(incoming("q", &delivery).unwrap().id.as_str(), "k");
    }

    #[test]
    fn an_odd_message_states_why_it_can_not_be_processed() {
        let why = |delivery: &Delivery| incoming("q", delivery).unwrap_err();
        assert!(why(&delivery(BasicProperties::default(), &[], b"{}")).contains("message_id"));
        assert!(
            why(&delivery(
                BasicProperties::default().with_message_id("".into()),
                &[],
                b""
            ))
            .contains("message_id")
        );
        let zipped = delivery(with_id().with_content_encoding("gzip".into()), &[], b"\x1f\x8b");
        assert_eq!(why(&zipped), "its body is not UTF-8 (content_encoding \"gzip\")");
    }

    #[test]
    fn odd_headers_fail_nothing() {
        let odd = [
            (GROUP, text("")),
            (TRACE, text("nonsense")),
            (ATTEMPTS, text("many")),
            (NOT_BEFORE, AMQPValue::LongInt(-1)),
            ("x-delivery-count", AMQPValue::Double(1.5)),
            ("bytes", AMQPValue::LongString(vec![0xff].into())),
        ];
        let odd = delivery(with_id().with_timestamp(u64::MAX), &odd, b"");
        let read = incoming("q", &odd).unwrap();
        assert_eq!(
            (read.group, read.trace_header, read.receive_count, read.sent_at),
            (None, None, 1, None)
        );
        assert_eq!((read.attributes.len(), not_before(&odd)), (1, None));
        let many = [(ATTEMPTS, AMQPValue::LongLongInt(i64::MAX))];
        assert_eq!(
            incoming("q", &delivery(with_id(), &many, b"")).unwrap().receive_count,
            u32::MAX
        );
    }

    #[test]
    fn a_classic_queue_only_states_that_a_message_was_returned() {
        let mut returned = delivery(with_id(), &[], b"");
        returned.redelivered = true;
        assert_eq!(receive_count(&returned), 2);
    }
}
