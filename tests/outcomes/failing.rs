//! Failures that are retried.

use emulator::dynamodb::FaultKind;
use scripted::Action;

use crate::stack::{self, counts, receives, runs, script, starts, watch_delays};

#[tokio::test]
async fn each_retry_delays_the_message_longer() {
    const MESSAGES: usize = 20;
    let stack = stack::start("claiming", &[("LongestRetryDelay", "4")]).await;
    let delays = watch_delays(&stack);
    let mut messages = Vec::new();
    for _ in 0..MESSAGES {
        messages.push(
            stack
                .send(
                    "work",
                    &script([Action::Retry, Action::Retry, Action::Retry, Action::Done]),
                )
                .await,
        );
    }
    stack.until_settled(&["work"]).await;
    let mut longest_third = 0;
    for message in &messages {
        let starts = starts(&stack, message);
        assert_eq!((starts.len(), receives(&stack, message)), (4, 4), "{message}");
        longest_third = longest_third.max(starts[3] - starts[2]);
    }
    // Delays are random up to a bound of one, two and four seconds. The longest of many is close to the bound.
    let mut delays: Vec<_> = delays.lock().unwrap().values().copied().collect();
    delays.sort_unstable();
    assert_eq!(delays.len(), 3 * MESSAGES);
    let (first, second, longest) = (delays[MESSAGES - 1], delays[2 * MESSAGES - 1], delays[3 * MESSAGES - 1]);
    assert!(first <= 1 && second <= 2 && (3..=4).contains(&longest), "{delays:?}");
    assert!(longest_third >= longest * 1000, "{longest_third} after {longest} s");
}

#[tokio::test]
async fn retry_after_is_redelivered_at_its_time() {
    let stack = stack::start("claiming", &[]).await;
    let message = stack.send("work", &script([Action::RetryAfter(3), Action::Done])).await;
    stack.until_settled(&["work"]).await;
    let starts = starts(&stack, &message);
    assert_eq!(starts.len(), 2);
    assert!(starts[1] - starts[0] >= 3000, "{starts:?}");
}

#[tokio::test]
async fn panic_fails_only_its_message_which_is_retried() {
    let stack = stack::start("claiming", &[]).await;
    let panicking = stack.send("work", &script([Action::Panic, Action::Write])).await;
    let other = stack.send("work", &script([Action::Write])).await;
    stack.until_settled(&["work"]).await;
    assert_eq!((starts(&stack, &panicking).len(), starts(&stack, &other).len()), (2, 1));
    assert_eq!(counts(&stack), ["1", "1"]);
    let processes = stack.events();
    let is_end = |event: &emulator::lambda::Event| matches!(event, emulator::lambda::Event::ProcessEnded { .. });
    assert!(!processes.iter().any(is_end), "the process survives");
}

/// Promise 7.
#[tokio::test]
async fn unreachable_ledger_prevents_runs_and_acknowledgements() {
    let stack = stack::start("claiming", &[("FunctionTimeout", "6")]).await;
    // More than the attempts of one delivery.
    stack.inject("PutItem", Some("\"idempotency\""), 120, FaultKind::ServerError);
    let message = stack.send("work", &script([Action::Write])).await;
    stack.until_settled(&["work"]).await;
    let runs = u32::try_from(runs(&stack).len()).unwrap();
    assert!(
        (1..receives(&stack, &message)).contains(&runs),
        "at least one delivery had no run"
    );
    assert!(stack.is_completed("scripted", &message));
    assert_eq!(counts(&stack), ["1"]);
}

/// Promises 4 and 6.
#[tokio::test]
async fn completion_without_a_reply_is_a_duplicate_at_redelivery() {
    let stack = stack::start("claiming", &[]).await;
    // All attempts until the deadline.
    stack.inject("TransactWriteItems", None, u32::MAX, FaultKind::LoseReply);
    let message = stack.send("work", &script([Action::Write])).await;
    stack.until_settled(&["work"]).await;
    assert!(receives(&stack, &message) > 1);
    assert_eq!(
        (starts(&stack, &message).len(), counts(&stack)),
        (1, vec!["1".to_owned()])
    );
}
