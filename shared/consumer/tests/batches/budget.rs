//! The time budget of a batch, and the `TIMEOUT` of a message. Time is paused.

use std::time::Duration;

use consumer::{Budget, CONCURRENCY, Mode, Services};
use idempotency::{Fault, Status};
use tokio::time::Instant;

use crate::common::{
    Action, Claiming, FIFO, Kind, NOW, OneStep, Scripted, actions, batch, body, failed, failed_within, key, processed,
    ten_seconds,
};

#[tokio::test(start_paused = true)]
async fn a_handler_that_hangs_is_cancelled_before_the_deadline() {
    let (handler, services, started) = (Claiming::new(), Services::in_memory(), Instant::now());
    let batch = actions([
        ("m-1", Action::Done),
        ("m-2", Action::Hang),
        ("m-3", Action::Take(1000)),
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
        .chain(late.iter().map(|id| (&**id, Action::Done)));

    let reported = failed(&handler, &services, actions(messages)).await;
    assert_eq!(reported, [hanging.clone(), late.clone()].concat());
    assert_eq!(handler.effects.handled(), hanging);
    assert!(late.iter().all(|id| services.store().record(&key(id)).is_none()));
}

#[tokio::test(start_paused = true)]
async fn without_time_no_message_is_started() {
    let (handler, services) = (OneStep::new(), Services::in_memory());
    let reported = failed_within(
        &Budget::new(NOW, NOW),
        &handler,
        &services,
        actions([("m-1", Action::Done)]),
    )
    .await;
    assert_eq!(reported, ["m-1"]);
    assert!(handler.effects.handled().is_empty() && services.store().requests() == 0);
}

#[tokio::test(start_paused = true)]
async fn a_request_to_the_ledger_that_hangs_fails_one_message() {
    for hanging in [Status::InProgress, Status::Completed] {
        let (services, started) = (Services::in_memory(), Instant::now());
        services.store().inject(Fault::Hangs(Some(hanging)));
        let batch = actions([("m-1", Action::Done), ("m-2", Action::Done)]);
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

/// Has a `TIMEOUT` of two seconds per message.
struct Limited;
impl Kind for Limited {
    const TIMEOUT: Option<Duration> = Some(Duration::from_secs(2));
}

#[tokio::test(start_paused = true)]
async fn a_message_that_exceeds_its_timeout_is_cancelled_alone() {
    let (services, started) = (Services::in_memory(), Instant::now());
    let batch = actions([("m-1", Action::Hang), ("m-2", Action::Take(1000))]);
    let processed = processed(&ten_seconds(), &Scripted::<Limited>::new(), &services, batch).await;
    assert_eq!(processed.failed, ["m-1"]);
    assert_eq!(started.elapsed().as_secs(), 2);
    // Its effect may have happened: no other attempt starts before the lease has ended.
    let record = services.store().record(&key("m-1")).unwrap();
    assert_eq!(record.status, Status::InProgress);
    let seconds = processed.hidden["m-1"];
    assert!((9..=11).contains(&seconds), "{seconds}");
}

#[tokio::test(start_paused = true)]
async fn each_message_of_a_group_has_the_whole_timeout() {
    let (services, started) = (Services::in_memory(), Instant::now());
    let messages = ["a-1", "a-2", "a-3"].map(|id| (id, "a", body(Action::Take(1000))));
    assert!(
        failed(&Scripted::<Limited>::new(), &services, batch(FIFO, messages))
            .await
            .is_empty()
    );
    assert_eq!(started.elapsed().as_secs(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_timeout_does_not_extend_the_budget() {
    struct Unlimited;
    impl Kind for Unlimited {
        const MODE: Mode = Mode::OneStep;
        const TIMEOUT: Option<Duration> = Some(Duration::MAX);
    }
    let services = Services::in_memory();
    let batch = actions([("m-1", Action::Hang)]);
    let started = Instant::now();
    let processed = processed(&ten_seconds(), &Scripted::<Unlimited>::new(), &services, batch).await;
    assert_eq!(processed.failed, ["m-1"]);
    // It was cancelled in time for its delay to be set.
    assert!(started.elapsed() < Duration::from_secs(9));
    assert_eq!(processed.hidden.len(), 1);
}
