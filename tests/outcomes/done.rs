//! Work that is done, and messages that ask for it again.

use std::sync::Arc;

use emulator::ApiError;
use emulator::dynamodb::FaultKind;
use serde_json::Value;
use testing::TestStack;

use crate::stage::{self, ONE_BY_ONE, VISIBLE_SOON, counts, receives, script, starts};

/// Kills the function once its work is recorded as done, and before it hears of that.
pub(super) fn kill_once_done(stage: &TestStack, operation: &str) {
    let lambda = Arc::clone(stage.stack.lambda());
    let kill = move |_: &Value, answer: &Result<Value, ApiError>| {
        assert!(answer.is_ok() && lambda.kill("scripted") == 1);
    };
    stage.inject(operation, Some("COMPLETED"), 1, FaultKind::AfterApply(Box::new(kill)));
}

#[tokio::test]
async fn done_is_recorded_took_effect_and_is_deleted() {
    for handler in ["claiming", "one-step"] {
        let stage = stage::set(handler, &[]).await;
        let message = stage.send("work", &script(["count"])).await;
        stage.until_settled(&["work"]).await;
        assert!(stage.is_completed("scripted", &message), "{handler}");
        assert_eq!((counts(&stage), receives(&stage, &message)), (vec!["1".to_owned()], 1));
        assert_eq!(stage.dead_letters("work"), [""; 0]);
    }
}

#[tokio::test]
async fn delivered_again_after_it_was_done_it_is_deleted_and_does_not_run() {
    let stage = stage::set("claiming", &VISIBLE_SOON).await;
    kill_once_done(&stage, "TransactWriteItems");
    let message = stage.send("work", &script(["count"])).await;
    stage.until_settled(&["work"]).await;
    assert_eq!(
        (starts(&stage, &message).len(), counts(&stage)),
        (1, vec!["1".to_owned()])
    );
    assert_eq!(receives(&stage, &message), 2);
}

#[tokio::test]
async fn delivered_again_after_it_was_done_in_one_step_it_runs_and_its_writes_are_discarded() {
    let stage = stage::set("one-step", &VISIBLE_SOON).await;
    kill_once_done(&stage, "TransactWriteItems");
    let message = stage.send("work", &script(["count"])).await;
    stage.until_settled(&["work"]).await;
    assert_eq!(
        (starts(&stage, &message).len(), counts(&stage)),
        (2, vec!["1".to_owned()])
    );
}

#[tokio::test]
async fn twice_in_one_batch_it_is_worked_once_and_both_copies_are_deleted() {
    let stage = stage::set("claiming", &[]).await;
    stage.stack.sqs().deliver_twice("work", 1);
    let message = stage.send("work", &script(["count"])).await;
    stage.until_settled(&["work"]).await;
    assert_eq!(receives(&stage, &message), 2, "one receive a copy");
    assert_eq!(
        (starts(&stage, &message).len(), counts(&stage)),
        (1, vec!["1".to_owned()])
    );
}

#[tokio::test]
async fn sent_again_under_its_key_it_is_a_duplicate() {
    let stage = stage::set("claiming", &[]).await;
    let message = stage.send("work", &script(["count"])).await;
    stage.until_settled(&["work"]).await;
    // As from a dead-letter queue, when the work was done after all.
    let key = [("IdempotencyKey", message.as_str())];
    let again = stage.send_with_attributes("work", &script(["count"]), &key).await;
    stage.until_settled(&["work"]).await;
    assert_ne!(again, message);
    assert_eq!(
        (starts(&stage, &again).len(), counts(&stage)),
        (0, vec!["1".to_owned()])
    );
    assert_eq!(stage.dead_letters("work"), [""; 0]);
}

#[tokio::test]
async fn natural_work_runs_at_every_delivery_and_leaves_no_record() {
    let stage = stage::set("natural", &[ONE_BY_ONE]).await;
    stage.stack.sqs().deliver_twice("work", 1);
    let message = stage.send("work", &script(["done"])).await;
    stage.until_settled(&["work"]).await;
    assert_eq!((starts(&stage, &message).len(), receives(&stage, &message)), (2, 2));
    assert!(stage.stack.dynamodb().scan("idempotency").is_empty());
}
