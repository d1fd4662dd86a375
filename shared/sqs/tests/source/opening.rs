//! What a queue states of itself.

use std::num::NonZeroU32;
use std::time::Duration;

use axum::Router;
use consumer::{QueueOrder, Source, SourceFault};
use http::StatusCode;
use serde_json::json;
use sqs::Sqs;

use crate::emulated::{Emulated, Queue, REGION, client, url};

fn arn(name: &str) -> String {
    format!("arn:aws:sqs:{REGION}:000000000000:{name}")
}

#[tokio::test(start_paused = true)]
async fn the_redrive_policy_is_that_of_the_queue() {
    let emulated = Emulated::start();
    emulated.create("orders-dlq.fifo", json!({"FifoQueue": "true"})).await;
    let policy = json!({"deadLetterTargetArn": arn("orders-dlq.fifo"), "maxReceiveCount": 5});
    let attributes = json!({"FifoQueue": "true", "VisibilityTimeout": "70", "RedrivePolicy": policy.to_string()});
    emulated.create("orders.fifo", attributes).await;
    let source = emulated.open("orders.fifo").await.unwrap();
    assert_eq!(source.max_receive_count(), NonZeroU32::new(5));
    assert_eq!(source.dead_letter_queue(), Some(url("orders-dlq.fifo")));
    let queue = source.queue();
    assert_eq!(
        (queue.order, queue.window),
        (QueueOrder::Groups, Duration::from_secs(70))
    );

    let without = emulated.open("orders-dlq.fifo").await.unwrap();
    assert_eq!((without.max_receive_count(), without.dead_letter_queue()), (None, None));
}

#[tokio::test(start_paused = true)]
async fn a_missing_queue_is_refused_with_what_to_do() {
    let error = Emulated::start().open("nowhere").await.unwrap_err();
    assert_eq!(
        (error.fault, error.to_string()),
        (SourceFault::Refused, format!("queue {}", url("nowhere")))
    );
    let why = error.why.to_string();
    let to_do = "create queue \"nowhere\" in region eu-west-1, or correct the queue URL or the region of this process";
    assert!(why.contains("does not exist") && why.ends_with(to_do), "{why}");
}

#[tokio::test(start_paused = true)]
async fn a_destination_that_is_missing_is_refused_with_what_to_do() {
    let emulated = Emulated::start();
    emulated.create("notifications", json!({})).await;
    let queues = Sqs::new(emulated.client.clone());
    queues.check(&url("notifications")).await.unwrap();
    let error = queues.check(&url("nowhere")).await.unwrap_err();
    assert_eq!(error.fault, SourceFault::Refused);
    let why = error.why.to_string();
    assert!(why.contains("create queue \"nowhere\" in region eu-west-1"), "{why}");
}

#[tokio::test(start_paused = true)]
async fn a_destination_that_may_not_be_looked_at_is_taken_to_exist() {
    let answered = |code: &'static str| {
        let body = format!("{{\"__type\":\"com.amazonaws.sqs#{code}\",\"message\":\"no\"}}");
        let denied = Router::new().fallback(async move || (StatusCode::FORBIDDEN, body));
        Sqs::new(client(denied))
    };
    answered("AccessDenied").check(&url("notifications")).await.unwrap();
    let error = answered("InvalidClientTokenId").check(&url("notifications")).await;
    assert_eq!(error.unwrap_err().fault, SourceFault::Refused);
}

#[tokio::test(start_paused = true)]
async fn a_short_visibility_timeout_is_ten_seconds_in_each_receive() {
    let queue = Queue::start("orders", json!({"VisibilityTimeout": "2"})).await;
    queue.send_bodies(&["a"]).await;
    let (message, _receipt) = queue.receive().await.remove(0);
    assert_eq!(queue.source.queue().window, Duration::from_secs(10));
    assert_eq!(queue.messages()[0].hidden_for, Duration::from_secs(10));
    assert_eq!(message.queue, Some(arn("orders")));
}
