//! Messages that can never be worked, on their way to the dead-letter queue: recorded, sent, acknowledged, in this order.

use std::sync::{Arc, Mutex};

use consumer::dead_letter::{FAILURE_REASON, IDEMPOTENCY_KEY, ORIGINAL_MESSAGE_ID};
use consumer::{Attribute, Delivery, Failure, Handler, QueueFault, QueueMessage, Services};
use idempotency::{Completion, Fault, Status};

use crate::common::{
    Batch, Claiming, DEAD, Deed, Effect, FIFO, Natural, OneStep, STANDARD, Sent, bodies, body, deeds, event, event_of,
    failed, perform, reason, status, with_dead_letter_queue,
};

fn text<'a>(letter: &'a QueueMessage, attribute: &str) -> &'a str {
    letter.attributes[attribute].string_value.as_deref().unwrap()
}

#[tokio::test]
async fn what_can_never_be_done_is_recorded_and_sent_and_leaves_its_queue() {
    async fn is_handed_over<H: Handler<Write = Effect>>(handler: Arc<H>) {
        let services = with_dead_letter_queue();
        let event = deeds([("m-1", Deed::Permanent), ("m-2", Deed::Succeed)]);
        assert!(failed(&handler, &services, event).await.is_empty());
        assert_eq!(status(&services, "m-1"), Some(Status::Rejected));
        let [letter] = services.queues().sent(DEAD).try_into().unwrap();
        assert_eq!(letter.body, body(Deed::Permanent));
        assert_eq!(text(&letter, FAILURE_REASON), "not ever");
        assert_eq!(text(&letter, IDEMPOTENCY_KEY), "m-1");
    }
    is_handed_over(Claiming::new()).await;
    is_handed_over(OneStep::new()).await;
}

#[tokio::test]
async fn a_malformed_body_is_handed_over_as_it_came() {
    async fn is_handed_over<H: Handler<Write = Effect>>(handler: Arc<H>) {
        let services = with_dead_letter_queue();
        let event = event_of(STANDARD, [Sent::new("m-1", "{\"never\":").attribute("tenant", "blue")]);
        assert!(failed(&handler, &services, event).await.is_empty());
        let [letter] = services.queues().sent(DEAD).try_into().unwrap();
        assert_eq!((&*letter.body, text(&letter, "tenant")), ("{\"never\":", "blue"));
        assert!(text(&letter, FAILURE_REASON).starts_with("malformed body: "));
    }
    is_handed_over(Claiming::new()).await;
    is_handed_over(OneStep::new()).await;
    is_handed_over(Natural::new()).await;
}

#[tokio::test(start_paused = true)]
async fn without_the_record_nothing_is_sent_and_the_message_comes_again() {
    async fn is_reported<H: Handler<Write = Effect>>(handler: Arc<H>, fault: Fault<()>) {
        let services = with_dead_letter_queue();
        services.store().inject(fault);
        let permanent = || deeds([("m-1", Deed::Permanent)]);
        assert_eq!(failed(&handler, &services, permanent()).await, ["m-1"]);
        assert!(services.queues().sent(DEAD).is_empty());
    }
    for fault in [Fault::Unreachable, Fault::ReplyLost, Fault::Hangs] {
        is_reported(Claiming::new(), fault(Some(Status::Rejected))).await;
        is_reported(OneStep::new(), fault(Some(Status::Rejected))).await;
    }
}

#[tokio::test]
async fn a_rejection_whose_reply_was_lost_is_sent_at_the_next_delivery() {
    let (handler, services) = (Claiming::new(), with_dead_letter_queue());
    services.store().inject(Fault::ReplyLost(Some(Status::Rejected)));
    let permanent = || deeds([("m-1", Deed::Permanent)]);
    assert_eq!(failed(&handler, &services, permanent()).await, ["m-1"]);
    assert!(failed(&handler, &services, permanent()).await.is_empty());
    assert_eq!(handler.handled(), ["m-1"]);
    assert_eq!(bodies(&services, DEAD).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_letter_that_is_not_sent_is_sent_at_the_next_delivery_without_the_handler() {
    for (fault, copies) in [
        (QueueFault::NotSent, 1),
        (QueueFault::SendHangs, 1),
        (QueueFault::ReplyLost, 2),
    ] {
        let (handler, services) = (Claiming::new(), with_dead_letter_queue());
        services.queues().inject(fault);
        let permanent = || deeds([("m-1", Deed::Permanent)]);
        assert_eq!(failed(&handler, &services, permanent()).await, ["m-1"], "{fault:?}");
        // The record was there before the letter.
        assert_eq!(reason(&services, "m-1").as_deref(), Some("not ever"));
        assert!(failed(&handler, &services, permanent()).await.is_empty());
        assert_eq!(handler.handled(), ["m-1"]);
        let letters = services.queues().sent(DEAD);
        assert_eq!(letters.len(), copies, "{fault:?}");
        assert!(letters.iter().all(|letter| text(letter, FAILURE_REASON) == "not ever"));
    }
}

#[tokio::test]
async fn every_later_delivery_is_handed_over_again() {
    // As after a process that died between the letter and the acknowledgement.
    async fn three_letters<H: Handler<Write = Effect>>(handler: Arc<H>) {
        let services = with_dead_letter_queue();
        for delivery in 1..=3 {
            assert!(
                failed(&handler, &services, deeds([("m-1", Deed::Permanent)]))
                    .await
                    .is_empty()
            );
            assert_eq!(bodies(&services, DEAD).len(), delivery);
        }
    }
    three_letters(Claiming::new()).await;
    three_letters(OneStep::new()).await;
    three_letters(Natural::new()).await;
}

#[tokio::test]
async fn a_one_step_letter_that_is_not_sent_is_sent_at_the_next_delivery() {
    let (handler, services) = (OneStep::new(), with_dead_letter_queue());
    services.queues().inject(QueueFault::NotSent);
    let permanent = || deeds([("m-1", Deed::Permanent)]);
    assert_eq!(failed(&handler, &services, permanent()).await, ["m-1"]);
    assert_eq!(status(&services, "m-1"), Some(Status::Rejected));
    assert!(failed(&handler, &services, permanent()).await.is_empty());
    assert_eq!(bodies(&services, DEAD).len(), 1);
}

#[tokio::test]
async fn a_completion_that_is_refused_for_good_is_handed_over_too() {
    async fn is_handed_over<H: Handler<Write = Effect>>(handler: Arc<H>) {
        let services = with_dead_letter_queue();
        services.store().inject(Fault::WriteRefused { write: 0, found: None });
        assert!(
            failed(&handler, &services, deeds([("m-1", Deed::WriteOnce)]))
                .await
                .is_empty()
        );
        assert_eq!(
            text(&services.queues().sent(DEAD)[0], FAILURE_REASON),
            "there is another"
        );
    }
    is_handed_over(Claiming::new()).await;
    is_handed_over(OneStep::new()).await;
}

#[tokio::test]
async fn without_a_dead_letter_queue_the_message_is_left_to_the_redrive_policy() {
    let services = Services::in_memory();
    let event = deeds([("m-1", Deed::Permanent)]);
    assert_eq!(failed(&Claiming::new(), &services, event.clone()).await, ["m-1"]);
    assert_eq!(failed(&Natural::new(), &services, event).await, ["m-1"]);
    assert!(services.queues().sent(DEAD).is_empty());
}

#[tokio::test]
async fn a_message_without_room_for_reason_and_key_is_left_to_the_redrive_policy() {
    let (handler, services) = (Claiming::new(), with_dead_letter_queue());
    let described = |attributes: usize| {
        let sent = Sent::new("m-1", body(Deed::Permanent));
        let sent = (0..attributes).fold(sent, |sent, n| sent.attribute(&format!("a{n}"), "v"));
        event_of(STANDARD, [sent])
    };
    assert_eq!(failed(&handler, &services, described(9)).await, ["m-1"]);
    assert!(services.queues().sent(DEAD).is_empty());
    assert_eq!(status(&services, "m-1"), Some(Status::Rejected));

    assert!(failed(&handler, &services, described(8)).await.is_empty());
    let [letter] = services.queues().sent(DEAD).try_into().unwrap();
    assert_eq!(letter.attributes.len(), 10);
    assert!(!letter.attributes.contains_key(ORIGINAL_MESSAGE_ID));
}

#[tokio::test]
async fn what_no_queue_would_take_is_left_to_the_redrive_policy() {
    let services = with_dead_letter_queue();
    let event = event_of(STANDARD, [Sent::new("m-1", "")]);
    assert_eq!(failed(&Claiming::new(), &services, event).await, ["m-1"]);
    assert!(services.queues().sent(DEAD).is_empty());
}

#[tokio::test]
async fn a_letter_keeps_group_trace_and_attributes_of_every_type() {
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
    let sent = Sent::new("m-1", "{")
        .group("g")
        .trace("Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1")
        .receives(3)
        .attribute("tenant", "blue")
        .typed_attribute("weight", weight)
        .typed_attribute("photo", photo);
    assert!(
        failed(&Claiming::new(), &services, event_of(FIFO, [sent]))
            .await
            .is_empty()
    );
    let [letter] = services.queues().sent(DEAD).try_into().unwrap();
    assert_eq!(letter.group.as_deref(), Some("g"));
    assert_eq!(
        letter.trace_header.as_deref(),
        Some("Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1")
    );
    assert_eq!(text(&letter, "weight"), "1.50");
    assert_eq!(letter.attributes["weight"].data_type.as_deref(), Some("Number.float"));
    assert_eq!(letter.attributes["photo"].binary_value, Some(vec![0, 255]));
    assert_eq!(letter.deduplication_id.as_deref(), Some("m-1-3"));
}

/// A group of a FIFO queue whose first message can never be worked.
fn group() -> Batch {
    let messages = [
        ("a-1", "a", body(Deed::Permanent)),
        ("a-2", "a", body(Deed::Succeed)),
        ("a-3", "a", "{".to_owned()),
        ("a-4", "a", body(Deed::Succeed)),
    ];
    event(FIFO, messages)
}

#[tokio::test]
async fn a_group_goes_on_after_a_dead_letter() {
    let (handler, services) = (Claiming::new(), with_dead_letter_queue());
    assert!(failed(&handler, &services, group()).await.is_empty());
    assert_eq!(handler.handled(), ["a-1", "a-2", "a-4"]);
    assert_eq!(bodies(&services, DEAD), [body(Deed::Permanent), "{".to_owned()]);
}

#[tokio::test]
async fn a_group_waits_for_a_letter_that_could_not_be_sent() {
    let (handler, services) = (Claiming::new(), with_dead_letter_queue());
    services.queues().inject(QueueFault::NotSent);
    assert_eq!(failed(&handler, &services, group()).await, ["a-1", "a-2", "a-3", "a-4"]);
    assert_eq!(handler.handled(), ["a-1"]);
}

/// Its groups wait behind what can never be worked.
#[derive(Default)]
struct Holding(Mutex<Vec<String>>);

impl Handler for Holding {
    type Message = Deed;
    type Write = Effect;
    const NAMESPACE: &'static str = "scripted";
    const HOLD_GROUP: bool = true;

    async fn handle(&self, deed: Deed, delivery: &Delivery) -> Result<Completion<Effect>, Failure> {
        self.0.lock().unwrap().push(delivery.message_id().to_owned());
        perform(deed).await
    }
}

#[tokio::test]
async fn a_handler_may_hold_the_group_behind_what_can_never_be_worked() {
    let (handler, services) = (Arc::<Holding>::default(), with_dead_letter_queue());
    for _ in 0..2 {
        assert_eq!(failed(&handler, &services, group()).await, ["a-1", "a-2", "a-3", "a-4"]);
    }
    assert_eq!(*handler.0.lock().unwrap(), ["a-1"]);
    assert_eq!(status(&services, "a-1"), Some(Status::Rejected));
    assert!(services.queues().sent(DEAD).is_empty());
}

#[tokio::test]
async fn there_is_no_group_to_hold_on_a_standard_queue() {
    let (handler, services) = (Arc::<Holding>::default(), with_dead_letter_queue());
    let event = event(
        STANDARD,
        [("m-1", "a", body(Deed::Permanent)), ("m-2", "a", body(Deed::Succeed))],
    );
    assert!(failed(&handler, &services, event).await.is_empty());
    assert_eq!(bodies(&services, DEAD).len(), 1);
}

#[tokio::test]
async fn what_another_delivery_completed_meanwhile_is_a_duplicate_and_no_letter() {
    let (handler, services) = (OneStep::new(), with_dead_letter_queue());
    assert!(
        failed(&handler, &services, deeds([("m-1", Deed::Write)]))
            .await
            .is_empty()
    );
    assert!(
        failed(&handler, &services, deeds([("m-1", Deed::Permanent)]))
            .await
            .is_empty()
    );
    assert!(services.queues().sent(DEAD).is_empty());
    assert_eq!(status(&services, "m-1"), Some(Status::Completed));
}
