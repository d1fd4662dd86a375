//! The time budget, and what is processed concurrently. Time is paused.

use std::sync::atomic::Ordering;
use std::time::Duration;

use consumer::{Budget, CONCURRENCY, Services};
use idempotency::{Fault, Status};
use tokio::time::Instant;

use crate::common::{
    Action, Claiming, FIFO, NOW, OneStep, actions, batch, body, failed, failed_within, key, ten_seconds,
};

#[tokio::test(start_paused = true)]
async fn a_handler_that_hangs_is_cancelled_before_the_deadline() {
    let (handler, services, started) = (Claiming::new(), Services::in_memory(), Instant::now());
    let batch = actions([
        ("m-1", Action::Succeed),
        ("m-2", Action::Hang),
        ("m-3", Action::TakeASecond),
    ]);
    assert_eq!(failed(&handler, &services, batch).await, ["m-2"]);
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
}

#[tokio::test(start_paused = true)]
async fn the_lease_of_a_cancelled_handler_is_not_released() {
    let services = Services::in_memory();
    assert_eq!(
        failed(&Claiming::new(), &services, actions([("m-1", Action::Hang)])).await,
        ["m-1"]
    );
    let record = services.store().record(&key("m-1")).unwrap();
    assert_eq!(record.status, Status::InProgress);
    assert_eq!(record.lease_end, Some(NOW.plus(Duration::from_secs(11))));
}

#[tokio::test(start_paused = true)]
async fn messages_not_started_in_time_stay_with_free_keys() {
    let (handler, services) = (Claiming::new(), Services::in_memory());
    let hanging: Vec<_> = (0..CONCURRENCY).map(|n| format!("hanging-{n}")).collect();
    let late: Vec<_> = (0..5).map(|n| format!("late-{n}")).collect();
    let messages = hanging
        .iter()
        .map(|id| (&**id, Action::Hang))
        .chain(late.iter().map(|id| (&**id, Action::Succeed)));

    let reported = failed(&handler, &services, actions(messages)).await;
    assert_eq!(reported, [hanging.clone(), late.clone()].concat());
    assert_eq!(handler.handled(), hanging);
    assert!(late.iter().all(|id| services.store().record(&key(id)).is_none()));
}

#[tokio::test(start_paused = true)]
async fn without_time_no_message_is_started() {
    let (handler, services) = (OneStep::new(), Services::in_memory());
    let reported = failed_within(
        &Budget::new(NOW, NOW),
        &handler,
        &services,
        actions([("m-1", Action::Succeed)]),
    )
    .await;
    assert_eq!(reported, ["m-1"]);
    assert!(handler.handled().is_empty() && services.store().requests() == 0);
}

#[tokio::test(start_paused = true)]
async fn a_request_to_the_ledger_that_hangs_fails_one_message() {
    for hanging in [Status::InProgress, Status::Completed] {
        let (services, started) = (Services::in_memory(), Instant::now());
        services.store().inject(Fault::Hangs(Some(hanging)));
        let batch = actions([("m-1", Action::Succeed), ("m-2", Action::Succeed)]);
        assert_eq!(failed(&Claiming::new(), &services, batch).await, ["m-1"]);
        assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn conflicts_without_end_are_retried_until_the_deadline() {
    let (services, started) = (Services::in_memory(), Instant::now());
    (0..10_000).for_each(|_| services.store().inject(Fault::Conflict));
    assert_eq!(
        failed(&OneStep::new(), &services, actions([("m-1", Action::Write)])).await,
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
async fn a_standard_queue_is_processed_up_to_ten_at_a_time() {
    let handler = Claiming::new();
    let ids: Vec<_> = (0..3 * CONCURRENCY).map(|n| n.to_string()).collect();
    let batch = actions(ids.iter().map(|id| (&**id, Action::TakeASecond)));
    assert!(failed(&handler, &Services::in_memory(), batch).await.is_empty());
    assert_eq!(handler.most_running.load(Ordering::SeqCst), CONCURRENCY);
}

#[tokio::test(start_paused = true)]
async fn groups_of_a_standard_queue_are_not_ordered() {
    let handler = Claiming::new();
    let messages = ["1", "2", "3"].map(|id| (id, "same group", body(Action::TakeASecond)));
    assert!(
        failed(
            &handler,
            &Services::in_memory(),
            batch(crate::common::STANDARD, messages)
        )
        .await
        .is_empty()
    );
    assert_eq!(handler.most_running.load(Ordering::SeqCst), 3);
}

#[tokio::test(start_paused = true)]
async fn fifo_groups_are_concurrent_and_their_messages_in_order() {
    let (handler, started) = (Claiming::new(), Instant::now());
    let messages = [("a-1", "a"), ("b-1", "b"), ("a-2", "a"), ("b-2", "b")];
    let batch = batch(FIFO, messages.map(|(id, group)| (id, group, body(Action::TakeASecond))));
    assert!(
        failed_within(&ten_seconds(), &handler, &Services::in_memory(), batch)
            .await
            .is_empty()
    );
    assert_eq!(handler.handled(), ["a-1", "b-1", "a-2", "b-2"]);
    assert_eq!(handler.most_running.load(Ordering::SeqCst), 2);
    assert_eq!(started.elapsed().as_secs(), 2);
}

#[tokio::test(start_paused = true)]
async fn after_a_failure_only_the_rest_of_its_group_is_not_started() {
    for action in [Action::Retry, Action::Panic, Action::Permanent] {
        let (handler, services) = (Claiming::new(), Services::in_memory());
        let messages = [
            ("a-1", "a", body(Action::Succeed)),
            ("a-2", "a", body(action)),
            ("b-1", "b", body(Action::Succeed)),
            ("a-3", "a", body(Action::Succeed)),
            ("b-2", "b", body(Action::Succeed)),
        ];
        assert_eq!(failed(&handler, &services, batch(FIFO, messages)).await, ["a-2", "a-3"]);
        assert!(services.store().record(&key("a-3")).is_none() && !handler.handled().contains(&"a-3".to_owned()));
    }
}

#[tokio::test(start_paused = true)]
async fn a_duplicate_does_not_hold_its_group() {
    let (handler, services) = (Claiming::new(), Services::in_memory());
    let one = |id| (id, "a", body(Action::Succeed));
    assert!(failed(&handler, &services, batch(FIFO, [one("a-1")])).await.is_empty());
    assert!(
        failed(&handler, &services, batch(FIFO, [one("a-1"), one("a-2")]))
            .await
            .is_empty()
    );
    assert_eq!(handler.handled(), ["a-1", "a-2"]);
}
