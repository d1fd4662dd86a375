//! A redrive that is interrupted between any two steps loses no message, and copies have the same key.

use std::sync::Arc;

use emulator::dynamodb::{Fault, FaultKind};
use rustix::process::Signal;
use serde_json::json;

use crate::harness::{DEAD, Harness, ORDERS};
use crate::proxy::{Injection, ProcessId, run, run_with, signal};

const REDRIVE: [&str; 4] = ["dlq", "redrive", DEAD, "--yes"];

async fn with_one_rejected() -> Harness {
    let harness = Harness::start().await;
    harness.record("k-1", "REJECTED", json!({}));
    harness.dead("k-1", "wrong sum").await;
    harness
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_after_deleting_the_record_it_keeps_the_message() {
    let harness = with_one_rejected().await;
    let process = ProcessId::default();
    let at = Arc::clone(&process);
    harness.stack.dynamodb().inject(Fault {
        operation: "DeleteItem".to_owned(),
        containing: None,
        times: 1,
        kind: FaultKind::AfterApply(Box::new(move |_, _| signal(&at, Signal::KILL))),
    });
    let done = run(&harness, harness.stack.endpoint(), &process, &REDRIVE).await;
    assert_eq!(done.code, None, "{done:?}");
    assert!(harness.statuses().is_empty() && harness.ids(ORDERS).is_empty());
    assert_eq!(harness.ids(DEAD).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_any_request_it_keeps_the_message_under_its_key() {
    for (operation, injection, dead, redriven) in [
        ("SendMessage", Injection::KilledBefore, 1, 0),
        ("SendMessage", Injection::KilledAfter, 1, 1),
        ("DeleteMessage", Injection::KilledBefore, 1, 1),
        ("DeleteMessage", Injection::KilledAfter, 0, 1),
    ] {
        let harness = with_one_rejected().await;
        let done = run_with(&harness, operation, 1, injection, &REDRIVE).await;
        assert_eq!(done.code, None, "{done:?}");
        assert_eq!(
            (harness.ids(DEAD).len(), harness.ids(ORDERS).len()),
            (dead, redriven),
            "{operation} {injection:?}"
        );
        assert!(harness.arrived(ORDERS).await.iter().all(|(key, _)| key == "k-1"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn message_that_cannot_be_sent_or_deleted_does_not_stop_others() {
    for (operation, expected, redriven) in [
        ("SendMessage", "queue orders: OverLimit: refused by the test", 1),
        ("DeleteMessage", "sent, but not deleted from this queue: ", 2),
    ] {
        let harness = with_one_rejected().await;
        harness.dead("k-2", "wrong sum").await;
        let done = run_with(&harness, operation, 1, Injection::Refused, &REDRIVE).await;
        assert_eq!(done.code, Some(1));
        assert!(
            done.out.contains(expected) && done.out.contains("2 seen, 1 remain, 1 failed"),
            "{done:?}"
        );
        assert_eq!(harness.ids(ORDERS).len(), redriven);
        assert!(harness.ids(DEAD).len() == 1 && harness.all_visible(DEAD));
        // Another run completes it: a copy has the same key.
        harness.succeed(&REDRIVE).await;
        assert!(harness.ids(DEAD).is_empty());
        let arrived = harness.arrived(ORDERS).await;
        assert!(arrived.iter().all(|(key, _)| key == "k-1" || key == "k-2"));
        assert_eq!(arrived.len(), redriven + 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ctrl_c_finishes_one_message_and_releases_the_others() {
    let harness = with_one_rejected().await;
    // More than one request can receive.
    for n in 2..=12 {
        harness.dead(&format!("k-{n}"), "wrong sum").await;
    }
    // The rate leaves time for the signal before the next message.
    let slow = [&REDRIVE[..], &["--rate", "5"]].concat();
    let done = run_with(&harness, "SendMessage", 2, Injection::Interrupted, &slow).await;
    assert_eq!(done.code, Some(130), "{done:?}");
    assert!(
        done.out
            .contains("10 seen, 8 remain, 0 failed\nabout 2 more were not seen"),
        "{done:?}"
    );
    assert_eq!((harness.ids(ORDERS).len(), harness.ids(DEAD).len()), (2, 10));
    assert!(harness.all_visible(DEAD));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_ledger_no_message_is_sent() {
    let harness = with_one_rejected().await;
    harness.stack.dynamodb().inject(Fault {
        operation: "GetItem".to_owned(),
        containing: Some("k-1".to_owned()),
        times: 100,
        kind: FaultKind::ServerError,
    });
    let done = harness.operator(&REDRIVE).await;
    assert!(
        done.code == Some(1) && done.out.contains("the ledger did not answer"),
        "{done:?}"
    );
    assert!(harness.ids(ORDERS).is_empty() && harness.ids(DEAD).len() == 1 && harness.all_visible(DEAD));
}
