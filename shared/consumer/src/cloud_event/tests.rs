//! Messages as events, and events as messages.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::dead_letter::{FAILURE, IDEMPOTENCY_KEY, ORIGINAL};
use crate::{Attribute, Incoming, MessageId, QueueMessage};
use idempotency::Timestamp;

const SENT: Timestamp = Timestamp::from_millis(1_767_323_045_678);
const TRACE: &str = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1";

fn message(body: &str, attributes: &[(&str, &str)]) -> QueueMessage {
    let attributes = attributes.iter();
    QueueMessage {
        body: body.to_owned(),
        attributes: attributes
            .map(|(name, value)| ((*name).to_owned(), Attribute::string(*value)))
            .collect(),
        group: None,
        deduplication_id: Some("k-1".to_owned()),
        trace_header: None,
    }
}

/// As a queue states it: received twice.
fn queued(body: impl Into<String>) -> Incoming {
    Incoming {
        receive_count: 2,
        sent_at: Some(Timestamp::from_millis(5)),
        queue: Some("q".to_owned()),
        ..Incoming::new(MessageId::new("of-the-queue").unwrap(), body)
    }
}

fn event() -> Value {
    json!({"specversion": "1.0", "id": "e-1", "source": "/shop", "type": "order.placed", "data": {"a": 1}})
}

fn with(field: &str, value: impl Into<Value>) -> String {
    let mut event = event();
    event[field] = value.into();
    event.to_string()
}

fn received(body: impl Into<String>) -> Incoming {
    from_cloud_event(&queued(body)).unwrap()
}

fn refusal(body: impl Into<String>) -> String {
    from_cloud_event(&queued(body)).unwrap_err()
}

fn text<'a>(incoming: &'a Incoming, name: &str) -> Option<&'a str> {
    incoming.attributes.get(name)?.string_value.as_deref()
}

#[test]
fn a_message_is_an_event_that_other_programs_can_read() {
    let attributes = [
        (IDEMPOTENCY_KEY, "k-1"),
        ("tenant", "blue"),
        ("traceparent", "00-1-2-3"),
        ("Two Words", "x"),
    ];
    let message = QueueMessage {
        group: Some("g".to_owned()),
        trace_header: Some(TRACE.to_owned()),
        ..message("{\"price\": 1.10}", &attributes)
    };
    let text = to_cloud_event(&message, SENT, 3);
    assert!(text.contains("\"data\":{\"price\": 1.10}"), "the body as it is: {text}");
    let mut read: Value = serde_json::from_str(&text).unwrap();
    let others = read["consumerattributes"].take();
    assert_eq!(
        others.as_str(),
        Some(r#"{"attributes":{"Two Words":{"dataType":"String","stringValue":"x"}}}"#)
    );
    let expected = json!({
        "specversion": "1.0", "id": "k-1", "source": "consumer", "type": "consumer.message",
        "time": "2026-01-02T03:04:05.678Z", "datacontenttype": "application/json", "data": {"price": 1.1},
        "idempotencykey": "k-1", "tenant": "blue", "traceparent": "00-1-2-3", "partitionkey": "g",
        "xamzntraceid": TRACE, "consumerattempts": 3, "consumerattributes": null,
    });
    assert_eq!(read, expected);
    let long = to_cloud_event(&super::tests::message("{}", &[("aaaaaaaaaaaaaaaaaaaaa", "x")]), SENT, 0);
    assert!(long.contains("consumerattributes"), "21 characters: {long}");
    let allowed = |name: &str| {
        name.bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    };
    assert!(
        read.as_object()
            .unwrap()
            .keys()
            .all(|name| allowed(name) && name.len() <= 20)
    );
}

/// Names that are the envelope's own, or that no extension attribute may have.
const OWN_OR_INVALID: [&str; 8] = [
    "id",
    "data",
    "consumerattempts",
    "idempotencykey",
    "consumerattributes",
    "Tenant",
    "a-name",
    "aaaaaaaaaaaaaaaaaaaaa",
];

#[test]
fn a_message_is_the_same_after_the_way_through_an_event() {
    let mut sent = message(
        "{}",
        &[(IDEMPOTENCY_KEY, "k-1"), ("source", "/shop"), ("subject", "o-1")],
    );
    let ours = [
        (ORIGINAL, "{\"messageId\":\"m-1\"}"),
        (FAILURE, "{\"reason\":\"never\"}"),
    ];
    let names = OWN_OR_INVALID.map(|name| (name, "x"));
    sent.attributes
        .extend(message("", &[&ours[..], &names].concat()).attributes);
    let number = Attribute {
        data_type: Some("Number".to_owned()),
        ..Attribute::string("1.50")
    };
    let binary = Attribute {
        data_type: Some("Binary".to_owned()),
        string_value: None,
        binary_value: Some(vec![0, 255]),
    };
    sent.attributes
        .extend([("weight".to_owned(), number), ("photo".to_owned(), binary)]);
    (sent.group, sent.trace_header) = (Some("g".to_owned()), Some(TRACE.to_owned()));
    let received = received(to_cloud_event(&sent, SENT, 3));
    let expected = Incoming {
        attributes: sent.attributes,
        group: sent.group,
        trace_header: sent.trace_header,
        queue: Some("q".to_owned()),
        receive_count: 5,
        sent_at: Some(SENT),
        ..Incoming::new(MessageId::new("k-1").unwrap(), "{}")
    };
    assert_eq!(received, expected);
}

#[test]
fn an_event_of_another_program_is_a_message() {
    let mut event = event();
    event["subject"] = "o-1".into();
    event["attempts"] = "3/5".into();
    event["count"] = 7.into();
    event["flag"] = true.into();
    event["unset"] = Value::Null;
    let message = received(event.to_string());
    assert_eq!(
        (message.id.as_str(), message.body.as_str(), message.sent_at),
        ("/shop e-1", "{\"a\":1}", Some(Timestamp::from_millis(5)))
    );
    assert_eq!(message.receive_count, 2);
    let stated = [
        "source",
        "type",
        "subject",
        "attempts",
        "IdempotencyKey",
        "count",
        "flag",
        "unset",
    ]
    .map(|name| text(&message, name));
    let expected = [
        Some("/shop"),
        Some("order.placed"),
        Some("o-1"),
        Some("3/5"),
        Some("/shop e-1"),
        Some("7"),
        Some("true"),
        None,
    ];
    assert_eq!(stated, expected);
    assert_eq!(message.attributes["count"].data_type.as_deref(), Some("Number"));
    let keyed = received(with("idempotencykey", "k-1"));
    assert_eq!(
        (keyed.id.as_str(), text(&keyed, IDEMPOTENCY_KEY)),
        ("/shop e-1", Some("k-1"))
    );
    let copy = QueueMessage {
        attributes: message.attributes.clone(),
        ..super::tests::message(&message.body, &[])
    };
    let copy = QueueMessage {
        deduplication_id: Some(message.id.as_str().to_owned()),
        ..copy
    };
    let again = received(to_cloud_event(&copy, SENT, message.receive_count));
    assert_eq!(
        (again.id, again.attributes, again.receive_count),
        (message.id, message.attributes, 4)
    );
}

/// What an event states when it happened is not when the message was sent.
#[test]
fn only_the_time_of_our_own_events_is_when_they_were_sent() {
    assert_eq!(
        received(with("time", "2026-01-02T03:04:05Z")).sent_at,
        Some(Timestamp::from_millis(5))
    );
    let own = to_cloud_event(&message("{}", &[]), SENT, 0);
    assert_eq!(received(own).sent_at, Some(SENT));
    let zone = |time: &str| rfc3339(time).map(|time| time.millis());
    assert_eq!(zone("2026-01-02T03:04:05.678+00:00"), Some(SENT.millis()));
    assert_eq!((zone("2026-01-02T03:04:05+01:00"), zone("tea")), (None, None));
    let last = to_cloud_event(&message("{}", &[]), Timestamp::from_millis(u64::MAX), 0);
    assert!(last.contains("9999-12-31T23:59:59.999Z"), "{last}");
}

#[test]
fn attributes_that_are_like_our_defaults_are_kept() {
    let sent = message("{}", &[("source", "consumer"), ("type", "consumer.message")]);
    assert_eq!(received(to_cloud_event(&sent, SENT, 0)).attributes, sent.attributes);
}

#[test]
fn the_content_type_states_whether_a_string_is_text() {
    for (content_type, data, body) in [
        ("text/plain", json!("tea"), "tea"),
        ("text/plain", json!({"a": 1}), "{\"a\":1}"),
        ("application/json", json!("tea"), "\"tea\""),
        ("Application/CloudEvents+JSON; charset=utf-8", json!("tea"), "\"tea\""),
    ] {
        let mut event = event();
        (event["datacontenttype"], event["data"]) = (content_type.into(), data);
        assert_eq!(received(event.to_string()).body, body, "{content_type}");
    }
    assert_eq!(
        received(with("data", "tea")).body,
        "\"tea\"",
        "JSON if nothing is stated"
    );
    let mut encoded = event();
    encoded["data"] = Value::Null;
    encoded["data_base64"] = "eyJhIjogMX0=".into();
    assert_eq!(received(encoded.to_string()).body, "{\"a\": 1}");
}

#[test]
fn the_reason_names_the_field_and_quotes_nothing() {
    for (field, value, problem) in [
        ("specversion", json!("0.3"), "field `specversion` is not \"1.0\""),
        ("specversion", Value::Null, "field `specversion` is missing"),
        ("id", json!(""), "field `id` is empty"),
        ("id", json!(17), "field `id` is not a string"),
        ("source", Value::Null, "field `source` is missing"),
        ("source", json!(""), "field `source` is empty"),
        ("type", json!({}), "field `type` is not a string"),
        ("subject", json!(17), "field `subject` is not a string"),
        ("time", json!(17), "field `time` is not a string"),
        ("data", Value::Null, "field `data` is missing"),
        (
            "data_base64",
            json!("e30="),
            "fields `data` and `data_base64` exclude each other",
        ),
        (
            "consumerattempts",
            json!("secret"),
            "field `consumerattempts` is not a number of attempts",
        ),
        (
            "consumerattempts",
            json!(-1),
            "field `consumerattempts` is not a number of attempts",
        ),
        (
            "consumerattributes",
            json!("secret"),
            "field `consumerattributes` is malformed",
        ),
    ] {
        let why = refusal(with(field, value));
        assert!(
            why.contains(problem) && !why.contains("17") && !why.contains("secret"),
            "{why}"
        );
    }
    for (base64, problem) in [("?secret", "Base64"), ("/w==", "UTF-8 in Base64")] {
        let mut encoded = event();
        (encoded["data"], encoded["data_base64"]) = (Value::Null, base64.into());
        let why = refusal(encoded.to_string());
        assert!(why.contains(&format!("field `data_base64` is not {problem}")), "{why}");
    }
    assert_eq!(
        refusal("{}"),
        "not a CloudEvents event: field `specversion` is missing (does the producer send CloudEvents 1.0 as JSON?)"
    );
    assert!(refusal("[1]").contains("a list, not an object"));
    assert!(refusal("").contains("empty body"));
}

proptest! {
    #[test]
    fn any_body_arrives_unchanged(text: String, spaces in " {0,2}", number: f64) {
        for body in [text, format!("{spaces}{number}"), format!("{spaces}{{\"a\": {number}}}{spaces}"), "null".to_owned()] {
            prop_assert_eq!(received(to_cloud_event(&message(&body, &[]), SENT, 0)).body, body);
        }
    }

    #[test]
    fn any_attribute_arrives_unchanged(name in "[a-zA-Z0-9._]{1,30}", value in ".+") {
        let sent = message("{}", &[(&name, &value)]);
        prop_assert_eq!(received(to_cloud_event(&sent, SENT, 0)).attributes, sent.attributes);
    }
}
