//! Receiving a task, and the copy that takes its place.

#![allow(clippy::unwrap_used, clippy::panic, reason = "all of this is tests")]

mod support;

use std::time::Duration;

use cloud_tasks::{CloudTasks, task};
use consumer::{Incoming, MessageId, QueueMessage, Queues};
use idempotency::Timestamp;
use serde_json::Value;
use support::{Fault, StandIn, dispatched, message, string};

const TRACE: &str = "Root=1-5759e988-bd862e3fe1be46a994272793";

fn queues() -> CloudTasks {
    CloudTasks::new()
}

/// The task of a message that was sent.
async fn sent(stand_in: &StandIn, message: QueueMessage) -> Value {
    queues().send(&stand_in.queue(), &[message]).await.unwrap();
    stand_in.tasks().pop().unwrap()
}

fn received(task: &Value, retries: u32) -> (Incoming, cloud_tasks::TaskReceipt) {
    let (headers, body) = dispatched(task, retries);
    cloud_tasks::task(&headers, &body).unwrap()
}

#[tokio::test]
async fn a_copy_is_the_same_message_with_the_attempts_so_far() {
    let stand_in = StandIn::start().await;
    let attributes = [("IdempotencyKey", "k-1"), ("Tenant", "blü"), ("colour", "red")];
    let message = QueueMessage {
        attributes: attributes.map(|(name, value)| (name.to_owned(), string(value))).into(),
        group: Some("g 1".to_owned()),
        trace_header: Some(TRACE.to_owned()),
        ..message("m-1", "{\"a\":\"ü\"}")
    };
    let original = sent(&stand_in, message.clone()).await;
    let (first, receipt) = received(&original, 2);
    let sent_at = first.sent_at.unwrap();
    let expected = Incoming {
        attributes: message.attributes.clone(),
        group: message.group.clone(),
        queue: Some("queues/orders".to_owned()),
        receive_count: 3,
        sent_at: Some(sent_at),
        trace_header: Some(TRACE.to_owned()),
        ..Incoming::new(MessageId::new("m-1").unwrap(), "{\"a\":\"ü\"}")
    };
    assert_eq!(first, expected);
    assert!(sent_at.until(Timestamp::now()) < Duration::from_secs(60));

    let at = Timestamp::now().plus(Duration::from_secs(600));
    queues().retry(&stand_in.queue(), &receipt, Some(at)).await.unwrap();
    let copy = stand_in.tasks().pop().unwrap();
    assert_ne!(copy["name"], original["name"]);
    let time = humantime::parse_rfc3339(copy["scheduleTime"].as_str().unwrap()).unwrap();
    let millis = time.duration_since(std::time::UNIX_EPOCH).unwrap().as_millis();
    assert_eq!(millis, u128::from(at.millis()));
    let (second, _) = received(&copy, 1);
    let expected = Incoming {
        receive_count: 5,
        ..expected
    };
    assert_eq!(second, expected);
}

/// Of another producer: no header but those of Cloud Tasks.
#[tokio::test]
async fn a_task_of_another_producer_keeps_its_name_as_its_id() {
    let stand_in = StandIn::start().await;
    let mut task = sent(&stand_in, message("m-1", "{}")).await;
    task["httpRequest"]["headers"] = serde_json::json!({});
    let (first, receipt) = received(&task, 0);
    // `{}` has this digest.
    assert_eq!(first.id.as_str(), "1-44136fa355b3678a");
    assert!(first.attributes.is_empty());
    assert_eq!(first.sent_at, Some(Timestamp::from_millis(1_602_727_873_950)));
    // The schedule time of a retry is no time of sending.
    assert_eq!(received(&task, 1).0.sent_at, None);

    queues().retry(&stand_in.queue(), &receipt, None).await.unwrap();
    let (copy, _) = received(&stand_in.tasks().pop().unwrap(), 0);
    let expected = Incoming {
        receive_count: 2,
        ..first
    };
    assert_eq!(copy, expected);
}

#[tokio::test]
async fn a_task_has_one_copy_whatever_is_lost() {
    let stand_in = StandIn::start().await;
    let original = sent(&stand_in, message("m-1", "{}")).await;
    stand_in.inject([
        Fault::Status(503, "UNAVAILABLE"),
        Fault::ReplyLost,
        Fault::Status(429, "RESOURCE_EXHAUSTED"),
    ]);
    let (_, receipt) = received(&original, 0);
    queues().retry(&stand_in.queue(), &receipt, None).await.unwrap();
    assert_eq!((stand_in.tasks().len(), stand_in.requests().len()), (2, 5));
    // Cloud Tasks did not get the answer, and sends the task again.
    let (_, receipt) = received(&original, 1);
    queues().retry(&stand_in.queue(), &receipt, None).await.unwrap();
    assert_eq!(stand_in.tasks().len(), 2);
    // The copy has a copy of its own.
    let (_, receipt) = received(&stand_in.tasks()[1], 0);
    queues().retry(&stand_in.queue(), &receipt, None).await.unwrap();
    assert_eq!(stand_in.tasks().len(), 3);
}

/// A producer may use a name again once Cloud Tasks allows it.
#[tokio::test]
async fn a_name_that_is_used_again_is_another_message() {
    let stand_in = StandIn::start().await;
    let mut task = sent(&stand_in, message("m-1", "{}")).await;
    task["httpRequest"]["headers"] = serde_json::json!({});
    let (first, receipt) = received(&task, 0);
    queues().retry(&stand_in.queue(), &receipt, None).await.unwrap();
    task["httpRequest"]["body"] = serde_json::json!("eyJhIjoxfQ==");
    let (second, receipt) = received(&task, 0);
    assert_ne!(second.id, first.id);
    queues().retry(&stand_in.queue(), &receipt, None).await.unwrap();
    assert_eq!(stand_in.tasks().len(), 3);
    // Of a producer that states our ID, too, and uses it again.
    task["httpRequest"]["headers"] = serde_json::json!({"X-Consumer-Message-Id": "m-2"});
    for (body, tasks) in [("e30=", 4), ("eyJhIjoxfQ==", 5), ("e30=", 5)] {
        task["httpRequest"]["body"] = serde_json::json!(body);
        let (_, receipt) = received(&task, 0);
        queues().retry(&stand_in.queue(), &receipt, None).await.unwrap();
        assert_eq!(stand_in.tasks().len(), tasks, "{body}");
    }
}

/// Of another producer, who keeps other limits.
#[tokio::test]
async fn a_copy_may_be_as_large_as_its_task() {
    let stand_in = StandIn::start().await;
    let task = sent(&stand_in, message("m-1", "{}")).await;
    let (mut headers, _) = dispatched(&task, 0);
    for number in 0..60 {
        let name: http::HeaderName = format!("x-attribute-a{number}").parse().unwrap();
        headers.insert(name, "v".repeat(900).parse().unwrap());
    }
    let (first, receipt) = cloud_tasks::task(&headers, "x".repeat(970_000).as_bytes()).unwrap();
    queues().retry(&stand_in.queue(), &receipt, None).await.unwrap();
    let (copy, _) = received(&stand_in.tasks().pop().unwrap(), 0);
    assert_eq!((copy.attributes, copy.body), (first.attributes, first.body));
}

#[tokio::test]
async fn a_copy_goes_to_the_queue_of_its_task() {
    let stand_in = StandIn::start().await;
    let original = sent(&stand_in, message("m-1", "{}")).await;
    let (mut headers, body) = dispatched(&original, 0);
    headers.insert("x-cloudtasks-queuename", "other".parse().unwrap());
    let (_, receipt) = task(&headers, &body).unwrap();
    queues().retry(&stand_in.queue(), &receipt, None).await.unwrap();
    let copy = stand_in.tasks().pop().unwrap();
    assert!(
        copy["name"]
            .as_str()
            .unwrap()
            .starts_with("projects/p/locations/l/queues/other/tasks/")
    );
}

#[tokio::test]
async fn a_copy_waits_a_second_at_least_and_thirty_days_at_most() {
    let stand_in = StandIn::start().await;
    let year = Timestamp::now().plus(Duration::from_secs(365 * 24 * 60 * 60));
    let mut waits = Vec::new();
    for (id, at) in [("a", None), ("b", Some(Timestamp::now())), ("c", Some(year))] {
        let (_, receipt) = received(&sent(&stand_in, message(id, "{}")).await, 0);
        let before = std::time::SystemTime::now();
        queues().retry(&stand_in.queue(), &receipt, at).await.unwrap();
        let copy = stand_in.tasks().pop().unwrap();
        let time = humantime::parse_rfc3339(copy["scheduleTime"].as_str().unwrap()).unwrap();
        waits.push(time.duration_since(before).unwrap().as_secs_f64());
    }
    assert!(waits[..2].iter().all(|wait| (0.99..60.0).contains(wait)), "{waits:?}");
    let days = waits[2] / (24.0 * 60.0 * 60.0);
    assert!(days > 29.9 && days < 30.0, "{days}");
}

#[tokio::test]
async fn a_copy_that_is_refused_is_an_error_at_once() {
    let stand_in = StandIn::start().await;
    let (_, receipt) = received(&sent(&stand_in, message("m-1", "{}")).await, 0);
    stand_in.inject([Fault::Status(403, "PERMISSION_DENIED")]);
    let error = queues().retry(&stand_in.queue(), &receipt, None).await.unwrap_err();
    assert!(error.unsent.is_empty());
    assert_eq!((stand_in.tasks().len(), stand_in.requests().len()), (1, 2));
}

/// The clock is paused: it advances when everything waits.
#[tokio::test]
async fn a_copy_that_is_never_confirmed_is_an_error_in_time() {
    let stand_in = StandIn::start().await;
    let (_, receipt) = received(&sent(&stand_in, message("m-1", "{}")).await, 0);
    stand_in.inject(vec![Fault::Hangs; 1000]);
    tokio::time::pause();
    let before = tokio::time::Instant::now();
    let error = queues().retry(&stand_in.queue(), &receipt, None).await.unwrap_err();
    assert_eq!(error.unsent, [0]);
    assert!(
        before.elapsed() <= Duration::from_millis(10_100),
        "{:?}",
        before.elapsed()
    );
}

#[test]
fn a_request_that_is_not_of_cloud_tasks_is_malformed() {
    let request = serde_json::json!({"headers": {"x-a": "1"}, "body": ""});
    let task = serde_json::json!({"name": "projects/p/locations/l/queues/q/tasks/t", "httpRequest": request});
    let (headers, _) = dispatched(&task, 0);
    assert!(cloud_tasks::task(&headers, b"").is_ok());
    for name in [
        "x-cloudtasks-taskname",
        "x-cloudtasks-queuename",
        "x-cloudtasks-taskretrycount",
    ] {
        let mut without = headers.clone();
        without.remove(name);
        let malformed = cloud_tasks::task(&without, b"").unwrap_err().to_string();
        assert!(malformed.to_lowercase().contains(name), "{malformed}");
    }
    let mut with_token = headers.clone();
    with_token.insert("authorization", "Bearer secret".parse().unwrap());
    let malformed = cloud_tasks::task(&with_token, b"\xff").unwrap_err();
    assert_eq!(malformed.to_string(), "its body is not UTF-8");
    let record: Value = serde_json::from_str(&malformed.record).unwrap();
    assert_eq!(
        (&record["base64"], &record["headers"]["x-a"]),
        (&"/w==".into(), &"1".into())
    );
    assert!(!malformed.record.contains("secret"));
    let mut packed = headers;
    packed.insert("x-consumer-attributes-1", "!".parse().unwrap());
    assert!(cloud_tasks::task(&packed, b"").is_err());
}
