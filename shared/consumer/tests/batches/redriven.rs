//! Messages that come back from a dead-letter queue are the messages that they were.

use std::sync::Arc;

use consumer::dead_letter::{IDEMPOTENCY_KEY, ORIGINAL_DEDUPLICATION_ID, ORIGINAL_MESSAGE_ID};
use consumer::{Delivery, Envelope, Failure, Handler, IdempotencyKey, Received};
use idempotency::{Completion, Key, Status};
use serde_json::json;

use crate::common::{
    Batch, DEAD, Deed, Effect, FIFO, Memory, Queue, STANDARD, Sent, body, event_of, failed, perform,
    with_dead_letter_queue,
};

/// Takes what SNS wraps, if told so, and else goes by the deduplication ID.
struct Wrapped<const SNS: bool>;

impl<const SNS: bool> Handler for Wrapped<SNS> {
    type Message = Deed;
    type Write = Effect;
    const NAMESPACE: &'static str = "scripted";
    const ENVELOPE: Envelope = if SNS { Envelope::Sns } else { Envelope::None };

    fn key(&self, _: &Deed, _: &Received) -> IdempotencyKey {
        match SNS {
            true => IdempotencyKey::of_message(),
            false => IdempotencyKey::deduplication_id(),
        }
    }

    async fn handle(&self, deed: Deed, _: &Delivery) -> Result<Completion<Effect>, Failure> {
        perform(deed).await
    }
}

fn notification(id: &str, deed: Deed) -> String {
    json!({
        "Type": "Notification",
        "MessageId": id,
        "TopicArn": "arn:aws:sns:eu-west-1:1:topic",
        "Message": body(deed),
        "Timestamp": "2026-01-01T00:00:00.000Z",
    })
    .to_string()
}

fn one(queue: Queue, sent: Sent) -> Batch {
    event_of(queue, [sent])
}

/// Works on these one after the other, and gives back how often writes were committed.
async fn committed<H: Handler<Write = Effect>>(
    handler: H,
    services: &Memory,
    events: impl IntoIterator<Item = Batch>,
) -> usize {
    let handler = Arc::new(handler);
    for event in events {
        assert!(failed(&handler, services, event).await.is_empty());
    }
    services.store().committed().len()
}

fn is_completed(services: &Memory, key: &str) -> bool {
    let record = services.store().record(&Key::new("scripted", key).unwrap());
    record.is_some_and(|record| record.status == Status::Completed)
}

#[tokio::test]
async fn a_message_that_was_moved_and_sent_back_is_known_by_the_id_it_had() {
    let services = with_dead_letter_queue();
    let events = [
        one(STANDARD, Sent::new("m-1", body(Deed::Write))),
        one(
            STANDARD,
            Sent::new("m-2", body(Deed::Write)).attribute(ORIGINAL_MESSAGE_ID, "m-1"),
        ),
    ];
    assert_eq!(
        committed(crate::common::Scripted::<'c'>::default(), &services, events).await,
        1
    );
}

#[tokio::test]
async fn the_envelopes_id_outweighs_the_one_that_a_moved_message_had() {
    let services = with_dead_letter_queue();
    let wrapped = || notification("n-1", Deed::Write);
    let events = [
        one(STANDARD, Sent::new("m-1", wrapped())),
        one(
            STANDARD,
            Sent::new("m-2", wrapped()).attribute(ORIGINAL_MESSAGE_ID, "m-1"),
        ),
    ];
    assert_eq!(committed(Wrapped::<true>, &services, events).await, 1);
    assert!(is_completed(&services, "n-1"));
}

#[tokio::test]
async fn a_deduplication_id_survives_its_way_back_from_a_dead_letter_queue() {
    let services = with_dead_letter_queue();
    let sent = |id: &str, deduplication_id: &str| {
        let sent = Sent::new(id, body(Deed::Write)).group("g");
        sent.deduplication_id(deduplication_id)
    };
    let events = [
        one(FIFO, sent("m-1", "d-1")),
        one(FIFO, sent("m-2", "letter").attribute(ORIGINAL_DEDUPLICATION_ID, "d-1")),
        one(FIFO, sent("m-3", "letter").attribute(IDEMPOTENCY_KEY, "d-1")),
    ];
    assert_eq!(committed(Wrapped::<false>, &services, events).await, 1);
    assert!(is_completed(&services, "d-1"));
}

#[tokio::test]
async fn another_payload_under_an_envelopes_id_is_rejected_and_not_taken_for_a_copy() {
    let services = with_dead_letter_queue();
    let events = [
        one(STANDARD, Sent::new("m-1", notification("n-1", Deed::Write))),
        one(STANDARD, Sent::new("m-2", notification("n-1", Deed::Succeed))),
    ];
    assert_eq!(committed(Wrapped::<true>, &services, events).await, 1);
    assert_eq!(services.queues().sent(DEAD).len(), 1);
}
