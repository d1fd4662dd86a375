//! The time budget, and what runs side by side. Time is paused: a test that would wait fails or ends at once.

use std::sync::atomic::Ordering;
use std::time::Duration;

use consumer::{Budget, CONCURRENCY, Services};
use idempotency::{Fault, Status};
use tokio::time::Instant;

use crate::common::{Claiming, Deed, FIFO, NOW, OneStep, body, deeds, event, failed, failed_within, key, ten_seconds};

#[tokio::test(start_paused = true)]
async fn a_handler_that_never_ends_is_cancelled_and_the_response_comes_before_the_deadline() {
    let (handler, services, started) = (Claiming::new(), Services::in_memory(), Instant::now());
    let event = deeds([("m-1", Deed::Succeed), ("m-2", Deed::Hang), ("m-3", Deed::TakeASecond)]);
    assert_eq!(failed(&handler, &services, event).await, ["m-2"]);
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_handlers_lease_is_left_to_end() {
    let services = Services::in_memory();
    assert_eq!(
        failed(&Claiming::new(), &services, deeds([("m-1", Deed::Hang)])).await,
        ["m-1"]
    );
    let record = services.store().record(&key("m-1")).unwrap();
    assert_eq!(record.status, Status::InProgress);
    assert_eq!(record.lease_end, Some(NOW.plus(Duration::from_secs(11))));
}

#[tokio::test(start_paused = true)]
async fn messages_that_were_not_started_in_time_go_back_with_free_keys() {
    let (handler, services) = (Claiming::new(), Services::in_memory());
    let hanging: Vec<_> = (0..CONCURRENCY).map(|n| format!("hanging-{n}")).collect();
    let late: Vec<_> = (0..5).map(|n| format!("late-{n}")).collect();
    let messages = hanging
        .iter()
        .map(|id| (&**id, Deed::Hang))
        .chain(late.iter().map(|id| (&**id, Deed::Succeed)));

    let reported = failed(&handler, &services, deeds(messages)).await;
    assert_eq!(reported, [hanging.clone(), late.clone()].concat());
    assert_eq!(handler.handled(), hanging);
    assert!(late.iter().all(|id| services.store().record(&key(id)).is_none()));
}

#[tokio::test(start_paused = true)]
async fn without_time_nothing_is_started() {
    let (handler, services) = (OneStep::new(), Services::in_memory());
    let reported = failed_within(
        &Budget::new(NOW, NOW),
        &handler,
        &services,
        deeds([("m-1", Deed::Succeed)]),
    )
    .await;
    assert_eq!(reported, ["m-1"]);
    assert!(handler.handled().is_empty() && services.store().requests() == 0);
}

#[tokio::test(start_paused = true)]
async fn a_ledger_that_hangs_costs_its_message_and_not_the_batch() {
    for hanging in [Status::InProgress, Status::Completed] {
        let (services, started) = (Services::in_memory(), Instant::now());
        services.store().inject(Fault::Hangs(Some(hanging)));
        let event = deeds([("m-1", Deed::Succeed), ("m-2", Deed::Succeed)]);
        assert_eq!(failed(&Claiming::new(), &services, event).await, ["m-1"]);
        assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn endless_conflicts_end_with_the_time_for_them() {
    let (services, started) = (Services::in_memory(), Instant::now());
    (0..10_000).for_each(|_| services.store().inject(Fault::Conflict));
    assert_eq!(
        failed(&OneStep::new(), &services, deeds([("m-1", Deed::Write)])).await,
        ["m-1"]
    );
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
    assert!(
        services.store().requests() > 10,
        "{} requests",
        services.store().requests()
    );
}

#[tokio::test(start_paused = true)]
async fn messages_of_a_standard_queue_run_side_by_side_up_to_the_limit() {
    let handler = Claiming::new();
    let ids: Vec<_> = (0..3 * CONCURRENCY).map(|n| n.to_string()).collect();
    let event = deeds(ids.iter().map(|id| (&**id, Deed::TakeASecond)));
    assert!(failed(&handler, &Services::in_memory(), event).await.is_empty());
    assert_eq!(handler.most_running.load(Ordering::SeqCst), CONCURRENCY);
}

#[tokio::test(start_paused = true)]
async fn a_group_on_a_standard_queue_is_only_a_hint() {
    let handler = Claiming::new();
    let messages = ["1", "2", "3"].map(|id| (id, "same group", body(Deed::TakeASecond)));
    assert!(
        failed(
            &handler,
            &Services::in_memory(),
            event(crate::common::STANDARD, messages)
        )
        .await
        .is_empty()
    );
    assert_eq!(handler.most_running.load(Ordering::SeqCst), 3);
}

#[tokio::test(start_paused = true)]
async fn groups_of_a_fifo_queue_run_side_by_side_and_their_messages_in_order() {
    let (handler, started) = (Claiming::new(), Instant::now());
    let messages = [("a-1", "a"), ("b-1", "b"), ("a-2", "a"), ("b-2", "b")];
    let event = event(FIFO, messages.map(|(id, group)| (id, group, body(Deed::TakeASecond))));
    assert!(
        failed_within(&ten_seconds(), &handler, &Services::in_memory(), event)
            .await
            .is_empty()
    );
    assert_eq!(handler.handled(), ["a-1", "b-1", "a-2", "b-2"]);
    assert_eq!(handler.most_running.load(Ordering::SeqCst), 2);
    assert_eq!(started.elapsed().as_secs(), 2);
}

#[tokio::test(start_paused = true)]
async fn after_a_failure_the_rest_of_its_group_goes_back_untouched_and_other_groups_go_on() {
    for deed in [Deed::Retry, Deed::Panic, Deed::Permanent] {
        let (handler, services) = (Claiming::new(), Services::in_memory());
        let messages = [
            ("a-1", "a", body(Deed::Succeed)),
            ("a-2", "a", body(deed)),
            ("b-1", "b", body(Deed::Succeed)),
            ("a-3", "a", body(Deed::Succeed)),
            ("b-2", "b", body(Deed::Succeed)),
        ];
        assert_eq!(failed(&handler, &services, event(FIFO, messages)).await, ["a-2", "a-3"]);
        assert!(services.store().record(&key("a-3")).is_none() && !handler.handled().contains(&"a-3".to_owned()));
    }
}

#[tokio::test(start_paused = true)]
async fn a_duplicate_does_not_hold_its_group() {
    let (handler, services) = (Claiming::new(), Services::in_memory());
    let one = |id| (id, "a", body(Deed::Succeed));
    assert!(failed(&handler, &services, event(FIFO, [one("a-1")])).await.is_empty());
    assert!(
        failed(&handler, &services, event(FIFO, [one("a-1"), one("a-2")]))
            .await
            .is_empty()
    );
    assert_eq!(handler.handled(), ["a-1", "a-2"]);
}
