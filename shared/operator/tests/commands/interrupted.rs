//! A redrive that is broken off between any two steps loses nothing, and repeats nothing that its key can't tell.

use std::sync::Arc;

use emulator::dynamodb::{Fault, FaultKind};
use rustix::process::Signal;
use serde_json::json;

use crate::proxy::{Harm, Victim, harmed, run, signal};
use crate::stage::{DEAD, ORDERS, Stage};

const REDRIVE: [&str; 4] = ["dlq", "redrive", DEAD, "--yes"];

async fn stage() -> Stage {
    let stage = Stage::start().await;
    stage.record("k-1", "REJECTED", json!({}));
    stage.dead("k-1", "wrong sum").await;
    stage
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_after_the_record_is_cleared_the_message_is_still_here() {
    let stage = stage().await;
    let victim = Victim::default();
    let at = Arc::clone(&victim);
    stage.stack.dynamodb().inject(Fault {
        operation: "DeleteItem".to_owned(),
        containing: None,
        times: 1,
        kind: FaultKind::AfterApply(Box::new(move |_, _| signal(&at, Signal::KILL))),
    });
    let done = run(&stage, stage.stack.endpoint(), &victim, &REDRIVE).await;
    assert_eq!(done.code, None, "{done:?}");
    assert!(stage.statuses().is_empty() && stage.ids(ORDERS).is_empty());
    assert_eq!(stage.ids(DEAD).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_any_request_the_message_is_in_one_queue_or_in_both_under_one_key() {
    for (operation, harm, here, there) in [
        ("SendMessage", Harm::KilledBefore, 1, 0),
        ("SendMessage", Harm::KilledAfter, 1, 1),
        ("DeleteMessage", Harm::KilledBefore, 1, 1),
        ("DeleteMessage", Harm::KilledAfter, 0, 1),
    ] {
        let stage = stage().await;
        let done = harmed(&stage, operation, 1, harm, &REDRIVE).await;
        assert_eq!(done.code, None, "{done:?}");
        assert_eq!(
            (stage.ids(DEAD).len(), stage.ids(ORDERS).len()),
            (here, there),
            "{operation} {harm:?}"
        );
        assert!(stage.arrived(ORDERS).await.iter().all(|(key, _)| key == "k-1"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_cant_be_sent_or_deleted_is_told_and_others_go() {
    for (operation, told, there) in [
        ("SendMessage", "queue orders: OverLimit: refused by the test", 1),
        ("DeleteMessage", "sent, but still here as well: ", 2),
    ] {
        let stage = stage().await;
        stage.dead("k-2", "wrong sum").await;
        let done = harmed(&stage, operation, 1, Harm::Refused, &REDRIVE).await;
        assert_eq!(done.code, Some(1));
        assert!(
            done.out.contains(told) && done.out.contains("of 2 seen 1 left, 1 of them failed"),
            "{done:?}"
        );
        assert_eq!(stage.ids(ORDERS).len(), there);
        assert!(stage.ids(DEAD).len() == 1 && stage.all_visible(DEAD));
        // Done again, it ends where it should have: a copy has the same key.
        stage.said(&REDRIVE).await;
        assert!(stage.ids(DEAD).is_empty());
        let arrived = stage.arrived(ORDERS).await;
        assert!(arrived.iter().all(|(key, _)| key == "k-1" || key == "k-2"));
        assert_eq!(arrived.len(), there + 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ctrl_c_ends_with_the_message_at_hand_and_gives_the_rest_back() {
    let stage = stage().await;
    // More than one request receives.
    for n in 2..=12 {
        stage.dead(&format!("k-{n}"), "wrong sum").await;
    }
    // The pace leaves the time to hear the signal before the next.
    let slowly = [&REDRIVE[..], &["--rate", "5"]].concat();
    let done = harmed(&stage, "SendMessage", 2, Harm::Interrupted, &slowly).await;
    assert_eq!(done.code, Some(130), "{done:?}");
    assert!(
        done.out
            .contains("of 10 seen 8 left, 0 of them failed\nabout 2 more were not seen"),
        "{done:?}"
    );
    assert_eq!((stage.ids(ORDERS).len(), stage.ids(DEAD).len()), (2, 10));
    assert!(stage.all_visible(DEAD));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_ledger_nothing_is_sent() {
    let stage = stage().await;
    stage.stack.dynamodb().inject(Fault {
        operation: "GetItem".to_owned(),
        containing: Some("k-1".to_owned()),
        times: 100,
        kind: FaultKind::ServerError,
    });
    let done = stage.operator(&REDRIVE).await;
    assert!(
        done.code == Some(1) && done.out.contains("the ledger did not answer"),
        "{done:?}"
    );
    assert!(stage.ids(ORDERS).is_empty() && stage.ids(DEAD).len() == 1 && stage.all_visible(DEAD));
}
