//! Duplicates, kills, and lost replies of the ledger.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use emulator::ApiError;
use emulator::dynamodb::{Fault, FaultKind};
use emulator::lambda::{Event, Lambda};
use serde_json::Value;

use crate::receiver::Receiver;
use crate::stack::{self, notification, notified, token};

#[tokio::test]
async fn messages_delivered_twice_are_posted_once() {
    let stack = stack::start(&[]).await;
    stack.stack.sqs().deliver_twice("notifications", 6);
    let mut messages = Vec::new();
    for number in 0..6 {
        messages.push(
            stack
                .send("notifications", &notification(&format!("{number}@example.com")))
                .await,
        );
    }
    stack.until_settled(&["notifications"]).await;
    for message in &messages {
        assert!(stack.stack.sqs().deliveries(message) >= 2);
        assert_eq!(notified(&stack, message).unwrap().requests, 1);
    }
}

#[tokio::test]
async fn messages_with_the_same_key_are_posted_once() {
    let stack = stack::start(&[]).await;
    let (key, body) = ("confirmation of order o-1", notification("ada@example.com"));
    let mut messages = Vec::new();
    for _ in 0..3 {
        let attributes = [("IdempotencyKey", key)];
        messages.push(stack.send_with_attributes("notifications", &body, &attributes).await);
    }
    stack.until_settled(&["notifications"]).await;
    let notified = notified(&stack, key).unwrap();
    assert_eq!((notified.requests, notified.accepted), (1, 1));
    assert!(stack.is_completed("send-notification", key));
    for message in messages {
        assert_eq!(
            stack.record("send-notification", &message),
            None,
            "its ID is not the key"
        );
    }
}

/// Promise 3.
#[tokio::test]
async fn another_payload_under_a_used_key_is_dead_lettered() {
    let stack = stack::start(&[]).await;
    let key = "confirmation of order o-1";
    let attributes = [("IdempotencyKey", key)];
    let (ada, ben) = (notification("ada@example.com"), notification("ben@example.com"));
    stack.send_with_attributes("notifications", &ada, &attributes).await;
    stack.until_settled(&["notifications"]).await;
    let second = stack.send_with_attributes("notifications", &ben, &attributes).await;
    stack.until_settled(&["notifications"]).await;
    let dead_letter = stack.dead_letter("notifications", &second).unwrap();
    assert_eq!(dead_letter.key, key);
    assert!(
        dead_letter.reason.contains("its key was used for another payload"),
        "{dead_letter:?}"
    );
    assert_eq!(stack.receiver("NotificationUrl").notifications().len(), 1);
    assert_eq!(notified(&stack, key).unwrap().body, ada);
    assert!(
        stack.is_completed("send-notification", key),
        "the completed record is kept"
    );
}

/// Promise 1.
#[tokio::test]
async fn event_sent_to_several_processes_is_posted_once() {
    let stack = stack::start(&[]).await;
    let messages = [("m-1", notification("ada"))];
    let invoke = || stack.invoke("send-notification", &messages);
    tokio::join!(invoke(), invoke(), invoke());
    assert_eq!(invoke().await, [""; 0], "the attempt with the claim is done");
    assert_eq!(notified(&stack, "m-1").unwrap().requests, 1);
}

#[tokio::test]
async fn killed_between_post_and_record_it_posts_with_the_same_key() {
    // Killed as soon as the post arrives: a little later, the function may have given up on the answer.
    let (lambda, killed) = (Arc::new(OnceLock::<Arc<Lambda>>::new()), AtomicBool::new(false));
    let running = Arc::clone(&lambda);
    let kill = move || running.get().unwrap().kill("send-notification") == 1;
    let receiver = Receiver::start(move |_, _| {
        let silent = !killed.load(Ordering::SeqCst);
        if silent && kill() {
            killed.store(true, Ordering::SeqCst);
        }
        silent
    });
    let receiver = receiver.await;
    let stack = stack::start(&[("NotificationUrl", &receiver.url)]).await;
    assert!(lambda.set(Arc::clone(stack.stack.lambda())).is_ok());
    let message = stack.send("notifications", &notification("ada")).await;
    stack.until_settled(&["notifications"]).await;
    let is_kill = |event: &Event| matches!(event, Event::InvocationKilled { .. });
    assert_eq!(stack.events().iter().filter(|event| is_kill(event)).count(), 1);
    let posts = receiver.posts("ada");
    let keys: Vec<_> = posts.iter().map(|post| post.header("idempotency-key")).collect();
    assert!(
        keys.len() >= 2 && keys.iter().all(|key| *key == token(&message)),
        "{keys:?}"
    );
    assert!(stack.is_completed("send-notification", &message));
    assert_eq!(stack.dead_letters("notifications"), [""; 0]);
}

/// Promise 3.
#[tokio::test]
async fn killed_after_completion_it_does_not_post_again() {
    let stack = stack::start(&[]).await;
    let lambda = Arc::clone(stack.stack.lambda());
    let kill = move |_: &Value, answer: &Result<Value, ApiError>| {
        assert!(answer.is_ok() && lambda.kill("send-notification") == 1);
    };
    stack.inject("PutItem", Some("COMPLETED"), 1, FaultKind::AfterApply(Box::new(kill)));
    let message = stack.send("notifications", &notification("ada")).await;
    stack.until_settled(&["notifications"]).await;
    assert_eq!(stack.stack.sqs().deliveries(&message), 2);
    assert_eq!(notified(&stack, &message).unwrap().requests, 1);
}

/// Promise 7.
#[tokio::test]
async fn without_a_claim_no_notification_is_posted() {
    let stack = stack::start(&[]).await;
    // Of the batch, and of single requests afterwards.
    let refused = FaultKind::RefuseStatements {
        code: "InternalServerError",
        positions: vec![0, 1],
    };
    stack.inject(
        "BatchExecuteStatement",
        Some("send-notification#m-1"),
        u32::MAX,
        refused,
    );
    stack.inject(
        "PutItem",
        Some("send-notification#m-1"),
        u32::MAX,
        FaultKind::LoseRequest,
    );
    stack.inject(
        "PutItem",
        Some("send-notification#m-2"),
        u32::MAX,
        FaultKind::ServerError,
    );
    let messages = ["m-1", "m-2", "m-3"].map(|message| (message, notification(message)));
    assert_eq!(stack.invoke("send-notification", &messages).await, ["m-1", "m-2"]);
    let keys: Vec<_> = stack.receiver("NotificationUrl").notifications().into_keys().collect();
    assert_eq!(keys, [token("m-3")]);
}

/// Promise 4.
#[tokio::test]
async fn lost_replies_to_claim_and_completion_are_retried() {
    let stack = stack::start(&[]).await;
    stack.inject("PutItem", Some("send-notification#m-1"), 1, FaultKind::LoseReply);
    stack.inject("PutItem", Some("COMPLETED"), 1, FaultKind::LoseReply);
    let messages = [("m-1", notification("ada"))];
    assert_eq!(stack.invoke("send-notification", &messages).await, [""; 0]);
    assert!(stack.requests("PutItem") >= 4, "claim and completion, twice each");
    assert_eq!(notified(&stack, "m-1").unwrap().requests, 1);
}

/// Promises 4 and 5.
#[tokio::test]
async fn lasting_faults_post_each_notification_once() {
    let stack = stack::start(&[]).await;
    for operation in ["PutItem", "BatchExecuteStatement"] {
        for (nth, kind) in [(2, FaultKind::Throttle), (7, FaultKind::LoseReply)] {
            let fault = Fault {
                operation: operation.to_owned(),
                containing: None,
                times: u32::MAX,
                kind,
            };
            stack.stack.dynamodb().inject_every(nth, fault);
        }
    }
    let mut messages = Vec::new();
    for number in 0..20 {
        let body = notification(&format!("{number}@example.com"));
        messages.push(stack.send("notifications", &body).await);
    }
    stack.until_settled(&["notifications"]).await;
    for message in &messages {
        assert_eq!(notified(&stack, message).unwrap().requests, 1);
        assert_eq!(stack.stack.sqs().deliveries(message), 1, "no message is redelivered");
    }
    assert_eq!(stack.dead_letters("notifications"), [""; 0]);
}

#[tokio::test]
async fn completion_without_a_reply_is_a_duplicate_at_redelivery() {
    let stack = stack::start(&[]).await;
    stack.inject("PutItem", Some("COMPLETED"), u32::MAX, FaultKind::LoseReply);
    let message = stack.send("notifications", &notification("ada")).await;
    stack.until_settled(&["notifications"]).await;
    assert!(stack.stack.sqs().deliveries(&message) > 1 && stack.is_completed("send-notification", &message));
    assert_eq!(notified(&stack, &message).unwrap().requests, 1);
}
