//! Time budgets: the deadline of the invocation, and the timeout of a handler.

use std::time::Duration;

use scripted::Action;
use testing::{event, failures};

use crate::stack::{self, batches, lease_end, lease_ends, receives, script, starts, watch_delays};

/// More than the ten messages that run concurrently.
const HANGING: usize = 12;

#[tokio::test]
async fn at_the_deadline_running_waits_for_lease_unstarted_does_not() {
    for _ in 0..5 {
        if cancelled_batch_is_settled().await {
            return;
        }
    }
    panic!("no batch delayed its messages before the deadline, five times");
}

/// Checks a batch whose handlers hang. Returns whether the machine gave the function time to delay all messages before the
/// deadline.
async fn cancelled_batch_is_settled() -> bool {
    let batch = [("BatchSize", "20"), ("BatchWindow", "1")];
    let stack = stack::start("claiming", &batch).await;
    let done = stack.send("work", &script([Action::Done])).await;
    let mut hanging = Vec::new();
    for _ in 0..HANGING {
        hanging.push(stack.send("work", &script([Action::Hang, Action::Done])).await);
    }
    let delays = watch_delays(&stack);
    stack.until("ten are cancelled", || !batches(&stack).is_empty()).await;
    let first_end = lease_ends(&stack).into_values().min().unwrap();
    if delays.lock().unwrap().len() < HANGING {
        return false;
    }
    stack.until_settled(&["work"]).await;

    for batch in batches(&stack) {
        assert_eq!(batch.whole_batch, None, "the function answered: {batch:?}");
    }
    assert_eq!(receives(&stack, &done), 1);
    let (cancelled, unstarted): (Vec<_>, Vec<_>) =
        hanging.iter().partition(|message| starts(&stack, message).len() == 2);
    assert_eq!((cancelled.len(), unstarted.len()), (10, HANGING - 10));
    for message in &cancelled {
        assert!(
            starts(&stack, message)[1] > first_end,
            "the second run starts after the lease"
        );
        assert_eq!(receives(&stack, message), 2, "one receive per lease");
    }
    for message in &unstarted {
        assert_eq!(receives(&stack, message), 2, "its key was not claimed");
    }
    let delays = delays.lock().unwrap();
    let at_once = delays.values().filter(|seconds| **seconds == 0).count();
    assert_eq!((delays.len(), at_once), (HANGING, unstarted.len()), "{delays:?}");
    true
}

#[tokio::test]
async fn handler_timeout_fails_only_its_message() {
    let stack = stack::start("short-timeout", &[("FunctionTimeout", "60")]).await;
    let messages = [("m-1", script([Action::Hang])), ("m-2", script([Action::Done]))];
    let invocation = stack.invoke_with("scripted", event("work", &messages)).await;
    assert_eq!(failures(&invocation), ["m-1"]);
    assert!(
        invocation.duration < Duration::from_secs(40),
        "{:?}",
        invocation.duration
    );
    assert!(stack.is_completed("scripted", "m-2"));
    // Its effects may have happened, so no other attempt may start before.
    assert!(lease_end(&stack, "m-1") > starts(&stack, "m-1")[0] + 40_000);
}

#[tokio::test]
async fn log_states_which_time_limit_cancelled_a_handler() {
    for (handler, parameters, limit) in [
        (
            "short-timeout",
            &[("FunctionTimeout", "60")],
            "after its TIMEOUT of 10s",
        ),
        ("claiming", &[("FunctionTimeout", "10")], "at the deadline"),
    ] {
        let stack = stack::start(handler, parameters).await;
        let invocation = stack
            .invoke_with("scripted", event("work", &[("m-1", script([Action::Hang]))]))
            .await;
        assert_eq!(failures(&invocation), ["m-1"]);
        let logged = format!("failed: the handler was cancelled {limit}");
        let is_logged = || stack.log().iter().any(|line| line.contains(&logged));
        stack.until("the failure is in the log", is_logged).await;
    }
}
