//! Outgoing messages.

use scripted::Action;

use crate::done::kill_after_completion;
use crate::stack::{self, batches, counts, receives, runs, script, send_in_order, starts};

/// A script that sends two messages with one effect each to its own queue.
fn sends_two() -> serde_json::Value {
    script([Action::Send])
}

/// Promise 5.
#[tokio::test]
async fn outgoing_messages_are_sent_after_the_record() {
    let stack = stack::start("claiming", &[]).await;
    let message = stack.send("work", &sends_two()).await;
    stack.until_settled(&["work"]).await;
    assert!(stack.is_completed("scripted", &message));
    assert_eq!((runs(&stack).len(), counts(&stack).len()), (3, 2));
    for position in 0..2 {
        let key = format!("scripted#{message}/{position}");
        assert!(stack.is_completed("scripted", &key), "{key}");
    }
}

/// Promise 5.
#[tokio::test]
async fn killed_before_sending_they_are_sent_at_redelivery() {
    let stack = stack::start("claiming", &[]).await;
    kill_after_completion(&stack, "PutItem");
    let message = stack.send("work", &sends_two()).await;
    stack.until_settled(&["work"]).await;
    assert_eq!((receives(&stack, &message), starts(&stack, &message).len()), (2, 1));
    assert_eq!(counts(&stack), ["1", "1"]);
}

#[tokio::test]
async fn outgoing_messages_of_a_duplicate_take_effect_once() {
    let stack = stack::start("claiming", &[]).await;
    let message = stack.send("work", &sends_two()).await;
    stack.until_settled(&["work"]).await;
    let key = [("IdempotencyKey", message.as_str())];
    stack.send_with_attributes("work", &sends_two(), &key).await;
    stack.until_settled(&["work"]).await;
    let processed = || batches(&stack).iter().map(|batch| batch.messages.len()).sum::<usize>();
    stack
        .until("all outgoing messages arrived twice", || processed() == 2 * 3)
        .await;
    assert_eq!(
        (runs(&stack).len(), counts(&stack)),
        (3, vec!["1".to_owned(), "1".to_owned()])
    );
}

#[tokio::test]
async fn unsendable_outgoing_messages_reject_the_message() {
    let stack = stack::start("one-step", &[]).await;
    // They have no message group, which their FIFO queue requires.
    let message = send_in_order(&stack, "a", "1", &sends_two()).await;
    stack.until_settled(&["work.fifo"]).await;
    let record = stack.record("scripted", &message).unwrap();
    assert!(
        record.status == "REJECTED" && record.reason.contains("message group"),
        "{record:?}"
    );
    assert_eq!((runs(&stack).len(), counts(&stack).len()), (1, 0));
}
