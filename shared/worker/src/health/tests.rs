#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "all of this is tests"
)]

use std::error::Error;

use super::*;

#[tokio::test(start_paused = true)]
async fn a_loop_that_does_not_turn_is_stuck() {
    let health = Health::new(2);
    assert!(health.is_live());
    for second in 1..=60 {
        tokio::time::advance(Duration::from_secs(1)).await;
        health.turned(0);
        assert_eq!(
            health.is_live(),
            second < 30,
            "the other has not turned for {second} seconds"
        );
    }
    health.turned(1);
    assert!(health.is_live());
}

#[tokio::test(start_paused = true)]
async fn a_process_is_ready_while_all_queues_answer() {
    let health = Health::new(2);
    health.answered(0, true);
    assert!(!health.is_ready());
    health.answered(1, true);
    assert!(health.is_ready());
    health.answered(0, false);
    assert!(!health.is_ready());
    health.answered(0, true);
    health.stops(STUCK);
    assert!(!health.is_ready());
}

#[tokio::test(start_paused = true)]
async fn a_process_that_connects_is_live_and_states_what_it_waits_for() {
    let health = Health::new(1);
    health.connecting(0, "connecting to the ledger");
    tokio::time::advance(2 * STUCK).await;
    assert!(health.is_live());
    assert_eq!(health.unready().as_deref(), Some("connecting to the ledger"));
    health.turned(0);
    health.answered(0, true);
    assert_eq!(health.unready(), None);
    tokio::time::advance(STUCK).await;
    assert!(!health.is_live(), "from its first turn on");
}

#[tokio::test]
async fn an_address_in_use_is_named() {
    let first = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = first.local_addr().unwrap();
    let error = bind(address).await.unwrap_err();
    assert!(error.to_string().contains(&address.to_string()) && error.source().is_some());
}
