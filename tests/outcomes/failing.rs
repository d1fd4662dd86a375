//! Work that was not done, and may be at a later delivery.

use emulator::dynamodb::FaultKind;

use crate::stage::{self, VISIBLE_SOON, counts, receives, runs, script, starts};

#[tokio::test]
async fn after_each_retry_it_waits_longer() {
    let stage = stage::set("claiming", &[("LongestRetryDelay", "4")]).await;
    let mut messages = Vec::new();
    for _ in 0..20 {
        messages.push(stage.send("work", &script(["retry", "retry", "retry", "done"])).await);
    }
    stage.until_settled(&["work"]).await;
    // Of delays up to a bound, the longest of many tells the bound.
    let mut longest = [0; 3];
    for message in &messages {
        let starts = starts(&stage, message);
        assert_eq!((starts.len(), receives(&stage, message)), (4, 4), "{message}");
        for (longest, pair) in longest.iter_mut().zip(starts.windows(2)) {
            *longest = (*longest).max(pair[1] - pair[0]);
        }
    }
    let [first, _, third] = longest;
    assert!(first + 1000 < third, "{longest:?}");
}

#[tokio::test]
async fn a_retry_after_comes_again_at_its_time() {
    let stage = stage::set("claiming", &[]).await;
    let message = stage
        .send(
            "work",
            &script([serde_json::json!({ "retry-after": 3 }), "done".into()]),
        )
        .await;
    stage.until_settled(&["work"]).await;
    let starts = starts(&stage, &message);
    assert_eq!(starts.len(), 2);
    assert!(starts[1] - starts[0] >= 3000, "{starts:?}");
}

#[tokio::test]
async fn a_panic_costs_its_message_alone_and_that_is_tried_again() {
    let stage = stage::set("claiming", &[]).await;
    let panicking = stage.send("work", &script(["panic", "count"])).await;
    let other = stage.send("work", &script(["count"])).await;
    stage.until_settled(&["work"]).await;
    assert_eq!((starts(&stage, &panicking).len(), starts(&stage, &other).len()), (2, 1));
    assert_eq!(counts(&stage), ["1", "1"]);
    let processes = stage.events();
    let ended = |event: &emulator::lambda::Event| matches!(event, emulator::lambda::Event::ProcessEnded { .. });
    assert!(!processes.iter().any(ended), "the process lives on");
}

#[tokio::test]
async fn an_unreachable_ledger_lets_nothing_run_and_nothing_go() {
    let stage = stage::set("claiming", &[]).await;
    // Two deliveries, each with all the attempts of the client.
    stage.inject("PutItem", Some("\"idempotency\""), 6, FaultKind::ServerError);
    let message = stage.send("work", &script(["count"])).await;
    stage.until_settled(&["work"]).await;
    assert_eq!((receives(&stage, &message), runs(&stage).len()), (3, 1));
    assert!(stage.is_completed("scripted", &message));
    assert_eq!(counts(&stage), ["1"]);
}

#[tokio::test]
async fn a_completion_that_was_recorded_and_not_heard_of_is_a_duplicate_next_time() {
    let stage = stage::set("claiming", &VISIBLE_SOON).await;
    // All the attempts that the time allows.
    stage.inject("TransactWriteItems", None, 3, FaultKind::LoseReply);
    let message = stage.send("work", &script(["count"])).await;
    stage.until_settled(&["work"]).await;
    assert!(receives(&stage, &message) > 1);
    assert_eq!(
        (starts(&stage, &message).len(), counts(&stage)),
        (1, vec!["1".to_owned()])
    );
}
