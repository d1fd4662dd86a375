//! A redrive whose messages are dead-lettered again while it runs.

use crate::harness::{DEAD, Harness, ORDERS};
use crate::proxy::{Injection, run_with};

const REDRIVE: [&str; 4] = ["dlq", "redrive", DEAD, "--yes"];

/// More sends than the one that a run may do for a message.
const SENDS: u32 = 5;

#[tokio::test(flavor = "multi_thread")]
async fn message_rejected_again_in_any_form_stays_in_the_queue() {
    for (moved, injection) in [
        (false, Injection::Rejected(None)),
        (false, Injection::Rejected(Some("another key"))),
        (false, Injection::Moved),
        (true, Injection::Rejected(None)),
        (true, Injection::Rejected(Some("the ID in its envelope"))),
        (true, Injection::Moved),
    ] {
        let harness = Harness::start().await;
        match moved {
            true => harness.moved("{}").await,
            false => harness.dead("k-1", "wrong sum").await,
        };
        let done = run_with(&harness, "SendMessage", SENDS, injection, &REDRIVE).await;
        assert_eq!(done.code, Some(1), "{moved} {injection:?}: {done:?}");
        assert!(
            done.out.contains("1 redriven to orders")
                && done.out.contains("\n1 are copies, or were dead-lettered again"),
            "{moved} {injection:?}: {done:?}"
        );
        assert!(harness.ids(DEAD).len() == 1 && harness.all_visible(DEAD));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn copies_do_not_count_toward_the_limit() {
    let harness = Harness::start().await;
    let first = harness.dead("k-1", "wrong sum").await;
    let copy = harness.dead("k-1", "wrong sum").await;
    harness.dead("k-2", "wrong sum").await;
    let limited = [&REDRIVE[..], &["--limit", "2"]].concat();
    let done = harness.operator(&limited).await;
    assert!(
        done.code == Some(1) && done.out.contains("2 redriven to orders"),
        "{done:?}"
    );
    assert!(done.out.contains("(key k-1): already redriven in this run"), "{done:?}");
    assert_eq!(harness.ids(ORDERS).len(), 2);
    let left = harness.ids(DEAD);
    assert!(left == [first] || left == [copy], "{left:?}");
    // The next run redrives it.
    harness.succeed(&REDRIVE).await;
    assert!(harness.ids(DEAD).is_empty());
}
