//! A request of Pub/Sub as the consumer knows messages
//! ([push subscriptions](https://cloud.google.com/pubsub/docs/push#receive_push)).

use std::collections::BTreeMap;
use std::time::UNIX_EPOCH;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use consumer::{Attribute, Incoming, MessageId};
use http::HeaderMap;
use idempotency::Timestamp;
use serde::Deserialize;
use serde_json::error::Category;

use crate::Malformed;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Envelope {
    message: Message,
    #[serde(default)]
    subscription: Option<String>,
    /// Only if the subscription has a dead-letter topic.
    #[serde(default)]
    delivery_attempt: Option<u32>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Message {
    message_id: String,
    /// Base64. A message may have attributes alone.
    #[serde(default)]
    data: String,
    #[serde(default)]
    attributes: BTreeMap<String, String>,
    #[serde(default)]
    publish_time: Option<String>,
    #[serde(default)]
    ordering_key: Option<String>,
}

/// Google's client libraries send a trace under these names
/// ([OpenTelemetry](https://cloud.google.com/pubsub/docs/open-telemetry-tracing)).
const TRACE: [(&str, &str); 2] = [
    ("googclient_traceparent", "traceparent"),
    ("googclient_tracestate", "tracestate"),
];

/// The message in the body of a request of Pub/Sub.
///
/// Its receive count is `deliveryAttempt`, which Pub/Sub reports only if the subscription has a dead-letter topic. Its queue is
/// the subscription, and its message group the ordering key.
///
/// # Errors
///
/// [`Malformed`]: it is no request of Pub/Sub, or its data is not text.
pub fn pubsub(body: &[u8]) -> Result<Incoming, Malformed> {
    message(body).map_err(|why| Malformed::new(why, &HeaderMap::new(), body))
}

fn message(body: &[u8]) -> Result<Incoming, String> {
    let envelope: Envelope = serde_json::from_slice(body).map_err(|error| {
        let what = match error.classify() {
            Category::Data => "has another shape",
            _ => "is not JSON",
        };
        let (line, column) = (error.line(), error.column());
        format!(
            "its body is no request of Pub/Sub: it {what} at line {line}, column {column}; turn payload unwrapping off"
        )
    })?;
    let message = envelope.message;
    let id = MessageId::new(message.message_id).ok_or("its messageId is empty")?;
    let data = BASE64_STANDARD.decode(message.data);
    let data = data.map_err(|_| "its data is not Base64")?;
    let body = String::from_utf8(data).map_err(|_| "its data is not UTF-8")?;
    let not_empty = |text: Option<String>| text.filter(|text| !text.is_empty());
    Ok(Incoming {
        attributes: attributes(message.attributes),
        group: not_empty(message.ordering_key),
        queue: not_empty(envelope.subscription),
        receive_count: envelope.delivery_attempt.unwrap_or(1).max(1),
        sent_at: message.publish_time.as_deref().and_then(timestamp),
        ..Incoming::new(id, body)
    })
}

/// Without empty ones, which no queue accepts.
fn attributes(mut stated: BTreeMap<String, String>) -> BTreeMap<String, Attribute> {
    for (theirs, name) in TRACE {
        if let Some(value) = stated.remove(theirs) {
            stated.entry(name.to_owned()).or_insert(value);
        }
    }
    let stated = stated
        .into_iter()
        .filter(|(name, value)| !name.is_empty() && !value.is_empty());
    let attribute = |value| Attribute {
        data_type: Some("String".to_owned()),
        string_value: Some(value),
        binary_value: None,
    };
    stated.map(|(name, value)| (name, attribute(value))).collect()
}

fn timestamp(rfc3339: &str) -> Option<Timestamp> {
    let utc = rfc3339.strip_suffix("+00:00").map(|time| format!("{time}Z"));
    let time = humantime::parse_rfc3339(utc.as_deref().unwrap_or(rfc3339)).ok()?;
    let since = time.duration_since(UNIX_EPOCH).ok()?;
    Some(Timestamp::from_millis(u64::try_from(since.as_millis()).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the documentation, with delivery attempt and ordering key.
    const EXAMPLE: &str = r#"{
        "message": {
            "attributes": {
                "key": "value",
                "empty": "",
                "googclient_traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
            },
            "data": "SGVsbG8gQ2xvdWQgUHViL1N1YiEgSGVyZSBpcyBteSBtZXNzYWdlIQ==",
            "messageId": "2070443601311540",
            "message_id": "2070443601311540",
            "orderingKey": "customer-1",
            "publishTime": "2021-02-26T19:13:55.749Z",
            "publish_time": "2021-02-26T19:13:55.749Z"
        },
        "deliveryAttempt": 5,
        "subscription": "projects/myproject/subscriptions/mysubscription"
    }"#;

    #[test]
    fn an_envelope_becomes_a_message() {
        let message = pubsub(EXAMPLE.as_bytes()).unwrap();
        assert_eq!(message.id.as_str(), "2070443601311540");
        assert_eq!(message.body, "Hello Cloud Pub/Sub! Here is my message!");
        let names: Vec<_> = message.attributes.keys().map(String::as_str).collect();
        assert_eq!(names, ["key", "traceparent"]);
        assert_eq!(message.attributes["key"].string_value.as_deref(), Some("value"));
        assert!(message.trace_context().is_some());
        assert_eq!(message.group.as_deref(), Some("customer-1"));
        assert_eq!(
            message.queue.as_deref(),
            Some("projects/myproject/subscriptions/mysubscription")
        );
        assert_eq!(message.receive_count, 5);
        assert_eq!(message.sent_at, Some(Timestamp::from_millis(1_614_366_835_749)));
    }

    #[test]
    fn a_publish_time_is_in_utc_in_both_forms() {
        let expected = Some(Timestamp::from_millis(1_614_366_835_749));
        assert_eq!(timestamp("2021-02-26T19:13:55.749Z"), expected);
        assert_eq!(timestamp("2021-02-26T19:13:55.749+00:00"), expected);
        assert_eq!(timestamp("2021-02-26T19:13:55.749+01:00"), None);
    }

    #[test]
    fn what_the_envelope_may_leave_out_is_not_known() {
        let message = pubsub(br#"{"message": {"messageId": "1", "orderingKey": ""}}"#).unwrap();
        let id = MessageId::new("1").unwrap();
        assert_eq!(message, Incoming::new(id, ""));
    }

    #[test]
    fn a_malformed_envelope_is_an_error_that_keeps_it_whole() {
        for (body, why) in [
            ("", "not JSON"),
            ("{\"id\": 4111}", "unwrapping"),
            ("{\"message\": {\"data\": \"\"}}", "another shape"),
            ("{\"message\": {\"messageId\": \"\"}}", "messageId"),
            ("{\"message\": {\"messageId\": \"1\", \"data\": \"!\"}}", "Base64"),
            ("{\"message\": {\"messageId\": \"1\", \"data\": \"/w==\"}}", "UTF-8"),
        ] {
            let malformed = pubsub(body.as_bytes()).unwrap_err();
            let text = malformed.to_string();
            assert!(text.contains(why) && !text.contains("4111"), "{body}: {text}");
            let record: serde_json::Value = serde_json::from_str(&malformed.record).unwrap();
            assert_eq!(record["body"], body);
        }
    }
}
