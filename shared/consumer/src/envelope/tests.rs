//! Documented and published envelopes, and bodies that are none.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::published;

fn notification() -> Value {
    json!({
        "Type": "Notification",
        "MessageId": "n-1",
        "TopicArn": "arn:aws:sns:eu-west-1:123456789012:orders",
        "Message": "{}",
        "Timestamp": "2026-01-02T03:04:05.678Z",
        "SignatureVersion": "1",
    })
}

fn event() -> Value {
    json!({
        "version": "0",
        "id": "e-1",
        "detail-type": "Order Placed",
        "source": "com.example.shop",
        "account": "123456789012",
        "time": "2026-01-02T03:04:05Z",
        "region": "eu-west-1",
        "resources": [],
        "detail": {},
    })
}

fn with(mut envelope: Value, field: &str, value: impl Into<Value>) -> String {
    envelope[field] = value.into();
    envelope.to_string()
}

fn without(mut envelope: Value, field: &str) -> String {
    envelope.as_object_mut().unwrap().remove(field).unwrap();
    envelope.to_string()
}

/// The content of an envelope, and its origin.
fn open(envelope: Envelope, body: &str) -> (String, Origin) {
    let Unwrapped { content, origin } = unwrap(envelope, body).unwrap();
    (content.into_owned(), origin.unwrap())
}

fn reason(envelope: Envelope, body: &str) -> String {
    unwrap(envelope, body).unwrap_err()
}

#[test]
fn without_an_envelope_the_body_is_the_message() {
    let body = notification().to_string();
    let unwrapped = unwrap(Envelope::None, &body).unwrap();
    assert_eq!((&*unwrapped.content, unwrapped.origin), (&*body, None));
    assert_eq!(unwrap(Envelope::None, "not JSON").unwrap().content, "not JSON");
}

#[test]
fn the_origin_is_what_the_notification_states() {
    let (_, plain) = open(Envelope::Sns, &notification().to_string());
    assert_eq!(plain.id(), "n-1");
    assert_eq!(plain.source(), "arn:aws:sns:eu-west-1:123456789012:orders");
    assert_eq!(plain.time(), "2026-01-02T03:04:05.678Z");
    assert_eq!((plain.subject(), plain.attribute("tenant")), (None, None));

    let (_, titled) = open(Envelope::Sns, &with(notification(), "Subject", "a \"title\""));
    assert_eq!(titled.subject(), Some("a \"title\""));
    let null = with(notification(), "Subject", Value::Null);
    assert_eq!(open(Envelope::Sns, &null).1, plain);
    let null = with(notification(), "MessageAttributes", Value::Null);
    assert_eq!(open(Envelope::Sns, &null).1, plain);

    let attributes = json!({
        "tenant": {"Type": "String", "Value": "blue"},
        "weight": {"Type": "Number", "Value": "1.50"},
        "photo": {"Type": "Binary", "Value": "AP8="},
        "tags": {"Type": "String.Array", "Value": "[\"a\",\"b\"]"},
    });
    let (_, described) = open(Envelope::Sns, &with(notification(), "MessageAttributes", attributes));
    let values = ["tenant", "weight", "photo", "tags"].map(|name| described.attribute(name).unwrap());
    assert_eq!(values, ["blue", "1.50", "AP8=", "[\"a\",\"b\"]"]);
}

#[test]
fn the_origin_is_what_the_event_states() {
    let (_, origin) = open(Envelope::EventBridge, &event().to_string());
    assert_eq!(origin.id(), "e-1");
    assert_eq!(origin.source(), "com.example.shop");
    assert_eq!(origin.subject(), Some("Order Placed"));
    assert_eq!(origin.time(), "2026-01-02T03:04:05Z");
    assert_eq!(origin.attribute("account"), Some("123456789012"));
    assert_eq!(origin.attribute("region"), Some("eu-west-1"));
    assert_eq!(origin.attribute("replay-name"), None);

    let (_, replayed) = open(Envelope::EventBridge, &with(event(), "replay-name", "march"));
    assert_eq!(replayed.attribute("replay-name"), Some("march"));
    let (_, bare) = open(Envelope::EventBridge, &without(event(), "account"));
    assert_eq!(bare.attribute("account"), None);
}

#[test]
fn the_origin_is_what_the_cloud_event_states() {
    let cloud_event = json!({
        "specversion": "1.0", "id": "c-1", "source": "/shop", "type": "order.placed", "subject": "o-1",
        "time": "2026-01-02T03:04:05Z", "tenant": "blue", "count": 7, "idempotencykey": "k-1", "data": {},
    });
    let (content, origin) = open(Envelope::CloudEvents, &cloud_event.to_string());
    assert_eq!(
        (content.as_str(), origin.id(), origin.source()),
        ("{}", "/shop c-1", "/shop")
    );
    assert_eq!((origin.subject(), origin.time()), (Some("o-1"), "2026-01-02T03:04:05Z"));
    let values = ["type", "tenant", "count", "IdempotencyKey", "data"].map(|name| origin.attribute(name));
    assert_eq!(
        values,
        [Some("order.placed"), Some("blue"), Some("7"), Some("k-1"), None]
    );
    let (_, bare) = open(Envelope::CloudEvents, &without(cloud_event, "time"));
    assert_eq!(bare.time(), "");
}

#[test]
fn the_reason_names_a_missing_or_empty_field_and_the_fix() {
    for field in ["Type", "MessageId", "TopicArn", "Message", "Timestamp"] {
        assert_eq!(
            reason(Envelope::Sns, &without(notification(), field)),
            format!("not an SNS notification: field `{field}` is missing (is raw message delivery on?)")
        );
    }
    for field in ["id", "source", "detail-type", "time", "detail"] {
        assert_eq!(
            reason(Envelope::EventBridge, &without(event(), field)),
            format!(
                "not an EventBridge event: field `{field}` is missing \
                 (is the matched event the rule's target input?)"
            )
        );
    }
    let empty = with(notification(), "MessageId", "");
    assert!(reason(Envelope::Sns, &empty).contains("field `MessageId` is empty"));
    let empty = with(event(), "id", "");
    assert!(reason(Envelope::EventBridge, &empty).contains("field `id` is empty"));
}

#[test]
fn the_reason_has_line_and_column() {
    let sns = |body| reason(Envelope::Sns, body);
    assert_eq!(
        sns("{]"),
        "not an SNS notification: not JSON at line 1, column 2 (is raw message delivery on?)"
    );
    assert!(sns("{\n\"Type").contains("unexpected end of JSON at line 2, column 5"));
    assert!(sns("42").contains("unexpected shape at line 1, column 2"));
    let event = reason(Envelope::EventBridge, r#"{"detail": {"a": }}"#);
    assert!(event.contains("not JSON at line 1, column 18"), "{event}");
}

#[test]
fn a_body_of_another_sender_is_recognised() {
    let sns = |body: &str| reason(Envelope::Sns, body);
    for (body, found) in [
        ("", "empty body"),
        ("hello", "plain text, not JSON"),
        ("<a/>", "looks like XML"),
    ] {
        let why = format!("not an SNS notification: {found} (is raw message delivery on?)");
        assert_eq!(sns(body), why);
    }
    assert_eq!(
        sns(&event().to_string()),
        "not an SNS notification: an EventBridge event: set ENVELOPE to Envelope::EventBridge, or send its detail only"
    );
    let other = reason(Envelope::EventBridge, &notification().to_string());
    assert!(
        other.contains(": an SNS notification: set ENVELOPE to Envelope::Sns"),
        "{other}"
    );
}

#[test]
fn the_reason_quotes_nothing_of_the_body() {
    let secret = "4111111111111111";
    let number = json!(4_111_111_111_111_111_i64);
    let bodies = [
        format!("\"{secret}\""),
        number.to_string(),
        format!("{secret} {{"),
        json!({ secret: 1 }).to_string(),
        with(notification(), "Type", secret),
        with(notification(), "Type", number.clone()),
        with(notification(), "MessageId", number.clone()),
        with(notification(), "MessageAttributes", secret),
        with(
            notification(),
            "MessageAttributes",
            json!({ secret: { "Value": number } }),
        ),
        with(notification(), "MessageAttributes", json!({ secret: {} })),
        with(event(), "id", number.clone()),
        with(event(), "time", json!([secret])),
        format!(r#"{{"detail": {secret}x"#),
    ];
    for body in &bodies {
        let reasons = [Envelope::Sns, Envelope::EventBridge].map(|envelope| unwrap(envelope, body).err());
        let reasons: Vec<_> = reasons.into_iter().flatten().collect();
        assert!(!reasons.is_empty(), "{body} is an envelope");
        assert!(!reasons.concat().contains("4111"), "{reasons:?}");
    }
}

#[test]
fn a_confirmation_is_named_and_an_unknown_type_is_not() {
    for kind in ["SubscriptionConfirmation", "UnsubscribeConfirmation"] {
        let reason = reason(Envelope::Sns, &with(notification(), "Type", kind));
        assert!(reason.contains(kind) && reason.contains("SubscribeURL"), "{reason}");
    }
    assert_eq!(
        reason(Envelope::Sns, &with(notification(), "Type", "Surprise")),
        "not an SNS notification: field `Type` has an unknown value (is raw message delivery on?)"
    );
}

#[test]
fn a_detail_is_borrowed_from_the_body_unchanged() {
    let body = event()
        .to_string()
        .replace("\"detail\":{}", "\"detail\":{\"sum\":1.50, \"sum\":  1e2}");
    let unwrapped = unwrap(Envelope::EventBridge, &body).unwrap();
    assert_eq!(unwrapped.content, "{\"sum\":1.50, \"sum\":  1e2}");
    assert!(matches!(unwrapped.content, Cow::Borrowed(_)));
}

/// Asserts that content and origin are those of the notification.
fn assert_unwraps_notification(file: &str, notification: &Value) {
    let (content, origin) = open(Envelope::Sns, &notification.to_string());
    assert_eq!(notification["Message"], content, "{file}");
    assert_eq!(notification["MessageId"], origin.id(), "{file}");
    assert_eq!(notification["TopicArn"], origin.source(), "{file}");
    assert_eq!(notification["Timestamp"], origin.time(), "{file}");
    assert_eq!(notification["Subject"].as_str(), origin.subject(), "{file}");
    for (name, attribute) in notification["MessageAttributes"].as_object().into_iter().flatten() {
        assert_eq!(attribute["Value"].as_str(), origin.attribute(name), "{file}");
    }
}

/// Asserts that content and origin are those of the event.
fn assert_unwraps_event(file: &str, event: &Value) {
    let (content, origin) = open(Envelope::EventBridge, &event.to_string());
    assert_eq!(
        event["detail"],
        serde_json::from_str::<Value>(&content).unwrap(),
        "{file}"
    );
    assert_eq!(event["id"], origin.id(), "{file}");
    assert_eq!(event["source"], origin.source(), "{file}");
    assert_eq!(event["time"], origin.time(), "{file}");
    assert_eq!(event["detail-type"].as_str(), origin.subject(), "{file}");
    assert_eq!(event["account"].as_str(), origin.attribute("account"), "{file}");
    assert_eq!(event["region"].as_str(), origin.attribute("region"), "{file}");
}

#[test]
fn documented_envelopes_are_unwrapped() {
    let mut seen = (0, 0);
    for (file, sample) in published::ours() {
        let body = || serde_json::from_str(sample["Records"][0]["body"].as_str().unwrap()).unwrap();
        if file.starts_with("sns-") {
            seen.0 += 1;
            assert_unwraps_notification(&file, &body());
        } else if file.starts_with("eventbridge-") {
            seen.1 += 1;
            assert_unwraps_event(&file, &body());
        }
    }
    assert!(seen.0 >= 4 && seen.1 >= 3, "{seen:?}");
}

#[test]
fn published_notifications_are_unwrapped() {
    let samples = published::theirs();
    let records = samples.iter().flat_map(|(file, sample)| {
        let records = sample["Records"].as_array().into_iter().flatten();
        records.filter_map(move |record| Some((file, record.get("Sns")?)))
    });
    let unwrapped = records
        .map(|(file, notification)| assert_unwraps_notification(file, notification))
        .count();
    assert!(unwrapped >= 5, "{unwrapped}");

    let confirmations: Vec<_> = samples
        .iter()
        .filter_map(|(_, sample)| Some((sample["Type"].as_str()?, sample)))
        .filter(|(kind, _)| kind.ends_with("Confirmation"))
        .map(|(kind, sample)| (kind, reason(Envelope::Sns, &sample.to_string())))
        .collect();
    assert_eq!(confirmations.len(), 2);
    for (kind, reason) in confirmations {
        assert!(reason.contains(kind), "{reason}");
    }
}

#[test]
fn published_events_are_unwrapped() {
    let samples = published::theirs();
    // An alarm that invokes Lambda itself has another name for its detail, and no queue is involved.
    let events = samples
        .iter()
        .filter(|(_, sample)| sample.get("detail-type").is_some() && sample.get("alarmData").is_none());
    let unwrapped = events.map(|(file, event)| assert_unwraps_event(file, event)).count();
    assert!(unwrapped >= 15, "{unwrapped}");
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(any::<String>(), inner, 0..4)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn any_text_in_a_notification_is_unwrapped_unchanged(text: String) {
        prop_assert_eq!(open(Envelope::Sns, &with(notification(), "Message", text.as_str())).0, text);
    }

    #[test]
    fn any_json_in_an_event_is_unwrapped_unchanged(detail in any_json()) {
        let text = detail.to_string();
        prop_assert_eq!(open(Envelope::EventBridge, &with(event(), "detail", detail)).0, text);
    }

    #[test]
    fn no_body_causes_a_panic(body: String, json in any_json()) {
        for envelope in [Envelope::Sns, Envelope::EventBridge, Envelope::CloudEvents] {
            let _ = unwrap(envelope, &body);
            let _ = unwrap(envelope, &json.to_string());
            let _ = unwrap(envelope, &with(notification(), "MessageAttributes", json.clone()));
        }
    }
}
