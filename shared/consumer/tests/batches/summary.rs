//! The outcomes of a batch, counted. Time is paused.

use std::sync::Arc;
use std::time::Duration;

use consumer::{Budget, Delivery, Failure, Handler, Services, Summary, process_batch};
use idempotency::{Attempt, Claim, Completion, Fault, Status, Timestamp};

use crate::common::{
    Action, Batch, Claiming, Effect, FIFO, Memory, Message, NOW, OneStep, STANDARD, Script, actions, batch, batch_of,
    body, key, later, perform, ten_seconds, with_dead_letter_queue,
};

async fn summary<H: Handler<Write = Effect>>(handler: &Arc<H>, services: &Memory, batch: Batch) -> Summary {
    process_batch(handler, services, batch.messages, batch.ordered, &ten_seconds())
        .await
        .summary
}

fn after(seconds: u64) -> idempotency::Timestamp {
    NOW.plus(Duration::from_secs(seconds))
}

#[tokio::test(start_paused = true)]
async fn each_message_counts_once_by_its_outcome() {
    let (handler, services) = (Claiming::new(), with_dead_letter_queue());
    summary(&handler, &services, actions([("duplicate", Action::Done)])).await;
    let other = Attempt::new(key("in progress"), NOW, after(60));
    assert!(matches!(
        services.ledger().claim(&other, later()).await.unwrap(),
        Claim::Granted(_)
    ));
    let messages = [
        ("done", "a", Action::Done),
        ("duplicate", "b", Action::Done),
        ("in progress", "c", Action::Done),
        ("rejected", "d", Action::Permanent),
        ("failed", "d", Action::Retry),
        ("not started", "d", Action::Done),
        ("done", "a", Action::Done),
        ("cancelled", "e", Action::Hang),
        ("panicked", "f", Action::Panic),
    ];
    let batch = batch(FIFO, messages.map(|(id, group, action)| (id, group, body(action))));
    let counted = summary(&handler, &services, batch).await;
    let expected = Summary {
        done: 2,
        duplicate: 1,
        in_progress: 1,
        failed: 3,
        rejected: 1,
        not_started: 1,
        ..counted
    };
    assert_eq!(counted, expected);
    assert_eq!(counted.lost_leases, 0);
}

#[tokio::test(start_paused = true)]
async fn a_ledger_that_refuses_is_counted_apart() {
    let services = with_dead_letter_queue();
    services.store().inject(Fault::Refused(Some(Status::InProgress)));
    let messages = actions([("m-1", Action::Done), ("m-2", Action::Retry)]);
    let counted = summary(&Claiming::new(), &services, messages).await;
    assert_eq!((counted.failed, counted.ledger_errors), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn a_rejected_message_without_a_dead_letter_counts_as_rejected() {
    let counted = summary(
        &OneStep::new(),
        &Services::in_memory(),
        actions([("m-1", Action::Permanent)]),
    )
    .await;
    assert_eq!((counted.rejected, counted.failed), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn the_summary_of_an_empty_batch_is_all_zeros() {
    let counted = summary(&Claiming::new(), &Services::in_memory(), actions([])).await;
    assert_eq!(counted, Summary::default());
}

/// Loses its lease to another attempt while it runs.
struct TakenOver(Arc<Memory>);

impl Handler for TakenOver {
    type Message = Script;
    type Write = Effect;
    const NAMESPACE: &'static str = "scripted";

    async fn handle(&self, script: Script, delivery: &Delivery) -> Result<Completion<Effect>, Failure> {
        let other = Attempt::new(key(delivery.message_id()), after(60), after(90));
        let claim = self.0.ledger().claim(&other, later()).await?;
        assert!(matches!(claim, Claim::Granted(_)));
        perform(&script, delivery).await
    }
}

#[tokio::test(start_paused = true)]
async fn every_lost_lease_is_counted() {
    let services = Arc::new(with_dead_letter_queue());
    let handler = Arc::new(TakenOver(Arc::clone(&services)));
    let batch = actions([
        ("m-1", Action::Done),
        ("m-2", Action::Retry),
        ("m-3", Action::Permanent),
        ("m-4", Action::Write),
    ]);
    let counted = summary(&handler, &services, batch).await;
    assert_eq!((counted.lost_leases, counted.failed, counted.rejected), (4, 4, 0));
}

#[tokio::test(start_paused = true)]
async fn handler_time_is_summed_over_concurrent_messages() {
    let ids: Vec<_> = (0..5).map(|n| n.to_string()).collect();
    let batch = actions(ids.iter().map(|id| (&**id, Action::Take(1000))));
    let counted = summary(&Claiming::new(), &Services::in_memory(), batch).await;
    assert_eq!(counted.handler_time, Duration::from_secs(5));
    assert_eq!(counted.ledger_time, Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn handler_time_includes_cancelled_handlers() {
    let counted = summary(
        &OneStep::new(),
        &Services::in_memory(),
        actions([("m-1", Action::Hang)]),
    )
    .await;
    assert_eq!(counted.handler_time.as_secs(), 7);
}

#[tokio::test(start_paused = true)]
async fn ledger_time_includes_requests_that_hang() {
    async fn waited<H: Handler<Write = Effect>>(handler: Arc<H>, hangs: Status) -> Duration {
        let services = Services::in_memory();
        services.store().inject(Fault::Hangs(Some(hangs)));
        let counted = summary(&handler, &services, actions([("m-1", Action::Done)])).await;
        assert_eq!(counted.handler_time, Duration::ZERO);
        counted.ledger_time
    }
    // A claim has half of the time for handlers.
    assert!(waited(Claiming::new(), Status::InProgress).await >= Duration::from_millis(3500));
    assert!(waited(Claiming::new(), Status::Completed).await >= Duration::from_secs(9));
    assert!(waited(OneStep::new(), Status::Completed).await >= Duration::from_secs(9));
}

#[tokio::test(start_paused = true)]
async fn the_oldest_message_age_is_taken_at_the_end_of_the_batch() {
    let (handler, services) = (Claiming::new(), Services::in_memory());
    let message = |id, seconds: u64, action| {
        let sent_at = Timestamp::from_millis(NOW.millis() - seconds * 1000);
        Message::new(id, body(action)).sent_at(sent_at)
    };
    let messages = [
        message("m-1", 5, Action::Done),
        message("m-2", 90, Action::Take(1000)),
        Message::new("m-3", body(Action::Done)),
    ];
    let counted = summary(&handler, &services, batch_of(STANDARD, messages)).await;
    assert_eq!(counted.oldest_message_age, Some(Duration::from_secs(91)));
}

#[tokio::test(start_paused = true)]
async fn an_unreported_age_is_unknown_and_a_negative_one_is_zero() {
    let (handler, services) = (Claiming::new(), Services::in_memory());
    let counted = summary(&handler, &services, actions([("m-1", Action::Done)])).await;
    assert_eq!(counted.oldest_message_age, None);
    let early = Message::new("m-2", body(Action::Done)).sent_at(after(60));
    let counted = summary(&handler, &services, batch_of(STANDARD, [early])).await;
    assert_eq!(counted.oldest_message_age, Some(Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn messages_without_time_count_as_not_started() {
    let no_time = Budget::new(NOW, NOW);
    let batch = actions([("m-1", Action::Done), ("m-2", Action::Done)]);
    let report = process_batch(
        &Claiming::new(),
        &Services::in_memory(),
        batch.messages,
        false,
        &no_time,
    )
    .await;
    assert_eq!(report.summary.not_started, 2);
    assert!(report.verdicts.iter().all(|verdict| !verdict.is_acknowledged()));
}
