//! Duplicates, kills, and a ledger that is not heard.

use std::sync::Arc;

use emulator::ApiError;
use emulator::dynamodb::FaultKind;
use serde_json::Value;
use testing::UNHURRIED;

use crate::receiver::Receiver;
use crate::stage::{self, notification, notified, token};

#[tokio::test]
async fn messages_that_the_queue_delivers_twice_are_posted_once() {
    let stage = stage::set(&[]).await;
    stage.stack.sqs().deliver_twice("notifications", 6);
    let mut messages = Vec::new();
    for number in 0..6 {
        messages.push(
            stage
                .send("notifications", &notification(&format!("{number}@example.com")))
                .await,
        );
    }
    stage.until_settled(&["notifications"]).await;
    for message in &messages {
        assert!(stage.stack.sqs().deliveries(message) >= 2);
        assert_eq!(notified(&stage, message).unwrap().requests, 1);
    }
}

#[tokio::test]
async fn messages_that_bring_the_same_key_are_posted_once() {
    let stage = stage::set(&[]).await;
    let (key, body) = ("confirmation of order o-1", notification("ada@example.com"));
    let mut messages = Vec::new();
    for _ in 0..3 {
        let attributes = [("IdempotencyKey", key)];
        messages.push(stage.send_with_attributes("notifications", &body, &attributes).await);
    }
    stage.until_settled(&["notifications"]).await;
    let notified = notified(&stage, key).unwrap();
    assert_eq!((notified.requests, notified.accepted), (1, 1));
    assert!(stage.is_completed("send-notification", key));
    for message in messages {
        assert_eq!(stage.record("send-notification", &message), None, "its ID is no key");
    }
}

#[tokio::test]
async fn another_notification_under_a_used_key_is_dead_lettered_and_not_posted() {
    let stage = stage::set(&[]).await;
    let key = "confirmation of order o-1";
    let attributes = [("IdempotencyKey", key)];
    let (ada, ben) = (notification("ada@example.com"), notification("ben@example.com"));
    stage.send_with_attributes("notifications", &ada, &attributes).await;
    stage.until_settled(&["notifications"]).await;
    let second = stage.send_with_attributes("notifications", &ben, &attributes).await;
    stage.until_settled(&["notifications"]).await;
    let letter = stage.dead_letter("notifications", &second).unwrap();
    assert_eq!(letter.key, key);
    assert!(
        letter.reason.contains("its key was used for another payload"),
        "{letter:?}"
    );
    assert_eq!(stage.stack.receiver().notifications().len(), 1);
    assert_eq!(notified(&stage, key).unwrap().body, ada);
    assert!(stage.is_completed("send-notification", key), "what was done stays done");
}

#[tokio::test]
async fn one_event_handed_to_several_processes_at_once_is_posted_once() {
    let stage = stage::set(&UNHURRIED).await;
    let messages = [("m-1", notification("ada"))];
    let invoke = || stage.invoke("send-notification", &messages);
    tokio::join!(invoke(), invoke(), invoke());
    assert_eq!(invoke().await, [""; 0], "whoever won is done by now");
    assert_eq!(notified(&stage, "m-1").unwrap().requests, 1);
}

#[tokio::test]
async fn killed_between_the_post_and_its_record_it_posts_again_under_the_same_key() {
    let receiver = Receiver::silent("ada", 1).await;
    let stage = stage::set(&[("NotificationUrl", &receiver.url)]).await;
    let message = stage.send("notifications", &notification("ada")).await;
    stage.until("it is posted", || !receiver.posts("ada").is_empty()).await;
    assert_eq!(stage.stack.lambda().kill("send-notification"), 1);
    stage.until_settled(&["notifications"]).await;
    let posts = receiver.posts("ada");
    let keys: Vec<_> = posts.iter().map(|post| post.header("idempotency-key")).collect();
    assert_eq!(keys, [token(&message), token(&message)]);
    assert!(stage.is_completed("send-notification", &message));
    assert_eq!(stage.dead_letters("notifications"), [""; 0]);
}

#[tokio::test]
async fn killed_after_its_record_is_complete_it_posts_no_more() {
    let stage = stage::set(&[]).await;
    let lambda = Arc::clone(stage.stack.lambda());
    let kill = move |_: &Value, answer: &Result<Value, ApiError>| {
        assert!(answer.is_ok() && lambda.kill("send-notification") == 1);
    };
    stage.inject("PutItem", Some("COMPLETED"), 1, FaultKind::AfterApply(Box::new(kill)));
    let message = stage.send("notifications", &notification("ada")).await;
    stage.until_settled(&["notifications"]).await;
    assert_eq!(stage.stack.sqs().deliveries(&message), 2);
    assert_eq!(notified(&stage, &message).unwrap().requests, 1);
}

#[tokio::test]
async fn without_a_claim_nothing_is_posted() {
    let stage = stage::set(&UNHURRIED).await;
    stage.inject(
        "PutItem",
        Some("send-notification#m-1"),
        u32::MAX,
        FaultKind::LoseRequest,
    );
    stage.inject(
        "PutItem",
        Some("send-notification#m-2"),
        u32::MAX,
        FaultKind::ServerError,
    );
    let messages = ["m-1", "m-2", "m-3"].map(|message| (message, notification(message)));
    assert_eq!(stage.invoke("send-notification", &messages).await, ["m-1", "m-2"]);
    let keys: Vec<_> = stage.stack.receiver().notifications().into_keys().collect();
    assert_eq!(keys, [token("m-3")]);
}

#[tokio::test]
async fn claims_and_completions_whose_answers_are_lost_are_recognized_as_its_own() {
    let stage = stage::set(&UNHURRIED).await;
    stage.inject("PutItem", Some("send-notification#m-1"), 1, FaultKind::LoseReply);
    stage.inject("PutItem", Some("COMPLETED"), 1, FaultKind::LoseReply);
    let messages = [("m-1", notification("ada"))];
    assert_eq!(stage.invoke("send-notification", &messages).await, [""; 0]);
    assert!(
        stage.requests("PutItem") >= 4,
        "claim and completion, each of them twice"
    );
    assert_eq!(notified(&stage, "m-1").unwrap().requests, 1);
}

#[tokio::test]
async fn a_completion_that_is_recorded_but_never_confirmed_is_a_duplicate_next_time() {
    let stage = stage::set(&[]).await;
    stage.inject("PutItem", Some("COMPLETED"), 3, FaultKind::LoseReply);
    let message = stage.send("notifications", &notification("ada")).await;
    stage.until_settled(&["notifications"]).await;
    assert!(stage.stack.sqs().deliveries(&message) > 1 && stage.is_completed("send-notification", &message));
    assert_eq!(notified(&stage, &message).unwrap().requests, 1);
}
