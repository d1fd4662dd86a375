//! A redrive that selects no message, or finds no record, reports what exists instead.

use serde_json::json;

use crate::harness::{DEAD, Harness, ORDERS, dead};
use crate::proxy::{Injection, run_with};

const REDRIVE: [&str; 4] = ["dlq", "redrive", DEAD, "--yes"];

fn with<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&REDRIVE[..], more].concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn filter_without_a_match_reports_what_the_queue_holds() {
    let harness = Harness::start().await;
    harness.dead("k-1", "wrong sum").await;
    harness
        .send(DEAD, &dead("send-notification", "k-2", "no recipient"))
        .await;
    for n in 0..2 {
        harness.send(DEAD, &json!({"MessageBody": n.to_string()})).await;
    }
    let of = |function| ["--function", function, "--reason", "recipient"];
    for (chosen, expected) in [
        (
            &["--function", "prod-place-order"][..],
            "none of 4 messages names function prod-place-order; the queue holds place-order, send-notification, and 2 \
             without a function\n",
        ),
        (&of("place-order"), "none of 1 messages has a matching reason: "),
        (&["--reason", "nonsense"], "none of 4 messages has a matching reason: "),
    ] {
        for dry_run in [&[][..], &["--dry-run"]] {
            let done = harness.operator(&with(&[chosen, dry_run].concat())).await;
            assert!(
                done.code == Some(1) && done.out.contains(expected),
                "{chosen:?}: {done:?}"
            );
        }
    }
    assert!(harness.ids(DEAD).len() == 4 && harness.all_visible(DEAD));
    let found = harness.succeed(&with(&of("send-notification"))).await;
    assert!(
        !found.contains("none of 1 messages has a matching") && !found.contains("names function"),
        "{found}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn empty_queue_reports_no_missing_function() {
    let harness = Harness::start().await;
    let output = harness.succeed(&with(&["--function", "place-order"])).await;
    assert!(!output.contains("none of"), "{output}");
}

#[tokio::test(flavor = "multi_thread")]
async fn namespace_without_any_record_is_reported() {
    let harness = Harness::start().await;
    harness.dead("k-1", "wrong sum").await;
    harness.record("k-1", "REJECTED", json!({}));
    let moved = harness.moved("{}").await;
    harness.record(&moved, "COMPLETED", json!({}));
    // It may be correct, so it is no failure.
    let wrong = harness
        .succeed(&with(&["--dry-run", "--namespace", "prod-place-order"]))
        .await;
    let expected = "none of 1 messages without a function has a record in namespace prod-place-order of table idempotency: \
                    check --namespace (other messages name place-order) and --table; expected if no message was rejected, \
                    because a retry leaves no record\n";
    assert!(wrong.contains(expected), "{wrong}");
    let right = harness.succeed(&with(&["--namespace", "place-order"])).await;
    assert!(!right.contains("none of"), "{right}");
}

#[tokio::test(flavor = "multi_thread")]
async fn table_is_reported_only_if_it_has_none_of_the_records() {
    let harness = Harness::start().await;
    for key in ["k-1", "k-2"] {
        harness.dead(key, "wrong sum").await;
    }
    let output = harness.succeed(&with(&["--dry-run"])).await;
    let expected = "none of 2 messages with a function has a record in table idempotency: check --table; expected in natural \
                    mode, which keeps no records, if all rejected keys were unlocked, or if none was rejected, because a \
                    failure at the last receive leaves no record\n";
    assert!(output.contains(expected), "{output}");
    harness.record("k-2", "COMPLETED", json!({}));
    let output = harness.succeed(&REDRIVE).await;
    assert!(!output.contains("none of"), "{output}");
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_in_flight_after_a_killed_run_are_reported() {
    let harness = Harness::start().await;
    for n in 0..9 {
        harness.dead(&format!("k-{n}"), "wrong sum").await;
    }
    let killed = run_with(&harness, "SendMessage", 1, Injection::KilledBefore, &REDRIVE).await;
    assert_eq!(killed.code, None, "{killed:?}");
    let expected = "9 more are in flight, received by others or by an interrupted run: those of a run are visible again two \
                    minutes after the time that it would have taken\n";
    let next = harness.operator(&REDRIVE).await;
    assert!(next.code == Some(1) && next.out.contains(expected), "{next:?}");
    assert!(harness.ids(ORDERS).is_empty() && harness.ids(DEAD).len() == 9);
    // The visible message is redriven, and that is a success.
    harness.dead("k-9", "wrong sum").await;
    let output = harness.succeed(&REDRIVE).await;
    assert!(
        output.contains("1 redriven to orders") && output.contains(expected),
        "{output}"
    );
}
