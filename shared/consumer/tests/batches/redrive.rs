//! Redriven messages keep their identity.

use consumer::dead_letter::{IDEMPOTENCY_KEY, ORIGINAL};
use idempotency::{Key, Status};
use serde_json::json;

use crate::common::{
    Action, Batch, DLQ, FIFO, Kind, Memory, Message, Queue, STANDARD, Scripted, batch_of, body, failed, kind, original,
    rejection, with_dead_letter_queue,
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

/// What an operator adds.
const ORIGINAL_ID: &str = r#"{"messageId": "m-1"}"#;

#[tokio::test(start_paused = true)]
async fn a_redriven_message_is_recognised_by_its_original_id() {
    let services = with_dead_letter_queue();
    let redriven = Message::new("m-2", body(Action::Write)).attribute(ORIGINAL, ORIGINAL_ID);
    let batches = [Message::new("m-1", body(Action::Write)), redriven].map(|message| one(STANDARD, message));
    assert_eq!(committed::<kind::Claiming>(&services, batches).await, 1);
}

/// A producer that forwards or splits messages may use the names that earlier versions used, with an ID of SQS.
#[tokio::test(start_paused = true)]
async fn a_producers_own_original_id_identifies_nothing() {
    for name in ["OriginalMessageId", "OriginalDeduplicationId"] {
        let services = with_dead_letter_queue();
        let message = |id: &str, action| {
            let message = Message::new(id, body(action)).group("g").deduplication_id(id);
            one(FIFO, message.attribute(name, "6ee5d0a2-0c3c-4e8b-9a0f-5d1c3f6b7a80"))
        };
        let batches = ["m-1", "m-2"].map(|id| message(id, Action::Write));
        assert_eq!(committed::<kind::Claiming>(&services, batches).await, 2, "{name}");
        let batches = ["d-1", "d-2"].map(|id| message(id, Action::Write));
        assert_eq!(committed::<kind::Deduplication>(&services, batches).await, 4, "{name}");
        assert!(services.queues().sent(DLQ).is_empty(), "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn another_payload_under_an_original_id_is_rejected() {
    let services = with_dead_letter_queue();
    let message = |id, action| {
        one(
            STANDARD,
            Message::new(id, body(action)).attribute(ORIGINAL, ORIGINAL_ID),
        )
    };
    let batches = [message("m-2", Action::Write), message("m-3", Action::Done)];
    assert_eq!(committed::<kind::Claiming>(&services, batches).await, 1);
    let [dead_letter] = services.queues().sent(DLQ).try_into().unwrap();
    let why = rejection(&dead_letter).reason;
    assert!(why.starts_with("its key was used for another payload"), "{why}");
}

#[tokio::test(start_paused = true)]
async fn the_envelopes_id_has_priority_over_the_original_id() {
    let services = with_dead_letter_queue();
    let wrapped = |id| Message::new(id, notification("n-1", Action::Write));
    let redriven = wrapped("m-2").attribute(ORIGINAL, ORIGINAL_ID);
    let batches = [wrapped("m-1"), redriven].map(|message| one(STANDARD, message));
    assert_eq!(committed::<kind::Sns>(&services, batches).await, 1);
    assert!(is_completed(&services, "n-1"));
}

#[tokio::test(start_paused = true)]
async fn a_deduplication_id_survives_a_redrive() {
    let services = with_dead_letter_queue();
    let message = |id: &str, deduplication_id: &str| {
        let message = Message::new(id, body(Action::Write)).group("g");
        message.deduplication_id(deduplication_id)
    };
    let batches = [
        one(FIFO, message("m-1", "d-1")),
        one(
            FIFO,
            message("m-3", "d-3").attribute(ORIGINAL, r#"{"messageId": "m-1", "deduplicationId": "d-1"}"#),
        ),
        one(FIFO, message("m-4", "d-4").attribute(IDEMPOTENCY_KEY, "g d-1")),
        one(FIFO, message("m-5", "d-5").attribute(ORIGINAL, r#"{"key": "g d-1"}"#)),
    ];
    assert_eq!(committed::<kind::Deduplication>(&services, batches).await, 1);
    assert!(is_completed(&services, "g d-1"));
}

/// A function that is deployed with the wrong envelope can't decide the key of a notification: its message ID is no key.
#[tokio::test(start_paused = true)]
async fn a_fixed_function_decides_the_key_of_a_redriven_message() {
    let services = with_dead_letter_queue();
    let notification = |id| one(STANDARD, Message::new(id, notification("n-1", Action::Write)));
    let batches = ["m-1", "m-2"].map(notification);
    assert_eq!(committed::<kind::Claiming>(&services, batches).await, 0);
    let redriven = services.queues().sent(DLQ).into_iter().zip(["m-3", "m-4"]);
    let redriven = redriven.map(|(dead_letter, id)| one(STANDARD, Message::redriven(id, dead_letter)));
    assert_eq!(committed::<kind::Sns>(&services, redriven).await, 1);
    assert!(is_completed(&services, "n-1"));
}

#[tokio::test(start_paused = true)]
async fn a_malformed_body_does_not_hide_the_deduplication_id() {
    let services = with_dead_letter_queue();
    let message = |id: &str, body: &str| {
        let message = Message::new(id, body).group("g").deduplication_id("d-1");
        one(FIFO, message)
    };
    assert_eq!(
        committed::<kind::Deduplication>(&services, [message("m-1", "{")]).await,
        0
    );
    let [mut dead_letter] = services.queues().sent(DLQ).try_into().unwrap();
    // As after an upgrade that can read the body.
    dead_letter.body = body(Action::Write);
    let redriven = one(FIFO, Message::redriven("m-2", dead_letter));
    let repetition = message("m-3", &body(Action::Write));
    assert_eq!(
        committed::<kind::Deduplication>(&services, [redriven, repetition]).await,
        1
    );
}

#[tokio::test(start_paused = true)]
async fn a_second_dead_letter_states_the_first_message_id() {
    let services = with_dead_letter_queue();
    let first = one(STANDARD, Message::new("m-1", body(Action::Permanent)));
    committed::<kind::OneStep>(&services, [first]).await;
    let dead_letter = services.queues().sent(DLQ).remove(0);
    let redriven = one(STANDARD, Message::redriven("m-2", dead_letter));
    committed::<kind::OneStep>(&services, [redriven]).await;
    let again = original(&services.queues().sent(DLQ)[1]);
    assert_eq!((again.message_id.as_deref(), again.key), (Some("m-1"), None));
}

#[tokio::test(start_paused = true)]
async fn a_lost_deduplication_id_is_not_stated_as_the_original() {
    let services = with_dead_letter_queue();
    let message = |id| {
        Message::new(id, body(Action::Permanent))
            .group("g")
            .deduplication_id("d-2")
    };
    let lost = message("m-2").attribute(ORIGINAL, r#"{"messageId": "m-1"}"#);
    let known = message("m-4").attribute(ORIGINAL, r#"{"messageId": "m-3", "deduplicationId": "d-1"}"#);
    let batches = [lost, known, message("m-5")].map(|message| one(FIFO, message));
    committed::<kind::Claiming>(&services, batches).await;
    let stated = services.queues().sent(DLQ).into_iter();
    let stated: Vec<_> = stated
        .map(|dead_letter| original(&dead_letter).deduplication_id)
        .collect();
    assert_eq!(stated, [None, Some("d-1".to_owned()), Some("d-2".to_owned())]);
}

#[tokio::test(start_paused = true)]
async fn another_payload_under_an_envelopes_id_is_rejected() {
    let services = with_dead_letter_queue();
    let batches = [
        one(STANDARD, Message::new("m-1", notification("n-1", Action::Write))),
        one(STANDARD, Message::new("m-2", notification("n-1", Action::Done))),
    ];
    assert_eq!(committed::<kind::Sns>(&services, batches).await, 1);
    assert_eq!(services.queues().sent(DLQ).len(), 1);
}
