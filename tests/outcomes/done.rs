//! Done, and duplicates.

use std::sync::Arc;

use emulator::ApiError;
use emulator::dynamodb::FaultKind;
use scripted::Action;
use serde_json::Value;
use testing::TestStack;

use crate::stack::{self, ONE_BY_ONE, counts, receives, script, starts};

/// Kills the function after its completion is recorded, and before the reply.
pub(super) fn kill_after_completion(stack: &TestStack, operation: &str) {
    let lambda = Arc::clone(stack.stack.lambda());
    let kill = move |_: &Value, answer: &Result<Value, ApiError>| {
        assert!(answer.is_ok() && lambda.kill("scripted") == 1);
    };
    stack.inject(operation, Some("COMPLETED"), 1, FaultKind::AfterApply(Box::new(kill)));
}

#[tokio::test]
async fn done_message_is_recorded_and_deleted() {
    for handler in ["claiming", "one-step"] {
        let stack = stack::start(handler, &[]).await;
        let message = stack.send("work", &script([Action::Write])).await;
        stack.until_settled(&["work"]).await;
        assert!(stack.is_completed("scripted", &message), "{handler}");
        assert_eq!((counts(&stack), receives(&stack, &message)), (vec!["1".to_owned()], 1));
        assert_eq!(stack.dead_letters("work"), [""; 0]);
    }
}

/// Promise 3.
#[tokio::test]
async fn redelivered_after_done_it_is_deleted_without_a_run() {
    let stack = stack::start("claiming", &[]).await;
    kill_after_completion(&stack, "TransactWriteItems");
    let message = stack.send("work", &script([Action::Write])).await;
    stack.until_settled(&["work"]).await;
    assert_eq!(
        (starts(&stack, &message).len(), counts(&stack)),
        (1, vec!["1".to_owned()])
    );
    assert_eq!(receives(&stack, &message), 2);
}

/// Promise 6.
#[tokio::test]
async fn redelivered_in_one_step_mode_its_writes_are_discarded() {
    let stack = stack::start("one-step", &[]).await;
    kill_after_completion(&stack, "TransactWriteItems");
    let message = stack.send("work", &script([Action::Write])).await;
    stack.until_settled(&["work"]).await;
    assert_eq!(
        (starts(&stack, &message).len(), counts(&stack)),
        (2, vec!["1".to_owned()])
    );
}

#[tokio::test]
async fn twice_in_one_batch_it_runs_once_and_both_are_deleted() {
    let stack = stack::start("claiming", &[]).await;
    stack.stack.sqs().deliver_twice("work", 1);
    let message = stack.send("work", &script([Action::Write])).await;
    stack.until_settled(&["work"]).await;
    assert_eq!(receives(&stack, &message), 2, "one receive per copy");
    assert_eq!(
        (starts(&stack, &message).len(), counts(&stack)),
        (1, vec!["1".to_owned()])
    );
}

#[tokio::test]
async fn message_sent_again_with_its_key_is_a_duplicate() {
    let stack = stack::start("claiming", &[]).await;
    let message = stack.send("work", &script([Action::Write])).await;
    stack.until_settled(&["work"]).await;
    // For example a dead letter whose work was done by a later attempt.
    let key = [("IdempotencyKey", message.as_str())];
    let again = stack.send_with_attributes("work", &script([Action::Write]), &key).await;
    stack.until_settled(&["work"]).await;
    assert_ne!(again, message);
    assert_eq!(
        (starts(&stack, &again).len(), counts(&stack)),
        (0, vec!["1".to_owned()])
    );
    assert_eq!(stack.dead_letters("work"), [""; 0]);
}

#[tokio::test]
async fn natural_mode_runs_at_every_delivery_without_a_record() {
    let stack = stack::start("natural", &[ONE_BY_ONE]).await;
    stack.stack.sqs().deliver_twice("work", 1);
    let message = stack.send("work", &script([Action::Done])).await;
    stack.until_settled(&["work"]).await;
    assert_eq!((starts(&stack, &message).len(), receives(&stack, &message)), (2, 2));
    assert!(stack.stack.dynamodb().scan("idempotency").is_empty());
}
