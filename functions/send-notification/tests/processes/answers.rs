//! Answers of the receiver, and the outcome of the message.

use std::time::Duration;

use emulator::lambda::Event;
use serde_json::{Value, json};
use testing::{DeadLetter, PATIENCE, Record, TestStack, text};
use tokio::net::TcpListener;

use crate::receiver::Receiver;
use crate::stack::{self, notification, notified, token};

#[tokio::test]
async fn notification_is_posted_unchanged_with_its_token() {
    let receiver = Receiver::silent("unused", 0).await;
    let stack = stack::start(&[("NotificationUrl", &receiver.url)]).await;
    let message = stack.send("notifications", &notification("ada@example.com")).await;
    stack.until_settled(&["notifications"]).await;
    let posts = receiver.posts("ada@example.com");
    assert_eq!(posts.len(), 1);
    assert_eq!(posts[0].head[0], "post /notify?stage=test http/1.1");
    assert_eq!(posts[0].header("content-type"), "application/json");
    assert_eq!(posts[0].header("idempotency-key"), token(&message));
    assert_eq!(posts[0].body, notification("ada@example.com"));
    assert!(stack.is_completed("send-notification", &message));
    assert_eq!(stack.dead_letters("notifications"), [""; 0]);
}

#[tokio::test]
async fn user_info_of_the_url_is_sent_as_basic_and_never_logged() {
    let receiver = Receiver::silent("unused", 0).await;
    let url = receiver.url.replace("http://", "http://ada:s%40cret@");
    let stack = stack::start(&[("NotificationUrl", &url)]).await;
    let message = stack.send("notifications", &notification("ada@example.com")).await;
    stack.until_settled(&["notifications"]).await;
    let posts = receiver.posts("ada@example.com");
    assert_eq!(
        posts[0].header("authorization").to_lowercase(),
        "basic ywrhonnay3jlda==",
        "ada:s@cret"
    );
    assert!(!posts[0].header("host").contains('@'));
    assert!(stack.is_completed("send-notification", &message));
    let log = stack.log();
    assert!(
        !log.iter().any(|line| line.contains("cret") || line.contains("YWRhOnN")),
        "{log:?}"
    );
}

/// While credentials change or a new version is deployed, a receiver answers all messages like this.
#[tokio::test]
async fn refused_access_is_retried_and_dead_letters_nothing() {
    let stack = stack::start(&[]).await;
    for status in [401, 403, 404] {
        stack.receiver("NotificationUrl").refuse_next(status, None);
    }
    let message = stack.send("notifications", &notification("ada@example.com")).await;
    stack.until_settled(&["notifications"]).await;
    assert_eq!(stack.dead_letters("notifications"), [""; 0]);
    assert!(stack.is_completed("send-notification", &message));
    assert_eq!(stack.stack.sqs().deliveries(&message), 4);
}

#[tokio::test]
async fn every_retry_has_the_same_idempotency_key() {
    let stack = stack::start(&[]).await;
    let answers = [(500, None), (503, Some(1)), (429, None), (429, Some(1)), (302, None)];
    for (status, retry_after) in answers {
        stack.receiver("NotificationUrl").refuse_next(status, retry_after);
    }
    let message = stack.send("notifications", &notification("ada@example.com")).await;
    stack.until_settled(&["notifications"]).await;
    let notifications = stack.receiver("NotificationUrl").notifications();
    assert_eq!(notifications.keys().collect::<Vec<_>>(), [&token(&message)]);
    let notified = notified(&stack, &message).unwrap();
    assert_eq!((notified.requests, notified.accepted), (6, 1));
    assert_eq!(notified.body, notification("ada@example.com"));
    assert_eq!(stack.stack.sqs().deliveries(&message), 6);
    assert!(stack.is_completed("send-notification", &message));
}

#[tokio::test]
async fn retry_after_delays_the_next_attempt() {
    let stack = stack::start(&[]).await;
    // Longer than any other delay here: visibility timeout and retry delays are some seconds.
    stack.receiver("NotificationUrl").refuse_next(503, Some(3600));
    let message = stack.send("notifications", &notification("ada@example.com")).await;
    let is_finished = |event: &Event| matches!(event, Event::BatchFinished { .. });
    stack
        .until("the batch is over", || stack.events().iter().any(is_finished))
        .await;
    let queued = stack.stack.sqs().peek("notifications");
    assert_eq!((queued.len(), &queued[0].message_id), (1, &message));
    // The delay starts at the answer. A machine may be late by a minute.
    let hidden_for = queued[0].hidden_for;
    assert!(
        hidden_for > Duration::from_secs(3540) && hidden_for <= Duration::from_secs(3600),
        "{hidden_for:?}"
    );
    assert_eq!(stack.record("send-notification", &message), None, "the key is released");
}

#[tokio::test]
async fn refused_notification_is_dead_lettered_after_one_post() {
    let stack = stack::start(&[]).await;
    stack.receiver("NotificationUrl").refuse_next(400, None);
    let message = stack.send("notifications", &notification("ada@example.com")).await;
    stack.until_settled(&["notifications"]).await;
    let why = format!("{} answered 400 Bad Request", receiver_of(&stack));
    let dead_letter = DeadLetter::sent("send-notification", &message, &why);
    assert_eq!(stack.dead_letter("notifications", &message), Some(dead_letter));
    assert_eq!(stack.stack.sqs().deliveries(&message), 1);
    assert_eq!(notified(&stack, &message).unwrap().requests, 1);
    assert_eq!(
        stack.record("send-notification", &message),
        Some(Record::rejected(&why))
    );
}

#[tokio::test]
async fn without_dead_letter_queue_a_refusal_is_posted_once() {
    let stack = stack::start_without_dead_letter_queue(&[("MaxReceiveCount", "3")]).await;
    stack.receiver("NotificationUrl").refuse_next(400, None);
    let message = stack.send("notifications", &notification("ada@example.com")).await;
    stack.until_settled(&["notifications"]).await;
    let dead_letter = DeadLetter::moved(&message);
    assert_eq!(stack.dead_letter("notifications", &message), Some(dead_letter));
    assert_eq!(stack.stack.sqs().deliveries(&message), 3);
    assert_eq!(notified(&stack, &message).unwrap().requests, 1);
}

#[tokio::test]
async fn dead_letter_states_its_receive_count() {
    let stack = stack::start(&[]).await;
    for (status, retry_after) in [(503, Some(0)), (500, None), (422, None)] {
        stack.receiver("NotificationUrl").refuse_next(status, retry_after);
    }
    let message = stack.send("notifications", &notification("ada@example.com")).await;
    stack.until_settled(&["notifications"]).await;
    let why = format!("{} answered 422 Unprocessable Entity", receiver_of(&stack));
    let dead_letter = DeadLetter {
        receive_count: "3".to_owned(),
        ..DeadLetter::sent("send-notification", &message, &why)
    };
    assert_eq!(stack.dead_letter("notifications", &message), Some(dead_letter));
}

#[tokio::test]
async fn notification_without_recipient_is_rejected_unposted() {
    let stack = stack::start(&[]).await;
    let messages = [("m-1", notification(" ")), ("m-2", json!(["no", "notification"]))];
    assert_eq!(stack.invoke("send-notification", &messages).await, [""; 0]);
    assert_eq!(stack.dead_letters("notifications").len(), 2);
    assert_eq!(stack.receiver("NotificationUrl").notifications().len(), 0);
    let reason = |message| stack.record("send-notification", message).unwrap().reason;
    assert_eq!(reason("m-1"), "the notification has no recipient: `to` is empty");
    assert!(reason("m-2").starts_with("malformed body: "), "{}", reason("m-2"));
    for message in ["m-1", "m-2"] {
        let dead_letter = DeadLetter::sent("send-notification", message, &reason(message));
        assert_eq!(stack.dead_letter("notifications", message), Some(dead_letter));
    }
}

#[tokio::test]
async fn unreachable_receiver_is_named_and_the_key_is_released() {
    let url = "http://ada:secret@127.0.0.1:1/secret?token=secret";
    let parameters = [("NotificationUrl", url)];
    let stack = stack::start(&parameters).await;
    let messages = [("m-1", notification("ada@example.com"))];
    assert_eq!(stack.invoke("send-notification", &messages).await, ["m-1"]);
    assert_eq!(stack.record("send-notification", "m-1"), None);
    let failure = failure(&stack).await;
    assert!(
        failure.starts_with("failed: 127.0.0.1:1 can't be reached: ") && failure.contains("Connection refused"),
        "{failure}"
    );
    assert!(!stack.log().concat().contains("secret"), "{:?}", stack.log());
}

#[tokio::test]
async fn closed_connection_has_a_failure_of_its_own() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { while listener.accept().await.is_ok() {} });
    let url = format!("http://{address}/notify");
    let parameters = [("NotificationUrl", url.as_str())];
    let stack = stack::start(&parameters).await;
    let messages = [("m-1", notification("ada@example.com"))];
    assert_eq!(stack.invoke("send-notification", &messages).await, ["m-1"]);
    let failure = failure(&stack).await;
    assert!(
        failure.starts_with(&format!("failed: {address} sent no complete answer: ")),
        "{failure}"
    );
}

/// Host and port of the receiver in the stack.
fn receiver_of(stack: &TestStack) -> &str {
    stack.stack.endpoint().trim_start_matches("http://")
}

/// The logged failure of the message.
async fn failure(stack: &TestStack) -> String {
    let line = || stack.log().into_iter().find(|line| line.contains("failed: "));
    stack.until("the failure is in the log", || line().is_some()).await;
    let line: Value = serde_json::from_str(&line().unwrap()).unwrap();
    line["message"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn silent_receiver_fails_only_its_message_and_keeps_the_lease() {
    // Cancelled at the deadline, because the function's own limit for an answer, five seconds, is later.
    let parameters = [("FunctionTimeout", "6"), ("VisibilityTimeout", "12")];
    let messages = [("m-1", "ada"), ("m-2", "ben"), ("m-3", "cleo")].map(|(message, to)| (message, notification(to)));
    let mut attempts = 0;
    let (receiver, stack, failed) = loop {
        let receiver = Receiver::silent("ada", 1).await;
        let stack = stack::start(&[&[("NotificationUrl", receiver.url.as_str())], &parameters[..]].concat()).await;
        let failed = stack.invoke("send-notification", &messages).await;
        attempts += 1;
        // A machine that takes more than four seconds for the other messages gets another chance.
        if failed == ["m-1"] || attempts == 5 {
            break (receiver, stack, failed);
        }
    };
    assert_eq!(failed, ["m-1"]);
    assert!(stack.is_completed("send-notification", "m-2") && stack.is_completed("send-notification", "m-3"));
    assert_eq!(stack.record("send-notification", "m-1").unwrap().status, "INPROGRESS");
    let lease_end = lease_end(&stack, "m-1");

    let until_done = async {
        while !stack.invoke("send-notification", &messages).await.is_empty() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, until_done).await.unwrap();
    let posts = receiver.posts("ada");
    let keys: Vec<_> = posts.iter().map(|post| post.header("idempotency-key")).collect();
    assert!(
        keys.len() >= 2 && keys.iter().all(|key| *key == token("m-1")),
        "{keys:?}"
    );
    assert!(
        posts[1].arrived_at.millis() > lease_end,
        "no attempt runs while the lease lasts"
    );
    assert_eq!((receiver.posts("ben").len(), receiver.posts("cleo").len()), (1, 1));

    stack.stack.lambda().shutdown().await;
    let count = |batch: usize, name: &str| stack.metrics()[batch][name].as_u64().unwrap();
    assert_eq!((count(0, "Done"), count(0, "Failed")), (2, 1));
    assert_eq!(count(1, "Duplicate"), 2);
}

/// The end of the lease of a claimed key, in milliseconds since 1970.
fn lease_end(stack: &TestStack, message: &str) -> u64 {
    let records = stack.stack.dynamodb().scan("idempotency");
    let id = format!("send-notification#{message}");
    let record = records.iter().find(|record| text(record, "id") == id).unwrap();
    text(record, "in_progress_expiration").parse().unwrap()
}

#[tokio::test]
async fn silent_receiver_times_out_before_the_invocation() {
    let receiver = Receiver::silent("ada", 1).await;
    let stack = stack::start(&[("NotificationUrl", &receiver.url)]).await;
    let messages = [("m-1", notification("ada"))];
    assert_eq!(stack.invoke("send-notification", &messages).await, ["m-1"]);
    // At the deadline the handler would be cancelled, and the record would stay in progress.
    assert_eq!(stack.record("send-notification", "m-1"), None, "the key is released");
    let failure = failure(&stack).await;
    assert!(failure.ends_with(" did not answer within 5s"), "{failure}");
}
