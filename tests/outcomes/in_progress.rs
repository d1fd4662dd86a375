//! Messages whose key another attempt has claimed.

use std::sync::Arc;

use emulator::ApiError;
use emulator::dynamodb::FaultKind;
use emulator::lambda::Event;
use scripted::Action;
use serde_json::Value;

use crate::stack::{
    self, ONE_BY_ONE, counts, lease_end, receives, release, release_after_another_is_in_progress, script, starts,
    until_in_progress,
};

/// Promise 1.
#[tokio::test]
async fn in_progress_message_waits_for_the_lease_with_one_receive() {
    let stack = stack::start("claiming", &[ONE_BY_ONE]).await;
    stack.stack.sqs().deliver_twice("work", 1);
    let message = stack.send("work", &script([Action::WhenReleased])).await;
    release_after_another_is_in_progress(&stack).await;
    stack.until_settled(&["work"]).await;
    assert_eq!(starts(&stack, &message).len(), 1);
    assert_eq!(
        receives(&stack, &message),
        3,
        "one copy once, the other before and after the lease"
    );
    assert!(stack.is_completed("scripted", &message));
}

#[tokio::test]
async fn killed_handler_runs_again_after_the_lease_ends() {
    let stack = stack::start("claiming", &[]).await;
    let lambda = Arc::clone(stack.stack.lambda());
    let kill = move |_: &Value, _: &Result<Value, ApiError>| assert_eq!(lambda.kill("scripted"), 1);
    stack.inject("PutItem", Some("\"runs\""), 1, FaultKind::AfterApply(Box::new(kill)));
    let message = stack.send("work", &script([Action::Hang, Action::Write])).await;
    let is_kill = |event: &Event| matches!(event, Event::InvocationKilled { .. });
    stack.until("it is killed", || stack.events().iter().any(is_kill)).await;
    let end = lease_end(&stack, &message);
    stack.until_settled(&["work"]).await;
    let starts = starts(&stack, &message);
    assert_eq!((starts.len(), counts(&stack)), (2, vec!["1".to_owned()]));
    assert!(starts[1] > end, "{starts:?}, lease until {end}");
}

/// Lambda refuses a mapping whose queue has a visibility timeout below the function timeout. But it can be shortened
/// later.
#[tokio::test]
async fn copy_of_a_slow_message_is_not_dead_lettered() {
    let parameters = [("FunctionTimeout", "30"), ("MaxReceiveCount", "3"), ONE_BY_ONE];
    let stack = stack::start("claiming", &parameters).await;
    stack.stack.sqs().deliver_twice("work", 1);
    let message = stack.send("work", &script([Action::WhenReleased])).await;
    until_in_progress(&stack, 1).await;
    // The visibility timeouts end: of the copy that is being processed, and of the other.
    stack.stack.sqs().make_visible("work", std::slice::from_ref(&message));
    until_in_progress(&stack, 3).await;
    release(&stack);
    stack.until_settled(&["work"]).await;
    assert_eq!(stack.dead_letters("work"), [""; 0]);
    assert!(stack.is_completed("scripted", &message));
    assert_eq!(starts(&stack, &message).len(), 1, "processed once");
    assert_eq!(
        receives(&stack, &message),
        3 + 3,
        "each copy at first, when it was visible early, and after the lease"
    );
}
