//! A redrive whose messages come back while it runs.

use crate::proxy::{Harm, harmed};
use crate::stage::{DEAD, ORDERS, Stage};

const REDRIVE: [&str; 4] = ["dlq", "redrive", DEAD, "--yes"];

/// More often than a message may be sent.
const OFTEN: u32 = 5;

#[tokio::test(flavor = "multi_thread")]
async fn what_is_rejected_again_is_left_whatever_it_comes_back_as() {
    for (moved, harm) in [
        (false, Harm::Rejected(None)),
        (false, Harm::Rejected(Some("another key"))),
        (false, Harm::Moved),
        (true, Harm::Rejected(None)),
        (true, Harm::Rejected(Some("the ID in its envelope"))),
        (true, Harm::Moved),
    ] {
        let stage = Stage::start().await;
        match moved {
            true => stage.moved("{}").await,
            false => stage.dead("k-1", "wrong sum").await,
        };
        let done = harmed(&stage, "SendMessage", OFTEN, harm, &REDRIVE).await;
        assert_eq!(done.code, Some(1), "{moved} {harm:?}: {done:?}");
        assert!(
            done.out.contains("1 redriven to orders") && done.out.contains("\n1 came back"),
            "{moved} {harm:?}: {done:?}"
        );
        assert!(stage.ids(DEAD).len() == 1 && stage.all_visible(DEAD));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_back_is_not_counted_against_the_limit() {
    let stage = Stage::start().await;
    let first = stage.dead("k-1", "wrong sum").await;
    let copy = stage.dead("k-1", "wrong sum").await;
    stage.dead("k-2", "wrong sum").await;
    let limited = [&REDRIVE[..], &["--limit", "2"]].concat();
    let done = stage.operator(&limited).await;
    assert!(
        done.code == Some(1) && done.out.contains("2 redriven to orders"),
        "{done:?}"
    );
    assert!(done.out.contains("(key k-1): redriven once in this run"), "{done:?}");
    assert_eq!(stage.ids(ORDERS).len(), 2);
    let left = stage.ids(DEAD);
    assert!(left == [first] || left == [copy], "{left:?}");
    // The next run may.
    stage.said(&REDRIVE).await;
    assert!(stage.ids(DEAD).is_empty());
}
