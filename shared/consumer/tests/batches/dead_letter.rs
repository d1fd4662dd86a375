//! Rejected messages: recorded, then sent to the dead-letter queue, then acknowledged.

use std::sync::Arc;

use consumer::{Attribute, Handler, QueueFault, Services};
use idempotency::{Fault, Status};

use crate::common::{
    Action, Batch, Claiming, DLQ, Effect, FIFO, Kind, Message, Natural, OneStep, STANDARD, Scripted, actions, batch,
    batch_of, bodies, body, failed, ledger_fails, original, queues_fail, reason, rejection, status, text,
    with_dead_letter_queue,
};

#[tokio::test(start_paused = true)]
async fn a_rejected_message_is_recorded_sent_and_acknowledged() {
    async fn is_dead_lettered<H: Handler<Write = Effect>>(handler: Arc<H>) {
        let services = with_dead_letter_queue();
        let batch = actions([("m-1", Action::Permanent), ("m-2", Action::Done)]);
        assert!(failed(&handler, &services, batch).await.is_empty());
        assert_eq!(status(&services, "m-1"), Some(Status::Rejected));
        let [dead_letter] = services.queues().sent(DLQ).try_into().unwrap();
        assert_eq!(dead_letter.body, body(Action::Permanent));
        assert_eq!(rejection(&dead_letter).reason, "not ever");
        let original = original(&dead_letter);
        assert_eq!((original.message_id.as_deref(), original.key), (Some("m-1"), None));
    }
    is_dead_lettered(Claiming::new()).await;
    is_dead_lettered(OneStep::new()).await;
}

#[tokio::test(start_paused = true)]
async fn a_malformed_body_is_dead_lettered_unchanged() {
    async fn is_dead_lettered<H: Handler<Write = Effect>>(handler: Arc<H>) {
        let services = with_dead_letter_queue();
        let batch = batch_of(
            STANDARD,
            [Message::new("m-1", "{\"never\":").attribute("tenant", "blue")],
        );
        assert!(failed(&handler, &services, batch).await.is_empty());
        let [dead_letter] = services.queues().sent(DLQ).try_into().unwrap();
        assert_eq!(
            (&*dead_letter.body, text(&dead_letter, "tenant")),
            ("{\"never\":", "blue")
        );
        assert!(rejection(&dead_letter).reason.starts_with("malformed body: "));
    }
    is_dead_lettered(Claiming::new()).await;
    is_dead_lettered(OneStep::new()).await;
    is_dead_lettered(Natural::new()).await;
}

#[tokio::test(start_paused = true)]
async fn a_rejection_not_recorded_sends_no_dead_letter() {
    async fn stays<H: Handler<Write = Effect>>(handler: Arc<H>, fault: Fault<()>) {
        let services = with_dead_letter_queue();
        ledger_fails(&services, fault);
        let permanent = || actions([("m-1", Action::Permanent)]);
        assert_eq!(failed(&handler, &services, permanent()).await, ["m-1"]);
        assert!(services.queues().sent(DLQ).is_empty());
    }
    for fault in [Fault::Unreachable, Fault::ReplyLost, Fault::Hangs] {
        stays(Claiming::new(), fault(Some(Status::Rejected))).await;
        stays(OneStep::new(), fault(Some(Status::Rejected))).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_rejection_whose_reply_is_lost_is_sent_by_a_redelivery() {
    let (handler, services) = (Claiming::new(), with_dead_letter_queue());
    ledger_fails(&services, Fault::ReplyLost(Some(Status::Rejected)));
    let permanent = || actions([("m-1", Action::Permanent)]);
    assert_eq!(failed(&handler, &services, permanent()).await, ["m-1"]);
    assert!(failed(&handler, &services, permanent()).await.is_empty());
    assert_eq!(handler.effects.handled(), ["m-1"]);
    assert_eq!(bodies(&services, DLQ).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_dead_letter_not_sent_is_sent_by_a_redelivery() {
    for (fault, copies) in [
        (QueueFault::Refused, 1),
        (QueueFault::NotSent, 1),
        (QueueFault::SendHangs, 1),
        (QueueFault::ReplyLost, 2),
    ] {
        let (handler, services) = (Claiming::new(), with_dead_letter_queue());
        queues_fail(&services, fault);
        let permanent = || actions([("m-1", Action::Permanent)]);
        assert_eq!(failed(&handler, &services, permanent()).await, ["m-1"], "{fault:?}");
        // The record is put before the dead letter is sent.
        assert_eq!(reason(&services, "m-1").as_deref(), Some("not ever"));
        assert!(failed(&handler, &services, permanent()).await.is_empty());
        assert_eq!(handler.effects.handled(), ["m-1"]);
        let dead_letters = services.queues().sent(DLQ);
        assert_eq!(dead_letters.len(), copies, "{fault:?}");
        assert!(
            dead_letters
                .iter()
                .all(|dead_letter| rejection(dead_letter).reason == "not ever")
        );
    }
}

#[tokio::test(start_paused = true)]
async fn every_redelivery_of_a_rejected_message_is_dead_lettered() {
    // As after a process that died between dead letter and acknowledgement.
    async fn is_dead_lettered_each_time<H: Handler<Write = Effect>>(handler: Arc<H>) {
        let services = with_dead_letter_queue();
        for delivery in 1..=3 {
            assert!(
                failed(&handler, &services, actions([("m-1", Action::Permanent)]))
                    .await
                    .is_empty()
            );
            assert_eq!(bodies(&services, DLQ).len(), delivery);
        }
    }
    is_dead_lettered_each_time(Claiming::new()).await;
    is_dead_lettered_each_time(OneStep::new()).await;
    is_dead_lettered_each_time(Natural::new()).await;
}

#[tokio::test(start_paused = true)]
async fn a_one_step_dead_letter_not_sent_is_sent_by_a_redelivery() {
    let (handler, services) = (OneStep::new(), with_dead_letter_queue());
    services.queues().inject(QueueFault::Refused);
    let permanent = || actions([("m-1", Action::Permanent)]);
    assert_eq!(failed(&handler, &services, permanent()).await, ["m-1"]);
    assert_eq!(status(&services, "m-1"), Some(Status::Rejected));
    assert!(failed(&handler, &services, permanent()).await.is_empty());
    assert_eq!(bodies(&services, DLQ).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_permanently_refused_write_is_dead_lettered() {
    async fn is_dead_lettered<H: Handler<Write = Effect>>(handler: Arc<H>) {
        let services = with_dead_letter_queue();
        services.store().inject(Fault::WriteRefused { write: 0, found: None });
        assert!(
            failed(&handler, &services, actions([("m-1", Action::WriteOnce)]))
                .await
                .is_empty()
        );
        assert_eq!(rejection(&services.queues().sent(DLQ)[0]).reason, "there is another");
    }
    is_dead_lettered(Claiming::new()).await;
    is_dead_lettered(OneStep::new()).await;
}

#[tokio::test(start_paused = true)]
async fn without_a_dead_letter_queue_a_rejected_message_stays() {
    let services = Services::in_memory();
    let batch = actions([("m-1", Action::Permanent)]);
    assert_eq!(failed(&Claiming::new(), &services, batch.clone()).await, ["m-1"]);
    assert_eq!(failed(&Natural::new(), &services, batch).await, ["m-1"]);
    assert!(services.queues().sent(DLQ).is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_message_that_no_queue_accepts_stays() {
    let services = with_dead_letter_queue();
    let batch = batch_of(STANDARD, [Message::new("m-1", "")]);
    assert_eq!(failed(&Claiming::new(), &services, batch).await, ["m-1"]);
    assert!(services.queues().sent(DLQ).is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_dead_letter_keeps_group_trace_and_attributes() {
    let services = with_dead_letter_queue();
    let weight = Attribute {
        data_type: Some("Number.float".to_owned()),
        string_value: Some("1.50".to_owned()),
        binary_value: None,
    };
    let photo = Attribute {
        data_type: Some("Binary".to_owned()),
        string_value: None,
        binary_value: Some(vec![0, 255]),
    };
    let message = Message::new("m-1", "{")
        .group("g")
        .trace("Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1")
        .receives(3)
        .attribute("tenant", "blue")
        .typed_attribute("weight", weight)
        .typed_attribute("photo", photo);
    assert!(
        failed(&Claiming::new(), &services, batch_of(FIFO, [message]))
            .await
            .is_empty()
    );
    let [dead_letter] = services.queues().sent(DLQ).try_into().unwrap();
    assert_eq!(dead_letter.group.as_deref(), Some("g"));
    assert_eq!(
        dead_letter.trace_header.as_deref(),
        Some("Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1")
    );
    assert_eq!(text(&dead_letter, "weight"), "1.50");
    assert_eq!(
        dead_letter.attributes["weight"].data_type.as_deref(),
        Some("Number.float")
    );
    assert_eq!(dead_letter.attributes["photo"].binary_value, Some(vec![0, 255]));
    assert_eq!(dead_letter.deduplication_id.as_deref(), Some("m-1-3"));
}

/// A group of a FIFO queue whose first message is rejected.
fn group() -> Batch {
    let messages = [
        ("a-1", "a", body(Action::Permanent)),
        ("a-2", "a", body(Action::Done)),
        ("a-3", "a", "{".to_owned()),
        ("a-4", "a", body(Action::Done)),
    ];
    batch(FIFO, messages)
}

#[tokio::test(start_paused = true)]
async fn a_group_goes_on_after_a_dead_letter() {
    let (handler, services) = (Claiming::new(), with_dead_letter_queue());
    assert!(failed(&handler, &services, group()).await.is_empty());
    assert_eq!(handler.effects.handled(), ["a-1", "a-2", "a-4"]);
    assert_eq!(bodies(&services, DLQ), [body(Action::Permanent), "{".to_owned()]);
}

#[tokio::test(start_paused = true)]
async fn a_group_waits_for_a_dead_letter_that_was_not_sent() {
    let (handler, services) = (Claiming::new(), with_dead_letter_queue());
    services.queues().inject(QueueFault::Refused);
    assert_eq!(failed(&handler, &services, group()).await, ["a-1", "a-2", "a-3", "a-4"]);
    assert_eq!(handler.effects.handled(), ["a-1"]);
}

/// Holds a group behind a rejected message.
struct Holding;
impl Kind for Holding {
    const HOLD_GROUP: bool = true;
}

#[tokio::test(start_paused = true)]
async fn a_handler_can_hold_the_group_of_a_rejected_message() {
    let (handler, services) = (Scripted::<Holding>::new(), with_dead_letter_queue());
    for _ in 0..2 {
        assert_eq!(failed(&handler, &services, group()).await, ["a-1", "a-2", "a-3", "a-4"]);
    }
    assert_eq!(handler.effects.handled(), ["a-1"]);
    assert_eq!(status(&services, "a-1"), Some(Status::Rejected));
    assert!(services.queues().sent(DLQ).is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_standard_queue_has_no_group_to_hold() {
    let (handler, services) = (Scripted::<Holding>::new(), with_dead_letter_queue());
    let batch = batch(
        STANDARD,
        [("m-1", "a", body(Action::Permanent)), ("m-2", "a", body(Action::Done))],
    );
    assert!(failed(&handler, &services, batch).await.is_empty());
    assert_eq!(bodies(&services, DLQ).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_failure_of_completed_work_is_a_duplicate() {
    let (handler, services) = (OneStep::new(), with_dead_letter_queue());
    assert!(
        failed(&handler, &services, actions([("m-1", Action::Write)]))
            .await
            .is_empty()
    );
    assert!(
        failed(&handler, &services, actions([("m-1", Action::Permanent)]))
            .await
            .is_empty()
    );
    assert!(services.queues().sent(DLQ).is_empty());
    assert_eq!(status(&services, "m-1"), Some(Status::Completed));
}
