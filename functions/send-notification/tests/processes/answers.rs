//! What the receiver answers, and what becomes of the message.

use std::time::Duration;

use emulator::lambda::Event;
use serde_json::{Value, json};
use testing::{DeadLetter, PATIENCE, Record, TestStack, UNHURRIED};
use tokio::net::TcpListener;

use crate::receiver::Receiver;
use crate::stage::{self, notification, notified, token};

#[tokio::test]
async fn a_notification_is_posted_as_it_is_under_its_messages_key() {
    let receiver = Receiver::silent("nobody", 0).await;
    let stage = stage::set(&[("NotificationUrl", &receiver.url)]).await;
    let message = stage.send("notifications", &notification("ada@example.com")).await;
    stage.until_settled(&["notifications"]).await;
    let posts = receiver.posts("ada@example.com");
    assert_eq!(posts.len(), 1);
    assert_eq!(posts[0].head[0], "post /notify?stage=test http/1.1");
    assert_eq!(posts[0].header("content-type"), "application/json");
    assert_eq!(posts[0].header("idempotency-key"), token(&message));
    assert_eq!(posts[0].body, notification("ada@example.com"));
    assert!(stage.is_completed("send-notification", &message));
    assert_eq!(stage.dead_letters("notifications"), [""; 0]);
}

#[tokio::test]
async fn a_receiver_that_is_busy_or_broken_is_asked_again_with_the_same_key_until_it_accepts() {
    let stage = stage::set(&[]).await;
    let answers = [(500, None), (503, Some(1)), (429, None), (429, Some(1)), (302, None)];
    for (status, retry_after) in answers {
        stage.stack.receiver().refuse_next(status, retry_after);
    }
    let message = stage.send("notifications", &notification("ada@example.com")).await;
    stage.until_settled(&["notifications"]).await;
    let notifications = stage.stack.receiver().notifications();
    assert_eq!(notifications.keys().collect::<Vec<_>>(), [&token(&message)]);
    let notified = notified(&stage, &message).unwrap();
    assert_eq!((notified.requests, notified.accepted), (6, 1));
    assert_eq!(notified.body, notification("ada@example.com"));
    assert_eq!(stage.stack.sqs().deliveries(&message), 6);
    assert!(stage.is_completed("send-notification", &message));
}

#[tokio::test]
async fn a_receiver_that_says_when_is_not_asked_before() {
    let stage = stage::set(&[]).await;
    // Longer than any other delay here: the visibility timeout, and the growing delay's bound, are some seconds.
    stage.stack.receiver().refuse_next(503, Some(3600));
    let message = stage.send("notifications", &notification("ada@example.com")).await;
    let is_finished = |event: &Event| matches!(event, Event::BatchFinished { .. });
    stage
        .until("the batch is over", || stage.events().iter().any(is_finished))
        .await;
    let queued = stage.stack.sqs().peek("notifications");
    assert_eq!((queued.len(), &queued[0].message_id), (1, &message));
    // It counts from the answer, and an hour is a minute longer than any machine could be late.
    let hidden_for = queued[0].hidden_for;
    assert!(
        hidden_for > Duration::from_secs(3540) && hidden_for <= Duration::from_secs(3600),
        "{hidden_for:?}"
    );
    assert_eq!(
        stage.record("send-notification", &message),
        None,
        "the key is free by then"
    );
}

#[tokio::test]
async fn what_the_receiver_will_never_accept_is_dead_lettered_at_once_and_not_posted_again() {
    let stage = stage::set(&[]).await;
    stage.stack.receiver().refuse_next(400, None);
    let message = stage.send("notifications", &notification("ada@example.com")).await;
    stage.until_settled(&["notifications"]).await;
    let why = "the receiver answered 400 Bad Request";
    let letter = DeadLetter::sent("send-notification", &message, why);
    assert_eq!(stage.dead_letter("notifications", &message), Some(letter));
    assert_eq!(stage.stack.sqs().deliveries(&message), 1);
    assert_eq!(notified(&stage, &message).unwrap().requests, 1);
    assert_eq!(stage.record("send-notification", &message), Some(Record::rejected(why)));
}

#[tokio::test]
async fn without_a_dead_letter_queue_of_its_own_it_is_moved_by_the_redrive_policy_and_not_posted_again() {
    let stage = stage::set_without_dead_letter_queue(&[("MaxReceiveCount", "3")]).await;
    stage.stack.receiver().refuse_next(400, None);
    let message = stage.send("notifications", &notification("ada@example.com")).await;
    stage.until_settled(&["notifications"]).await;
    let letter = DeadLetter::moved(&message);
    assert_eq!(stage.dead_letter("notifications", &message), Some(letter));
    assert_eq!(stage.stack.sqs().deliveries(&message), 3);
    assert_eq!(notified(&stage, &message).unwrap().requests, 1);
}

#[tokio::test]
async fn a_message_that_was_received_before_says_so_when_it_is_dead_lettered() {
    let stage = stage::set(&[]).await;
    for (status, retry_after) in [(503, Some(0)), (500, None), (410, None)] {
        stage.stack.receiver().refuse_next(status, retry_after);
    }
    let message = stage.send("notifications", &notification("ada@example.com")).await;
    stage.until_settled(&["notifications"]).await;
    let letter = DeadLetter {
        receive_count: "3".to_owned(),
        ..DeadLetter::sent("send-notification", &message, "the receiver answered 410 Gone")
    };
    assert_eq!(stage.dead_letter("notifications", &message), Some(letter));
}

#[tokio::test]
async fn a_notification_for_nobody_is_rejected_without_a_post() {
    let stage = stage::set(&UNHURRIED).await;
    let messages = [("m-1", notification(" ")), ("m-2", json!(["no", "notification"]))];
    assert_eq!(stage.invoke("send-notification", &messages).await, [""; 0]);
    assert_eq!(stage.dead_letters("notifications").len(), 2);
    assert_eq!(stage.stack.receiver().notifications().len(), 0);
    let reason = |message| stage.record("send-notification", message).unwrap().reason;
    assert_eq!(reason("m-1"), "the notification is for nobody: `to` is empty");
    assert!(reason("m-2").starts_with("malformed body: "), "{}", reason("m-2"));
    for message in ["m-1", "m-2"] {
        let letter = DeadLetter::sent("send-notification", message, &reason(message));
        assert_eq!(stage.dead_letter("notifications", message), Some(letter));
    }
}

#[tokio::test]
async fn a_receiver_that_is_not_there_is_named_and_leaves_the_key_free_for_the_next_delivery() {
    let url = "http://ada:secret@127.0.0.1:1/secret?token=secret";
    let parameters = [UNHURRIED.as_slice(), &[("NotificationUrl", url)]].concat();
    let stage = stage::set(&parameters).await;
    let messages = [("m-1", notification("ada@example.com"))];
    assert_eq!(stage.invoke("send-notification", &messages).await, ["m-1"]);
    assert_eq!(stage.record("send-notification", "m-1"), None);
    let said = failure(&stage).await;
    assert!(
        said.starts_with("failed: the receiver 127.0.0.1:1 can't be reached: ") && said.contains("Connection refused"),
        "{said}"
    );
    assert!(!stage.log().concat().contains("secret"), "{:?}", stage.log());
}

#[tokio::test]
async fn a_receiver_that_hangs_up_is_told_from_one_that_is_not_there() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { while listener.accept().await.is_ok() {} });
    let url = format!("http://{address}/notify");
    let parameters = [UNHURRIED.as_slice(), &[("NotificationUrl", &url)]].concat();
    let stage = stage::set(&parameters).await;
    let messages = [("m-1", notification("ada@example.com"))];
    assert_eq!(stage.invoke("send-notification", &messages).await, ["m-1"]);
    let said = failure(&stage).await;
    assert!(
        said.starts_with(&format!("failed: the receiver {address} broke off: ")),
        "{said}"
    );
}

/// What the log says of the message that failed.
async fn failure(stage: &TestStack) -> String {
    let line = || stage.log().into_iter().find(|line| line.contains("failed: "));
    stage.until("the log says so", || line().is_some()).await;
    let line: Value = serde_json::from_str(&line().unwrap()).unwrap();
    line["message"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_receiver_that_never_answers_costs_its_message_alone_and_has_the_lease_to_its_end() {
    let receiver = Receiver::silent("ada", 1).await;
    let parameters = [
        ("NotificationUrl", receiver.url.as_str()),
        ("FunctionTimeout", "6"),
        ("VisibilityTimeout", "12"),
    ];
    let stage = stage::set(&parameters).await;
    let messages = [("m-1", "ada"), ("m-2", "ben"), ("m-3", "cleo")].map(|(message, to)| (message, notification(to)));
    assert_eq!(stage.invoke("send-notification", &messages).await, ["m-1"]);
    assert!(stage.is_completed("send-notification", "m-2") && stage.is_completed("send-notification", "m-3"));
    assert_eq!(stage.record("send-notification", "m-1").unwrap().status, "INPROGRESS");

    assert_eq!(
        stage.invoke("send-notification", &messages).await,
        ["m-1"],
        "the lease is not over"
    );
    assert_eq!(receiver.posts("ada").len(), 1, "nobody posts while it lasts");
    let until_done = async {
        while !stage.invoke("send-notification", &messages).await.is_empty() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, until_done).await.unwrap();
    let keys: Vec<_> = receiver
        .posts("ada")
        .iter()
        .map(|post| post.header("idempotency-key").to_owned())
        .collect();
    assert_eq!(keys, [token("m-1"), token("m-1")]);
    assert_eq!((receiver.posts("ben").len(), receiver.posts("cleo").len()), (1, 1));

    stage.stack.lambda().shutdown().await;
    let count = |batch: usize, name: &str| stage.metrics()[batch][name].as_u64().unwrap();
    assert_eq!((count(0, "Done"), count(0, "Failed")), (2, 1));
    assert_eq!((count(1, "Duplicate"), count(1, "InProgress")), (2, 1));
}

#[tokio::test]
async fn a_receiver_that_never_answers_is_given_up_long_before_a_long_invocation_ends() {
    let receiver = Receiver::silent("ada", 1).await;
    let parameters = [UNHURRIED.as_slice(), &[("NotificationUrl", &receiver.url)]].concat();
    let stage = stage::set(&parameters).await;
    let begun = std::time::Instant::now();
    assert_eq!(
        stage.invoke("send-notification", &[("m-1", notification("ada"))]).await,
        ["m-1"]
    );
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
    assert_eq!(
        stage.record("send-notification", "m-1"),
        None,
        "the next delivery may try at once"
    );
}
