//! Long polls, and the 12 hours from the receive.

use std::time::Duration;

use consumer::{Source, SourceFault, Verdict};
use idempotency::Timestamp;
use serde_json::json;
use tokio::time::Instant;

use crate::emulated::{Queue, url};

const HOUR: Duration = Duration::from_secs(3600);

#[tokio::test(start_paused = true)]
async fn a_long_poll_outlasts_the_timeout_of_the_client() {
    let queue = Queue::standard().await;
    let delayed = json!({"QueueUrl": url("orders"), "MessageBody": "a", "DelaySeconds": 15});
    queue.sqs().call("SendMessage", delayed).await.unwrap();
    let began = Instant::now();
    assert_eq!(queue.receive().await.len(), 1);
    assert_eq!(began.elapsed(), Duration::from_secs(15));
}

#[tokio::test(start_paused = true)]
async fn an_empty_queue_is_polled_for_twenty_seconds() {
    let queue = Queue::standard().await;
    let began = Instant::now();
    assert!(queue.receive().await.is_empty());
    assert_eq!(began.elapsed(), Duration::from_secs(20));
}

#[tokio::test(start_paused = true)]
async fn a_message_is_extended_to_twelve_hours_and_no_longer() {
    let queue = Queue::standard().await;
    queue.send_bodies(&["a"]).await;
    let receipt = queue.receipts().await.remove(0);
    for _ in 0..11 {
        assert_eq!(queue.extend(&receipt, 2 * HOUR).await, Ok(()));
        tokio::time::advance(HOUR).await;
    }
    // SQS would refuse the whole of it.
    assert_eq!(queue.extend(&receipt, 2 * HOUR).await, Ok(()));
    assert_eq!(queue.messages()[0].hidden_for, HOUR);
    tokio::time::advance(HOUR - Duration::from_millis(500)).await;
    assert_eq!(queue.extend(&receipt, HOUR).await, Err(SourceFault::ReceiptLost));
}

#[tokio::test(start_paused = true)]
async fn a_retry_beyond_twelve_hours_is_made_at_their_end() {
    let queue = Queue::standard().await;
    queue.send_bodies(&["a"]).await;
    let receipts = queue.receipts().await;
    queue.extend(&receipts[0], 5 * HOUR).await.unwrap();
    tokio::time::advance(4 * HOUR).await;
    let at = Some(Timestamp::now().plus(24 * HOUR));
    assert_eq!(queue.settle(&receipts, Verdict::Retry { at }).await, [None]);
    assert_eq!(queue.messages()[0].hidden_for, 8 * HOUR);
}

#[tokio::test(start_paused = true)]
async fn a_receive_of_more_than_ten_requests_ten() {
    let queue = Queue::standard().await;
    queue.send_bodies(&["a"; 12]).await;
    assert_eq!(queue.source.receive(100).await.unwrap().len(), 10);
    assert_eq!(queue.source.queue().batch, 10);
}

#[tokio::test(start_paused = true)]
async fn one_receipt_twice_is_two_entries() {
    let queue = Queue::standard().await;
    queue.send_bodies(&["a", "b"]).await;
    let receipts = queue.receipts().await;
    let twice: Vec<_> = receipts.iter().chain(&receipts).cloned().collect();
    assert_eq!(queue.settle(&twice, Verdict::Done).await, [None; 4]);
    assert!(queue.messages().is_empty());
}
