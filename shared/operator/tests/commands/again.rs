//! A redrive whose messages are dead-lettered again while it runs.

use crate::harness::{DEAD, Harness, ORDERS, dead, dead_letter, text};
use crate::proxy::{Injection, run_with};

const REDRIVE: [&str; 4] = ["dlq", "redrive", DEAD, "--yes"];

/// More sends than the one that a run may do for a message.
const SENDS: u32 = 5;

/// What a dead letter is before it is redriven.
#[derive(Debug, Clone, Copy)]
enum Form {
    /// A function sent it.
    Rejected,
    /// An earlier version of the functions sent it.
    Old,
    /// SQS moved the message.
    Moved,
}

#[tokio::test(flavor = "multi_thread")]
async fn message_rejected_again_in_any_form_stays_in_the_queue() {
    for (form, injection) in [
        (Form::Rejected, Injection::Rejected(None)),
        (Form::Rejected, Injection::Rejected(Some("another key"))),
        (Form::Rejected, Injection::Moved),
        (Form::Old, Injection::Rejected(None)),
        (Form::Old, Injection::Rejected(Some("another key"))),
        (Form::Old, Injection::Moved),
        (Form::Moved, Injection::Rejected(None)),
        (Form::Moved, Injection::Rejected(Some("the ID in its envelope"))),
        (Form::Moved, Injection::Moved),
    ] {
        let harness = Harness::start().await;
        match form {
            Form::Rejected => harness.send(DEAD, &dead_letter(&harness.stack, ORDERS, "k-1")).await,
            Form::Old => harness.dead("k-1", "wrong sum").await,
            Form::Moved => harness.moved("{}").await,
        };
        let done = run_with(&harness, "SendMessage", SENDS, injection, &REDRIVE).await;
        assert_eq!(done.code, Some(1), "{form:?} {injection:?}: {done:?}");
        assert!(
            done.out.contains("1 redriven to orders") && done.out.contains("\n1 were dead-lettered again"),
            "{form:?} {injection:?}: {done:?}"
        );
        assert!(harness.ids(DEAD).len() == 1 && harness.all_visible(DEAD));
    }
}

/// More than are received at a time, and each is rejected as soon as it is sent.
#[tokio::test(flavor = "multi_thread")]
async fn of_many_messages_rejected_again_each_stays() {
    let harness = Harness::start().await;
    for number in 0..25 {
        let message = dead_letter(&harness.stack, ORDERS, &format!("k-{number}"));
        harness.send(DEAD, &message).await;
    }
    let done = run_with(&harness, "SendMessage", 50, Injection::Rejected(None), &REDRIVE).await;
    assert!(
        done.code == Some(1) && done.out.contains("25 redriven to orders, 0 REJECTED"),
        "{done:?}"
    );
    assert!(done.out.contains("\n25 were dead-lettered again"), "{done:?}");
    assert!(harness.ids(DEAD).len() == 25 && harness.all_visible(DEAD));
}

#[tokio::test(flavor = "multi_thread")]
async fn identical_copies_are_sent_once_and_deleted() {
    let harness = Harness::start().await;
    for key in ["k-1", "k-1", "k-2", "k-1"] {
        harness.dead(key, "wrong sum").await;
    }
    let preview = harness.succeed(&["dlq", "redrive", DEAD, "--dry-run"]).await;
    assert!(
        preview.contains("2 would be redriven to orders, 2 copies of these would be deleted"),
        "{preview}"
    );
    assert_eq!(harness.ids(DEAD).len(), 4);
    // Copies don't count toward the limit.
    let output = harness.succeed(&[&REDRIVE[..], &["--limit", "3"]].concat()).await;
    assert!(
        output.contains("2 redriven to orders, 2 copies of these deleted, 0 REJECTED")
            && output.contains("; 4 seen, 0 remain, 0 failed")
            && !output.contains("not seen"),
        "{output}"
    );
    assert!(harness.ids(ORDERS).len() == 2 && harness.ids(DEAD).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn copies_of_a_moved_message_are_sent_once() {
    let harness = Harness::start().await;
    let id = harness.moved("{}").await;
    let killed = run_with(&harness, "DeleteMessage", 1, Injection::Refused, &REDRIVE).await;
    assert_eq!(killed.code, Some(1), "{killed:?}");
    harness.moves(ORDERS).await;
    assert_eq!(harness.ids(DEAD).len(), 2);
    let output = harness.succeed(&REDRIVE).await;
    assert!(
        output.contains("1 redriven to orders, 1 copies of these deleted"),
        "{output}"
    );
    assert_eq!(harness.arrived(ORDERS).await[0].0, id);
    assert!(harness.ids(DEAD).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn message_that_differs_in_anything_is_no_copy() {
    let harness = Harness::start().await;
    harness.dead("k-1", "wrong sum").await;
    let mut body = dead("place-order", "k-1", "wrong sum");
    body["MessageBody"] = "another".into();
    let mut attribute = dead("place-order", "k-1", "wrong sum");
    attribute["MessageAttributes"]["tenant"] = text("blue");
    let function = dead("send-notification", "k-1", "wrong sum");
    for message in [body, attribute, function] {
        harness.send(DEAD, &message).await;
    }
    let output = harness.succeed(&REDRIVE).await;
    assert!(output.contains("4 redriven to orders, 0 REJECTED"), "{output}");
    assert_eq!(harness.ids(ORDERS).len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn copy_of_a_message_that_was_not_sent_is_kept() {
    let harness = Harness::start().await;
    for _ in 0..2 {
        harness.dead("k-1", "wrong sum").await;
    }
    let done = run_with(&harness, "SendMessage", 1, Injection::Refused, &REDRIVE).await;
    assert!(
        done.code == Some(1) && done.out.contains("2 seen, 2 remain, 1 failed"),
        "{done:?}"
    );
    assert!(harness.ids(ORDERS).is_empty() && harness.ids(DEAD).len() == 2 && harness.all_visible(DEAD));
}
