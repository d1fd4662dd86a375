//! What a queue states of itself.

use std::num::NonZeroU32;
use std::time::Duration;

use consumer::{QueueOrder, Source, SourceFault};
use serde_json::json;

use crate::emulated::{Emulated, Queue, REGION, url};

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
async fn a_short_visibility_timeout_is_ten_seconds_in_each_receive() {
    let queue = Queue::start("orders", json!({"VisibilityTimeout": "2"})).await;
    queue.send_bodies(&["a"]).await;
    let (message, _receipt) = queue.receive().await.remove(0);
    assert_eq!(queue.source.queue().window, Duration::from_secs(10));
    assert_eq!(queue.messages()[0].hidden_for, Duration::from_secs(10));
    assert_eq!(message.queue, Some(arn("orders")));
}
