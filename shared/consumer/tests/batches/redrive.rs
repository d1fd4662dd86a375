//! Redriven messages keep their identity.

use consumer::dead_letter::{IDEMPOTENCY_KEY, ORIGINAL_DEDUPLICATION_ID, ORIGINAL_MESSAGE_ID};
use idempotency::{Key, Status};
use serde_json::json;

use crate::common::{
    Action, Batch, DLQ, FIFO, Kind, Memory, Message, Queue, STANDARD, Scripted, batch_of, body, failed, kind,
    with_dead_letter_queue,
};

fn notification(id: &str, action: Action) -> String {
    json!({
        "Type": "Notification",
        "MessageId": id,
        "TopicArn": "arn:aws:sns:eu-west-1:1:topic",
        "Message": body(action),
        "Timestamp": "2026-01-01T00:00:00.000Z",
    })
    .to_string()
}

fn one(queue: Queue, message: Message) -> Batch {
    batch_of(queue, [message])
}

/// Processes the batches in order and returns how many writes were committed.
async fn committed<K: Kind>(services: &Memory, batches: impl IntoIterator<Item = Batch>) -> usize {
    let handler = Scripted::<K>::new();
    for batch in batches {
        assert!(failed(&handler, services, batch).await.is_empty());
    }
    services.store().committed().len()
}

fn is_completed(services: &Memory, key: &str) -> bool {
    let record = services.store().record(&Key::new("scripted", key).unwrap());
    record.is_some_and(|record| record.status == Status::Completed)
}

#[tokio::test]
async fn a_redriven_message_is_recognised_by_its_original_id() {
    let services = with_dead_letter_queue();
    let batches = [
        one(STANDARD, Message::new("m-1", body(Action::Write))),
        one(
            STANDARD,
            Message::new("m-2", body(Action::Write)).attribute(ORIGINAL_MESSAGE_ID, "m-1"),
        ),
    ];
    assert_eq!(committed::<kind::Claiming>(&services, batches).await, 1);
}

#[tokio::test]
async fn the_envelopes_id_has_priority_over_the_original_id() {
    let services = with_dead_letter_queue();
    let wrapped = || notification("n-1", Action::Write);
    let batches = [
        one(STANDARD, Message::new("m-1", wrapped())),
        one(
            STANDARD,
            Message::new("m-2", wrapped()).attribute(ORIGINAL_MESSAGE_ID, "m-1"),
        ),
    ];
    assert_eq!(committed::<kind::Sns>(&services, batches).await, 1);
    assert!(is_completed(&services, "n-1"));
}

#[tokio::test]
async fn a_deduplication_id_survives_a_redrive() {
    let services = with_dead_letter_queue();
    let message = |id: &str, deduplication_id: &str| {
        let message = Message::new(id, body(Action::Write)).group("g");
        message.deduplication_id(deduplication_id)
    };
    let batches = [
        one(FIFO, message("m-1", "d-1")),
        one(FIFO, message("m-2", "d-2").attribute(ORIGINAL_DEDUPLICATION_ID, "d-1")),
        one(FIFO, message("m-3", "d-3").attribute(IDEMPOTENCY_KEY, "d-1")),
    ];
    assert_eq!(committed::<kind::Deduplication>(&services, batches).await, 1);
    assert!(is_completed(&services, "d-1"));
}

#[tokio::test]
async fn another_payload_under_an_envelopes_id_is_rejected() {
    let services = with_dead_letter_queue();
    let batches = [
        one(STANDARD, Message::new("m-1", notification("n-1", Action::Write))),
        one(STANDARD, Message::new("m-2", notification("n-1", Action::Done))),
    ];
    assert_eq!(committed::<kind::Sns>(&services, batches).await, 1);
    assert_eq!(services.queues().sent(DLQ).len(), 1);
}
