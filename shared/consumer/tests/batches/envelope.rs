//! Messages in envelopes of SNS, EventBridge and CloudEvents: their keys, and what is dead-lettered.

use std::sync::{Arc, Mutex};

use consumer::dead_letter::{IDEMPOTENCY_KEY, ORIGINAL};
use consumer::{Delivery, Envelope, Failure, Handler, IdempotencyKey, Received, Services};
use idempotency::{Completion, Key, Status};
use serde::Deserialize;
use serde_json::json;

use crate::common::{
    DLQ, Effect, Memory, Message, STANDARD, batch_of, failed, original, rejection, with_dead_letter_queue,
};

#[derive(Deserialize)]
struct Note {
    #[serde(default)]
    id: String,
    text: String,
}

/// Records text and source of each note: `'s'` from SNS, `'e'` from EventBridge, `'c'` from CloudEvents, `'b'` from SNS with a
/// business key.
#[derive(Default)]
struct Unwrapping<const HOW: char> {
    handled: Mutex<Vec<(String, Option<String>)>>,
    traces: Mutex<Vec<String>>,
}

impl<const HOW: char> Handler for Unwrapping<HOW> {
    type Message = Note;
    type Write = Effect;
    const NAMESPACE: &'static str = "unwrapping";
    const ENVELOPE: Envelope = match HOW {
        'e' => Envelope::EventBridge,
        'c' => Envelope::CloudEvents,
        _ => Envelope::Sns,
    };

    fn key(&self, note: &Note, _: &Received) -> IdempotencyKey {
        match HOW {
            'b' => IdempotencyKey::business(&note.id),
            _ => IdempotencyKey::of_message(),
        }
    }

    async fn handle(&self, note: Note, delivery: &Delivery) -> Result<Completion<Effect>, Failure> {
        let source = delivery.origin().map(|origin| origin.source().to_owned());
        self.handled.lock().unwrap().push((note.text, source));
        let trace = delivery.traceparent().map(str::to_owned);
        self.traces.lock().unwrap().extend(trace);
        Ok(Completion::new())
    }
}

impl<const HOW: char> Unwrapping<HOW> {
    fn new() -> Arc<Self> {
        Arc::default()
    }

    fn texts(&self) -> Vec<String> {
        self.handled
            .lock()
            .unwrap()
            .iter()
            .map(|(text, _)| text.clone())
            .collect()
    }
}

fn notification(id: &str, message: &str) -> String {
    json!({
        "Type": "Notification",
        "MessageId": id,
        "TopicArn": "arn:aws:sns:eu-west-1:123456789012:notes",
        "Message": message,
        "Timestamp": "2026-01-02T03:04:05.678Z",
    })
    .to_string()
}

fn event(id: &str, text: &str) -> String {
    json!({
        "version": "0",
        "id": id,
        "detail-type": "Note Taken",
        "source": "com.example.notes",
        "account": "123456789012",
        "time": "2026-01-02T03:04:05Z",
        "region": "eu-west-1",
        "resources": [],
        "detail": {"text": text},
    })
    .to_string()
}

fn status(services: &Memory, key: &str) -> Option<Status> {
    let record = services.store().record(&Key::new("unwrapping", key).unwrap());
    record.map(|record| record.status)
}

#[tokio::test(start_paused = true)]
async fn the_id_in_the_envelope_is_the_key() {
    let (handler, services) = (Unwrapping::<'s'>::new(), Services::in_memory());
    let body = notification("n-1", r#"{"text": "a"}"#);
    for id in ["m-1", "m-2"] {
        let batch = batch_of(STANDARD, [Message::new(id, body.clone())]);
        assert!(failed(&handler, &services, batch).await.is_empty());
    }
    let topic = "arn:aws:sns:eu-west-1:123456789012:notes".to_owned();
    assert_eq!(*handler.handled.lock().unwrap(), [("a".to_owned(), Some(topic))]);
    assert_eq!(status(&services, "n-1"), Some(Status::Completed));

    let (handler, services) = (Unwrapping::<'e'>::new(), Services::in_memory());
    let messages = ["m-1", "m-2"].map(|id| Message::new(id, event("e-1", "b")));
    assert!(
        failed(&handler, &services, batch_of(STANDARD, messages))
            .await
            .is_empty()
    );
    assert_eq!(handler.texts(), ["b"]);
    assert_eq!(status(&services, "e-1"), Some(Status::Completed));
}

#[tokio::test(start_paused = true)]
async fn the_key_attribute_has_priority_over_the_envelopes_id() {
    let (handler, services) = (Unwrapping::<'s'>::new(), Services::in_memory());
    let redriven = |id, envelope| {
        let message = Message::new(id, notification(envelope, r#"{"text": "a"}"#));
        batch_of(STANDARD, [message.attribute(IDEMPOTENCY_KEY, "k-1")])
    };
    assert!(failed(&handler, &services, redriven("m-1", "n-1")).await.is_empty());
    assert!(failed(&handler, &services, redriven("m-2", "n-2")).await.is_empty());
    assert_eq!(handler.texts(), ["a"]);
    assert_eq!(status(&services, "k-1"), Some(Status::Completed));
    assert_eq!(status(&services, "n-1"), None);
}

/// A notification whose producer stated this key.
fn keyed(id: &str, message: &str, key: &str) -> String {
    let mut notification: serde_json::Value = serde_json::from_str(&notification(id, message)).unwrap();
    notification["MessageAttributes"] = json!({"IdempotencyKey": {"Type": "String", "Value": key}});
    notification.to_string()
}

#[tokio::test(start_paused = true)]
async fn a_key_in_an_sns_attribute_is_the_key() {
    let (handler, services) = (Unwrapping::<'s'>::new(), with_dead_letter_queue());
    for (id, envelope, text) in [("m-1", "n-1", "a"), ("m-2", "n-2", "a"), ("m-3", "n-3", "b")] {
        let body = keyed(envelope, &format!(r#"{{"text": "{text}"}}"#), "k-1");
        let batch = batch_of(STANDARD, [Message::new(id, body)]);
        assert!(failed(&handler, &services, batch).await.is_empty());
    }
    assert_eq!(handler.texts(), ["a"]);
    assert_eq!(status(&services, "k-1"), Some(Status::Completed));
    let [dead_letter] = services.queues().sent(DLQ).try_into().unwrap();
    assert!(
        rejection(&dead_letter).reason.contains("another payload"),
        "as with a key of the queue's message"
    );
}

#[tokio::test(start_paused = true)]
async fn the_first_key_that_exists_counts() {
    let text = r#"{"text": "a"}"#;
    let body = |key| Message::new("m-1", keyed("n-1", text, key));
    let original = |json| (ORIGINAL, json);
    for (message, attributes, key) in [
        (
            body("sns"),
            vec![(IDEMPOTENCY_KEY, "sqs"), original(r#"{"key": "rejected"}"#)],
            "rejected",
        ),
        (
            body("sns"),
            vec![(IDEMPOTENCY_KEY, "sqs"), original(r#"{"messageId": "m-0"}"#)],
            "sqs",
        ),
        (
            body("sns"),
            vec![(IDEMPOTENCY_KEY, ""), original(r#"{"messageId": "m-0"}"#)],
            "sns",
        ),
        (body(""), vec![original(r#"{"messageId": "m-0"}"#)], "n-1"),
        (
            Message::new("m-1", text),
            vec![original(r#"{"messageId": "m-0"}"#)],
            "m-0",
        ),
        (Message::new("m-1", text), vec![original("{}")], "m-1"),
    ] {
        let (handler, services) = (Unwrapping::<'s'>::new(), with_dead_letter_queue());
        let message = attributes
            .iter()
            .fold(message, |message, (name, value)| message.attribute(name, value));
        assert!(
            failed(&handler, &services, batch_of(STANDARD, [message]))
                .await
                .is_empty()
        );
        assert!(status(&services, key).is_some(), "{attributes:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_business_key_is_of_the_message_inside_the_envelope() {
    let (handler, services) = (Unwrapping::<'b'>::new(), with_dead_letter_queue());
    let note = r#"{"id": "o-1", "text": "a"}"#;
    for (id, body) in [
        ("m-1", notification("n-1", note)),
        ("m-2", notification("n-2", note)),
        ("m-3", notification("n-3", r#"{"id": "o-1", "text": "b"}"#)),
    ] {
        assert!(
            failed(&handler, &services, batch_of(STANDARD, [Message::new(id, body)]))
                .await
                .is_empty()
        );
    }
    assert_eq!(handler.texts(), ["a"]);
    assert_eq!(services.queues().sent(DLQ).len(), 1);
    assert_eq!(status(&services, "o-1"), Some(Status::Completed));
}

#[tokio::test(start_paused = true)]
async fn a_body_without_envelope_is_rejected_under_its_message_id() {
    let (handler, services) = (Unwrapping::<'s'>::new(), with_dead_letter_queue());
    let message = Message::new("m-1", r#"{"text": "a"}"#);
    assert!(
        failed(&handler, &services, batch_of(STANDARD, [message]))
            .await
            .is_empty()
    );
    assert!(handler.texts().is_empty());
    assert_eq!(status(&services, "m-1"), Some(Status::Rejected));
    let [dead_letter] = services.queues().sent(DLQ).try_into().unwrap();
    let why = rejection(&dead_letter).reason;
    assert!(why.starts_with("malformed body: not an SNS notification"), "{why}");
}

#[tokio::test(start_paused = true)]
async fn a_malformed_message_is_rejected_under_its_envelopes_id() {
    let (handler, services) = (Unwrapping::<'s'>::new(), with_dead_letter_queue());
    let body = notification("n-1", "no note");
    let messages = ["m-1", "m-2"].map(|id| Message::new(id, body.clone()));
    assert!(
        failed(&handler, &services, batch_of(STANDARD, messages))
            .await
            .is_empty()
    );
    assert_eq!(status(&services, "n-1"), Some(Status::Rejected));
    assert_eq!(status(&services, "m-1"), None);
    let dead_letters = services.queues().sent(DLQ);
    assert_eq!(dead_letters.len(), 2);
    assert!(dead_letters.iter().all(|dead_letter| dead_letter.body == body));
    assert_eq!(original(&dead_letters[0]).key.as_deref(), Some("n-1"));
}

#[tokio::test(start_paused = true)]
async fn the_fingerprint_covers_the_message_not_its_envelope() {
    // The second handler can't decode what the first has processed, as after a deployment.
    let services = with_dead_letter_queue();
    let keyed = |id, body: String| batch_of(STANDARD, [Message::new(id, body).attribute(IDEMPOTENCY_KEY, "k-1")]);
    let done = Unwrapping::<'s'>::new();
    let first = keyed("m-1", notification("n-1", r#"{"text": "a"}"#));
    assert!(failed(&done, &services, first).await.is_empty());

    #[derive(Deserialize)]
    struct Newer {
        #[expect(dead_code, reason = "only its absence matters")]
        title: String,
    }
    struct Stricter;
    impl Handler for Stricter {
        type Message = Newer;
        type Write = Effect;
        const NAMESPACE: &'static str = "unwrapping";
        const ENVELOPE: Envelope = Envelope::Sns;
        async fn handle(&self, _: Newer, _: &Delivery) -> Result<Completion<Effect>, Failure> {
            Ok(Completion::new())
        }
    }
    let stricter = Arc::new(Stricter);
    let same = keyed("m-2", notification("n-2", r#"{"text": "a"}"#));
    assert!(failed(&stricter, &services, same).await.is_empty());
    assert!(services.queues().sent(DLQ).is_empty(), "it is a duplicate");
    let another = keyed("m-3", notification("n-3", r#"{"text": "b"}"#));
    assert!(failed(&stricter, &services, another).await.is_empty());
    assert_eq!(services.queues().sent(DLQ).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn key_and_trace_of_a_cloud_event_are_in_its_envelope() {
    let (handler, services) = (Unwrapping::<'c'>::new(), Services::in_memory());
    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let event = |id: &str| {
        json!({
            "specversion": "1.0", "id": id, "source": "/notes", "type": "note.taken", "data": {"text": id},
            "idempotencykey": "k-1", "traceparent": trace,
        })
    };
    let mut unkeyed = event("c-2");
    unkeyed.as_object_mut().unwrap().remove("idempotencykey");
    for event in [event("c-1"), event("c-1"), unkeyed] {
        let batch = batch_of(STANDARD, [Message::new("m-1", event.to_string())]);
        assert!(failed(&handler, &services, batch).await.is_empty());
    }
    assert_eq!(handler.texts(), ["c-1", "c-2"]);
    assert_eq!(*handler.traces.lock().unwrap(), [trace, trace]);
    assert_eq!(
        [status(&services, "k-1"), status(&services, "/notes c-2")],
        [Some(Status::Completed); 2]
    );
    assert_eq!(status(&services, "m-1"), None);
    // Another producer that counts from 1, too.
    let mut other = event("c-2");
    other["source"] = "/others".into();
    other.as_object_mut().unwrap().remove("idempotencykey");
    let batch = batch_of(STANDARD, [Message::new("m-2", other.to_string())]);
    assert!(failed(&handler, &services, batch).await.is_empty());
    assert_eq!(handler.texts(), ["c-1", "c-2", "c-2"]);
}

#[tokio::test(start_paused = true)]
async fn a_malformed_cloud_event_is_dead_lettered_with_its_field() {
    let (handler, services) = (Unwrapping::<'c'>::new(), with_dead_letter_queue());
    let body = r#"{"specversion": "1.0", "id": "c-1", "source": "/notes", "data": {"text": "a"}}"#;
    assert!(
        failed(&handler, &services, batch_of(STANDARD, [Message::new("m-1", body)]))
            .await
            .is_empty()
    );
    let sent = services.queues().sent(DLQ).remove(0);
    let reason = rejection(&sent).reason;
    assert!(
        reason.starts_with("malformed body: not a CloudEvents event: field `type` is missing"),
        "{reason}"
    );
}
