//! When a message that stays in the queue is redelivered. Time is paused.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use consumer::{Budget, Handler, RetryDelays, Services};
use idempotency::{Attempt, Claim, Fault, Status};
use tokio::time::Instant;

use crate::common::{
    Action, Batch, Claiming, DLQ, Effect, FIFO, Memory, Message, NOW, Natural, OneStep, Processed, STANDARD, actions,
    batch, batch_of, body, key, later, ledger_fails, processed, ten_seconds, with_dead_letter_queue,
};

/// Processes the batch within ten seconds.
async fn stays<H: Handler<Write = Effect>>(handler: &Arc<H>, services: &Memory, batch: Batch) -> Processed {
    processed(&ten_seconds(), handler, services, batch).await
}

/// The delay in seconds of a batch's only message.
async fn delay<H: Handler<Write = Effect>>(handler: &Arc<H>, services: &Memory, action: Action) -> u64 {
    let Processed { failed, hidden } = stays(handler, services, actions([("m-1", action)])).await;
    assert_eq!(failed, ["m-1"]);
    hidden["m-1"]
}

async fn claimed_by_another(services: &Memory, id: &str, seconds: u64) {
    let attempt = Attempt::new(key(id), NOW, NOW.plus(Duration::from_secs(seconds)));
    let claim = services.ledger().claim(&attempt, later()).await.unwrap();
    assert!(matches!(claim, Claim::Granted(_)));
}

fn seconds<const N: usize>(expected: [(&str, u64); N]) -> BTreeMap<String, u64> {
    expected.map(|(id, seconds)| (id.to_owned(), seconds)).into()
}

#[tokio::test(start_paused = true)]
async fn an_acknowledged_message_has_no_delay() {
    let services = with_dead_letter_queue();
    for _ in 0..2 {
        let batch = actions([("done", Action::Done), ("rejected", Action::Permanent)]);
        let Processed { failed, hidden } = stays(&Claiming::new(), &services, batch).await;
        assert!(failed.is_empty() && hidden.is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn the_bound_of_a_delay_doubles_with_each_receive() {
    let delays = RetryDelays {
        first: Some(Duration::from_secs(100)),
        longest: Duration::from_secs(400),
    };
    for (receives, bound) in [(1, 100), (2, 200), (3, 400), (9, 400)] {
        let services = Services::in_memory().with_retry_delays(delays);
        let ids: Vec<_> = (0..300).map(|n| n.to_string()).collect();
        let failing = |id: &String| Message::new(id, body(Action::Retry)).receives(receives);
        let batch = batch_of(STANDARD, ids.iter().map(failing));
        let Processed { failed, hidden } = stays(&Claiming::new(), &services, batch).await;
        assert_eq!((failed, hidden.len()), (ids, 300));
        let longest = hidden.into_values().max().unwrap();
        // The longest of 300 random times is shorter than four fifths of the bound once in 10^29 runs.
        assert!((bound * 4 / 5..=bound).contains(&longest), "{receives}: {longest}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_default_first_bound_is_the_whole_budget() {
    let ids: Vec<_> = (0..300).map(|n| n.to_string()).collect();
    let batch = actions(ids.iter().map(|id| (&**id, Action::Panic)));
    let Processed { failed, hidden } = stays(&OneStep::new(), &Services::in_memory(), batch).await;
    assert_eq!(failed, ids);
    let longest = hidden.into_values().max().unwrap();
    assert!((8..=10).contains(&longest), "{longest}");
}

#[tokio::test(start_paused = true)]
async fn retry_after_is_kept_in_every_mode() {
    async fn is_kept<H: Handler<Write = Effect>>(handler: Arc<H>) {
        assert_eq!(
            delay(&handler, &Services::in_memory(), Action::RetryAfter(60)).await,
            60
        );
    }
    is_kept(Claiming::new()).await;
    is_kept(OneStep::new()).await;
    is_kept(Natural::new()).await;
}

#[tokio::test(start_paused = true)]
async fn retry_after_counts_from_the_failure() {
    let batch = batch(
        FIFO,
        [
            ("m-1", "a", body(Action::RetryAfter(60))),
            ("m-2", "b", body(Action::Take(1000))),
        ],
    );
    // It fails a second before the batch ends.
    let processed = stays(&Claiming::new(), &Services::in_memory(), batch).await;
    assert_eq!(processed.hidden, seconds([("m-1", 59)]));
}

#[tokio::test(start_paused = true)]
async fn a_message_in_progress_waits_for_the_end_of_the_lease() {
    // Without a limit: that is the queue's.
    for lease in [100, 15 * 24 * 60 * 60] {
        let services = Services::in_memory();
        claimed_by_another(&services, "m-1", lease).await;
        let seconds = delay(&Claiming::new(), &services, Action::Done).await;
        assert!((lease..=lease + 1).contains(&seconds), "{seconds}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_message_waits_for_the_end_of_its_own_lease() {
    let (services, started) = (Services::in_memory(), Instant::now());
    let seconds = delay(&Claiming::new(), &services, Action::Hang).await;
    let lease_end = services.store().record(&key("m-1")).unwrap().lease_end.unwrap();
    let visible_at = NOW.plus(started.elapsed() + Duration::from_secs(seconds));
    assert!(visible_at > lease_end, "{visible_at:?}");
    assert!(lease_end.until(visible_at) <= Duration::from_secs(2), "{visible_at:?}");
}

#[tokio::test(start_paused = true)]
async fn a_message_that_was_not_started_is_redelivered_at_once() {
    let services = Services::in_memory();
    let no_time = Budget::new(NOW, NOW);
    let batch = actions([("m-1", Action::Done)]);
    assert_eq!(
        processed(&no_time, &Claiming::new(), &services, batch).await.failed,
        ["m-1"]
    );

    let hanging: Vec<_> = (0..10).map(|n| n.to_string()).collect();
    let hanging = hanging.iter().map(|id| (&**id, Action::Hang));
    let batch = actions(hanging.chain([("late", Action::Done)]));
    let processed = stays(&Claiming::new(), &services, batch).await;
    assert_eq!(processed.hidden["late"], 0);
}

#[tokio::test(start_paused = true)]
async fn a_rejected_message_without_a_dead_letter_has_a_retry_delay() {
    let seconds = delay(&Claiming::new(), &Services::in_memory(), Action::Permanent).await;
    assert!(seconds <= 10, "{seconds}");
}

#[tokio::test(start_paused = true)]
async fn the_rest_of_a_group_has_the_delay_of_the_first_failure() {
    let services = Services::in_memory();
    claimed_by_another(&services, "b-2", 100).await;
    let succeed = |id, group| (id, group, body(Action::Done));
    let messages = [
        succeed("a-1", "a"),
        succeed("b-1", "b"),
        ("a-2", "a", body(Action::RetryAfter(60))),
        succeed("b-2", "b"),
        succeed("a-3", "a"),
        ("a-4", "a", body(Action::Retry)),
        succeed("b-3", "b"),
        succeed("c-1", "c"),
    ];
    let Processed { failed, hidden } = stays(&Claiming::new(), &services, batch(FIFO, messages)).await;
    assert_eq!(failed, ["a-2", "b-2", "a-3", "a-4", "b-3"]);
    assert!(["a-2", "a-3", "a-4"].iter().all(|id| hidden[*id] == 60), "{hidden:?}");
    assert_eq!(hidden["b-2"], hidden["b-3"]);
    assert!((100..=101).contains(&hidden["b-2"]), "{hidden:?}");
}

#[tokio::test(start_paused = true)]
async fn a_dead_letter_does_not_delay_its_group() {
    let services = with_dead_letter_queue();
    let messages = [
        ("a-1", "a", body(Action::Permanent)),
        ("a-2", "a", body(Action::RetryAfter(60))),
        ("a-3", "a", body(Action::Done)),
    ];
    let Processed { failed, hidden } = stays(&Claiming::new(), &services, batch(FIFO, messages)).await;
    assert_eq!(failed, ["a-2", "a-3"]);
    assert_eq!(services.queues().sent(DLQ).len(), 1);
    assert_eq!(hidden, seconds([("a-2", 60), ("a-3", 60)]));
}

#[tokio::test(start_paused = true)]
async fn a_key_that_was_not_released_delays_until_its_lease_ends() {
    let services = Services::in_memory();
    ledger_fails(&services, Fault::Unreachable(None));
    delay(&Claiming::new(), &services, Action::Retry).await;
    let record = services.store().record(&key("m-1")).unwrap();
    assert_eq!(record.status, Status::InProgress);
    // The next delivery finds it in progress, and waits for the end of the lease.
    let seconds = delay(&Claiming::new(), &services, Action::Done).await;
    assert!((11..=12).contains(&seconds), "{seconds}");
}
