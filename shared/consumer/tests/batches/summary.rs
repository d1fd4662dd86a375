//! What became of a batch, in numbers. Time is paused.

use std::sync::Arc;
use std::time::Duration;

use consumer::{Budget, Delivery, Failure, Handler, Services, Summary, process_batch};
use idempotency::{Attempt, Claim, Completion, Fault, Status, Timestamp};

use crate::common::{
    Batch, Claiming, Deed, Effect, FIFO, Memory, NOW, OneStep, STANDARD, Sent, body, deeds, event, event_of, key,
    ten_seconds, with_dead_letter_queue,
};

async fn summary<H: Handler<Write = Effect>>(handler: &Arc<H>, services: &Memory, event: Batch) -> Summary {
    process_batch(handler, services, event.messages, event.ordered, &ten_seconds())
        .await
        .summary
}

fn after(seconds: u64) -> idempotency::Timestamp {
    NOW.plus(Duration::from_secs(seconds))
}

#[tokio::test(start_paused = true)]
async fn each_record_counts_once_by_its_outcome() {
    let (handler, services) = (Claiming::new(), with_dead_letter_queue());
    summary(&handler, &services, deeds([("duplicate", Deed::Succeed)])).await;
    let elsewhere = Attempt::new(key("elsewhere"), NOW, after(60));
    assert!(matches!(
        services.ledger().claim(&elsewhere).await.unwrap(),
        Claim::Granted(_)
    ));
    let messages = [
        ("done", "a", Deed::Succeed),
        ("duplicate", "b", Deed::Succeed),
        ("elsewhere", "c", Deed::Succeed),
        ("rejected", "d", Deed::Permanent),
        ("failed", "d", Deed::Retry),
        ("not started", "d", Deed::Succeed),
        ("done", "a", Deed::Succeed),
        ("cancelled", "e", Deed::Hang),
        ("panicked", "f", Deed::Panic),
    ];
    let event = event(FIFO, messages.map(|(id, group, deed)| (id, group, body(deed))));
    let counted = summary(&handler, &services, event).await;
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
async fn what_was_rejected_counts_so_whether_or_not_it_was_handed_over() {
    let counted = summary(
        &OneStep::new(),
        &Services::in_memory(),
        deeds([("m-1", Deed::Permanent)]),
    )
    .await;
    assert_eq!((counted.rejected, counted.failed), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn an_empty_event_is_all_zeros() {
    let counted = summary(&Claiming::new(), &Services::in_memory(), deeds([])).await;
    assert_eq!(counted, Summary::default());
}

/// Loses its lease to another attempt while it works.
struct Overtaken(Arc<Memory>);

impl Handler for Overtaken {
    type Message = Deed;
    type Write = Effect;
    const NAMESPACE: &'static str = "scripted";

    async fn handle(&self, deed: Deed, delivery: &Delivery) -> Result<Completion<Effect>, Failure> {
        let rival = Attempt::new(key(delivery.message_id()), after(60), after(90));
        let claim = self.0.ledger().claim(&rival).await?;
        assert!(matches!(claim, Claim::Granted(_)));
        crate::common::perform(deed).await
    }
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_was_lost_is_counted_however_the_work_ended() {
    let services = Arc::new(with_dead_letter_queue());
    let handler = Arc::new(Overtaken(Arc::clone(&services)));
    let event = deeds([
        ("m-1", Deed::Succeed),
        ("m-2", Deed::Retry),
        ("m-3", Deed::Permanent),
        ("m-4", Deed::Write),
    ]);
    let counted = summary(&handler, &services, event).await;
    assert_eq!((counted.lost_leases, counted.failed, counted.rejected), (4, 4, 0));
}

#[tokio::test(start_paused = true)]
async fn the_time_of_handlers_is_added_up_over_those_that_ran_side_by_side() {
    let ids: Vec<_> = (0..5).map(|n| n.to_string()).collect();
    let event = deeds(ids.iter().map(|id| (&**id, Deed::TakeASecond)));
    let counted = summary(&Claiming::new(), &Services::in_memory(), event).await;
    assert_eq!(counted.handler_time, Duration::from_secs(5));
    assert_eq!(counted.ledger_time, Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn the_time_of_a_handler_that_was_cancelled_counts_too() {
    let counted = summary(&OneStep::new(), &Services::in_memory(), deeds([("m-1", Deed::Hang)])).await;
    assert_eq!(counted.handler_time.as_secs(), 7);
}

#[tokio::test(start_paused = true)]
async fn the_time_of_a_ledger_that_does_not_answer_counts_as_the_ledgers() {
    async fn waited<H: Handler<Write = Effect>>(handler: Arc<H>, hangs: Status) -> Duration {
        let services = Services::in_memory();
        services.store().inject(Fault::Hangs(Some(hangs)));
        let counted = summary(&handler, &services, deeds([("m-1", Deed::Succeed)])).await;
        assert_eq!(counted.handler_time, Duration::ZERO);
        counted.ledger_time
    }
    assert!(waited(Claiming::new(), Status::InProgress).await >= Duration::from_secs(7));
    assert!(waited(Claiming::new(), Status::Completed).await >= Duration::from_secs(9));
    assert!(waited(OneStep::new(), Status::Completed).await >= Duration::from_secs(9));
}

#[tokio::test(start_paused = true)]
async fn the_oldest_messages_age_is_that_at_the_batchs_end() {
    let (handler, services) = (Claiming::new(), Services::in_memory());
    let sent = |id, seconds: u64, deed| {
        let sent_at = Timestamp::from_millis(NOW.millis() - seconds * 1000);
        Sent::new(id, body(deed)).sent_at(sent_at)
    };
    let messages = [
        sent("m-1", 5, Deed::Succeed),
        sent("m-2", 90, Deed::TakeASecond),
        Sent::new("m-3", body(Deed::Succeed)),
    ];
    let counted = summary(&handler, &services, event_of(STANDARD, messages)).await;
    assert_eq!(counted.oldest_message_age, Some(Duration::from_secs(91)));
}

#[tokio::test(start_paused = true)]
async fn an_age_that_no_message_tells_is_unknown_and_one_in_the_future_is_none() {
    let (handler, services) = (Claiming::new(), Services::in_memory());
    let counted = summary(&handler, &services, deeds([("m-1", Deed::Succeed)])).await;
    assert_eq!(counted.oldest_message_age, None);
    let early = Sent::new("m-2", body(Deed::Succeed)).sent_at(after(60));
    let counted = summary(&handler, &services, event_of(STANDARD, [early])).await;
    assert_eq!(counted.oldest_message_age, Some(Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn what_there_was_no_time_for_was_not_started() {
    let no_time = Budget::new(NOW, NOW);
    let event = deeds([("m-1", Deed::Succeed), ("m-2", Deed::Succeed)]);
    let report = process_batch(
        &Claiming::new(),
        &Services::in_memory(),
        event.messages,
        false,
        &no_time,
    )
    .await;
    assert_eq!(report.summary.not_started, 2);
    assert!(report.verdicts.iter().all(|verdict| !verdict.is_acknowledged()));
}
