//! A redrive that finds nothing of what was meant says so, and what there is instead.

use serde_json::json;

use crate::proxy::{Harm, harmed};
use crate::stage::{DEAD, ORDERS, Stage, dead};

const REDRIVE: [&str; 4] = ["dlq", "redrive", DEAD, "--yes"];

fn with<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&REDRIVE[..], more].concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_or_reason_that_no_message_has_is_told_with_what_there_is() {
    let stage = Stage::start().await;
    stage.dead("k-1", "wrong sum").await;
    stage
        .send(DEAD, &dead("send-notification", "k-2", "no recipient"))
        .await;
    for n in 0..2 {
        stage.send(DEAD, &json!({"MessageBody": n.to_string()})).await;
    }
    let of = |function| ["--function", function, "--reason", "recipient"];
    for (chosen, told) in [
        (
            &["--function", "prod-place-order"][..],
            "none of 4 is of function prod-place-order; there are: place-order, send-notification, and 2 that don't tell\n",
        ),
        (&of("place-order"), "none of 1 has such a reason: "),
        (&["--reason", "nonsense"], "none of 4 has such a reason: "),
    ] {
        for dry_run in [&[][..], &["--dry-run"]] {
            let done = stage.operator(&with(&[chosen, dry_run].concat())).await;
            assert!(done.code == Some(1) && done.out.contains(told), "{chosen:?}: {done:?}");
        }
    }
    assert!(stage.ids(DEAD).len() == 4 && stage.all_visible(DEAD));
    let found = stage.said(&with(&of("send-notification"))).await;
    assert!(
        !found.contains("none of 1 has") && !found.contains("is of function"),
        "{found}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn without_any_message_there_is_nothing_to_say_of_a_function() {
    let stage = Stage::start().await;
    let said = stage.said(&with(&["--function", "place-order"])).await;
    assert!(!said.contains("none of"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_without_any_of_the_records_is_told() {
    let stage = Stage::start().await;
    stage.dead("k-1", "wrong sum").await;
    stage.record("k-1", "REJECTED", json!({}));
    let moved = stage.moved("{}").await;
    stage.record(&moved, "COMPLETED", json!({}));
    // Perhaps rightly so: no failure.
    let wrong = stage
        .said(&with(&["--dry-run", "--namespace", "prod-place-order"]))
        .await;
    let told = "none of 1 that don't tell their function has a record in namespace prod-place-order of table idempotency; \
                others tell: place-order; retries leave none: if nothing was rejected, all is well\n";
    assert!(wrong.contains(told), "{wrong}");
    let right = stage.said(&with(&["--namespace", "place-order"])).await;
    assert!(!right.contains("none of"), "{right}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_knows_of_no_rejection_is_told_and_one_that_knows_of_some_is_not() {
    let stage = Stage::start().await;
    for key in ["k-1", "k-2"] {
        stage.dead(key, "wrong sum").await;
    }
    let said = stage.said(&with(&["--dry-run"])).await;
    let told = "none of 2 that tell their function has a record in table idempotency; natural mode keeps none: if nothing \
                else was rejected, or all was unlocked, all is well\n";
    assert!(said.contains(told), "{said}");
    stage.record("k-2", "COMPLETED", json!({}));
    let said = stage.said(&REDRIVE).await;
    assert!(!said.contains("none of"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_run_still_hides_is_told() {
    let stage = Stage::start().await;
    for n in 0..9 {
        stage.dead(&format!("k-{n}"), "wrong sum").await;
    }
    let killed = harmed(&stage, "SendMessage", 1, Harm::KilledBefore, &REDRIVE).await;
    assert_eq!(killed.code, None, "{killed:?}");
    let told = "9 more are held by others, or by a run that was broken off: seen again in two minutes and the time that it \
                would have taken\n";
    let next = stage.operator(&REDRIVE).await;
    assert!(next.code == Some(1) && next.out.contains(told), "{next:?}");
    assert!(stage.ids(ORDERS).is_empty() && stage.ids(DEAD).len() == 9);
    // What can be had is redriven, and that is a success.
    stage.dead("k-9", "wrong sum").await;
    let said = stage.said(&REDRIVE).await;
    assert!(said.contains("1 redriven to orders") && said.contains(told), "{said}");
}
