//! When a message that goes back comes again. Time is paused.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use batch::{Budget, Handler, QueueFault, RetryDelays, Services};
use idempotency::{Attempt, Claim, Fault, Status};
use tokio::time::Instant;

use crate::common::{
    Claiming, DEAD, Deed, Effect, FIFO, Memory, NOW, Natural, OneStep, STANDARD, Sent, body, deeds, event, event_of,
    failed, failed_within, key, ten_seconds, with_dead_letter_queue,
};

/// The seconds for which each message is hidden, by its ID; those that are not there keep the queue's own time.
fn hidden(services: &Memory) -> BTreeMap<String, u64> {
    let changes = services.queues().changes();
    let count = changes.len();
    let hidden: BTreeMap<_, _> = changes
        .into_iter()
        .map(|change| (change.receipt_handle.replace("receipt of ", ""), change.timeout))
        .map(|(id, timeout)| {
            assert_eq!(timeout.subsec_nanos(), 0);
            (id, timeout.as_secs())
        })
        .collect();
    assert_eq!(hidden.len(), count, "a message was hidden twice");
    hidden
}

async fn in_progress_elsewhere(services: &Memory, id: &str, seconds: u64) {
    let attempt = Attempt::new(key(id), NOW, NOW.plus(Duration::from_secs(seconds)));
    let claim = services.ledger().claim(&attempt).await.unwrap();
    assert!(matches!(claim, Claim::Granted(_)));
}

#[tokio::test(start_paused = true)]
async fn what_is_acknowledged_is_not_hidden() {
    let services = with_dead_letter_queue();
    for _ in 0..2 {
        let event = deeds([("done", Deed::Succeed), ("rejected", Deed::Permanent)]);
        assert!(failed(&Claiming::new(), &services, event).await.is_empty());
    }
    assert!(hidden(&services).is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_retry_comes_again_within_a_bound_that_doubles_with_each_receive() {
    let delays = RetryDelays {
        first: Some(Duration::from_secs(100)),
        longest: Duration::from_secs(400),
    };
    for (receives, bound) in [(1, 100), (2, 200), (3, 400), (9, 400)] {
        let services = Services::in_memory().with_retry_delays(delays);
        let ids: Vec<_> = (0..300).map(|n| n.to_string()).collect();
        let failing = |id: &String| Sent::new(id, body(Deed::Retry)).system("ApproximateReceiveCount", receives);
        let event = event_of(STANDARD, ids.iter().map(failing));
        assert_eq!(failed(&Claiming::new(), &services, event).await, ids);
        let hidden = hidden(&services);
        assert_eq!(hidden.len(), ids.len());
        let longest = hidden.into_values().max().unwrap();
        // Of 300 random times the longest is shorter than four fifths of the bound once in 10^29 runs.
        assert!((bound * 4 / 5..=bound).contains(&longest), "{receives}: {longest}");
    }
}

#[tokio::test(start_paused = true)]
async fn unless_said_otherwise_the_first_bound_is_the_time_of_the_invocation() {
    let services = Services::in_memory();
    let ids: Vec<_> = (0..300).map(|n| n.to_string()).collect();
    let event = deeds(ids.iter().map(|id| (&**id, Deed::Panic)));
    assert_eq!(failed(&OneStep::new(), &services, event).await, ids);
    let longest = hidden(&services).into_values().max().unwrap();
    assert!((8..=10).contains(&longest), "{longest}");
}

#[tokio::test(start_paused = true)]
async fn a_stated_time_is_kept_in_every_mode() {
    async fn is_kept<H: Handler<Write = Effect>>(handler: Arc<H>) {
        let services = Services::in_memory();
        let event = deeds([("m-1", Deed::RetryInAMinute)]);
        assert_eq!(failed(&handler, &services, event).await, ["m-1"]);
        assert_eq!(hidden(&services), BTreeMap::from([("m-1".to_owned(), 60)]));
    }
    is_kept(Claiming::new()).await;
    is_kept(OneStep::new()).await;
    is_kept(Natural::new()).await;
}

#[tokio::test(start_paused = true)]
async fn a_stated_time_counts_from_the_failure() {
    let services = Services::in_memory();
    let event = event(
        FIFO,
        [
            ("m-1", "a", body(Deed::RetryInAMinute)),
            ("m-2", "b", body(Deed::TakeASecond)),
        ],
    );
    assert_eq!(failed(&Claiming::new(), &services, event).await, ["m-1"]);
    // It failed a second before the batch ended.
    assert_eq!(hidden(&services)["m-1"], 59);
}

#[tokio::test(start_paused = true)]
async fn what_is_in_progress_elsewhere_comes_again_when_that_lease_has_ended() {
    let services = Services::in_memory();
    in_progress_elsewhere(&services, "m-1", 100).await;
    assert_eq!(
        failed(&Claiming::new(), &services, deeds([("m-1", Deed::Succeed)])).await,
        ["m-1"]
    );
    let seconds = hidden(&services)["m-1"];
    assert!((100..=101).contains(&seconds), "{seconds}");
}

#[tokio::test(start_paused = true)]
async fn nothing_is_hidden_longer_than_a_queue_allows() {
    let services = Services::in_memory();
    in_progress_elsewhere(&services, "m-1", 15 * 24 * 60 * 60).await;
    assert_eq!(
        failed(&Claiming::new(), &services, deeds([("m-1", Deed::Succeed)])).await,
        ["m-1"]
    );
    let seconds = hidden(&services)["m-1"];
    assert!((11 * 3600..=12 * 3600 - 15 * 60).contains(&seconds), "{seconds}");
}

#[tokio::test(start_paused = true)]
async fn what_was_cancelled_comes_again_when_its_own_lease_has_ended() {
    let (services, started) = (Services::in_memory(), Instant::now());
    assert_eq!(
        failed(&Claiming::new(), &services, deeds([("m-1", Deed::Hang)])).await,
        ["m-1"]
    );
    let lease_end = services.store().record(&key("m-1")).unwrap().lease_end.unwrap();
    let visible_at = NOW.plus(started.elapsed() + Duration::from_secs(hidden(&services)["m-1"]));
    assert!(visible_at > lease_end, "{visible_at:?}");
    assert!(lease_end.until(visible_at) <= Duration::from_secs(2), "{visible_at:?}");
}

#[tokio::test(start_paused = true)]
async fn what_was_not_started_comes_again_at_once() {
    let services = Services::in_memory();
    let no_time = Budget::new(NOW, NOW);
    let event = deeds([("m-1", Deed::Succeed)]);
    let reported = failed_within(&no_time, &Claiming::new(), &services, event).await;
    assert_eq!(reported, ["m-1"]);
    // There was no time to say so either.
    let short = Budget::new(NOW, NOW.plus(Duration::from_secs(10)));
    let hanging: Vec<_> = (0..10).map(|n| n.to_string()).collect();
    let all = hanging
        .iter()
        .map(|id| (&**id, Deed::Hang))
        .chain([("late", Deed::Succeed)]);
    failed_within(&short, &Claiming::new(), &services, deeds(all)).await;
    assert_eq!(hidden(&services)["late"], 0);
}

#[tokio::test(start_paused = true)]
async fn what_was_rejected_and_could_not_be_dead_lettered_comes_again_as_after_a_retry() {
    let services = Services::in_memory();
    assert_eq!(
        failed(&Claiming::new(), &services, deeds([("m-1", Deed::Permanent)])).await,
        ["m-1"]
    );
    assert!(hidden(&services)["m-1"] <= 10);
}

#[tokio::test(start_paused = true)]
async fn the_rest_of_a_fifo_group_is_hidden_as_long_as_the_first_that_failed() {
    let services = Services::in_memory();
    in_progress_elsewhere(&services, "b-2", 100).await;
    let succeed = |id, group| (id, group, body(Deed::Succeed));
    let messages = [
        succeed("a-1", "a"),
        succeed("b-1", "b"),
        ("a-2", "a", body(Deed::RetryInAMinute)),
        succeed("b-2", "b"),
        succeed("a-3", "a"),
        ("a-4", "a", body(Deed::Retry)),
        succeed("b-3", "b"),
        succeed("c-1", "c"),
    ];
    let reported = failed(&Claiming::new(), &services, event(FIFO, messages)).await;
    assert_eq!(reported, ["a-2", "b-2", "a-3", "a-4", "b-3"]);
    let hidden = hidden(&services);
    assert_eq!(hidden.keys().collect::<Vec<_>>(), ["a-2", "a-3", "a-4", "b-2", "b-3"]);
    assert!(["a-2", "a-3", "a-4"].iter().all(|id| hidden[*id] == 60), "{hidden:?}");
    assert_eq!(hidden["b-2"], hidden["b-3"]);
    assert!((100..=101).contains(&hidden["b-2"]), "{hidden:?}");
}

#[tokio::test(start_paused = true)]
async fn a_group_that_goes_on_after_a_dead_letter_hides_only_what_goes_back() {
    let services = with_dead_letter_queue();
    let messages = [
        ("a-1", "a", body(Deed::Permanent)),
        ("a-2", "a", body(Deed::RetryInAMinute)),
        ("a-3", "a", body(Deed::Succeed)),
    ];
    assert_eq!(
        failed(&Claiming::new(), &services, event(FIFO, messages)).await,
        ["a-2", "a-3"]
    );
    assert_eq!(services.queues().sent(DEAD).len(), 1);
    let expected = [("a-2", 60), ("a-3", 60)].map(|(id, seconds)| (id.to_owned(), seconds));
    assert_eq!(hidden(&services), BTreeMap::from(expected));
}

#[tokio::test(start_paused = true)]
async fn each_receipt_of_a_message_that_comes_twice_is_hidden() {
    let services = Services::in_memory();
    let sent = ["first", "second"]
        .map(|receipt| Sent::new("m-1", body(Deed::RetryInAMinute)).field("receiptHandle", receipt.into()));
    assert_eq!(
        failed(&Claiming::new(), &services, event_of(STANDARD, sent)).await,
        ["m-1"]
    );
    let expected = [("first", 60), ("second", 60)].map(|(id, seconds)| (id.to_owned(), seconds));
    assert_eq!(hidden(&services), BTreeMap::from(expected));
}

#[tokio::test(start_paused = true)]
async fn a_record_without_a_receipt_is_reported_and_left_to_the_queues_own_time() {
    let services = Services::in_memory();
    let sent = Sent::new("m-1", body(Deed::Retry)).field("receiptHandle", serde_json::Value::Null);
    assert_eq!(
        failed(&Claiming::new(), &services, event_of(STANDARD, [sent])).await,
        ["m-1"]
    );
    assert!(hidden(&services).is_empty());
}

#[tokio::test(start_paused = true)]
async fn delays_are_asked_for_in_requests_of_ten_and_one_that_fails_costs_no_other() {
    for fault in [QueueFault::NotChanged, QueueFault::ChangeHangs] {
        let (services, started) = (Services::in_memory(), Instant::now());
        services.queues().inject(fault);
        let ids: Vec<_> = (0..25).map(|n| n.to_string()).collect();
        let event = deeds(ids.iter().map(|id| (&**id, Deed::Retry)));
        assert_eq!(failed(&Claiming::new(), &services, event).await, ids);
        assert_eq!(hidden(&services).len(), 15, "{fault:?}");
        assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn a_key_that_could_not_be_freed_is_waited_for() {
    let services = Services::in_memory();
    services.store().inject(Fault::Unreachable(None));
    assert_eq!(
        failed(&Claiming::new(), &services, deeds([("m-1", Deed::Retry)])).await,
        ["m-1"]
    );
    let record = services.store().record(&key("m-1")).unwrap();
    assert_eq!(record.status, Status::InProgress);
    // The next delivery finds it in progress, and waits for the end of the lease.
    let reported = failed_within(
        &ten_seconds(),
        &Claiming::new(),
        &services,
        deeds([("m-1", Deed::Succeed)]),
    )
    .await;
    assert_eq!(reported, ["m-1"]);
    let last = services.queues().changes().pop().unwrap();
    assert!((11..=12).contains(&last.timeout.as_secs()), "{last:?}");
}
