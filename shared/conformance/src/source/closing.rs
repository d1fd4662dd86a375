//! The end of receiving.

use std::time::Duration;

use consumer::{Source, Verdict};
use tokio::time::timeout;

use super::under_test::{UnderTest, receive_one, send, settle};

/// Much longer than a long poll.
const PATIENCE: Duration = Duration::from_secs(60);

/// What is in the queue stays there for others.
pub async fn a_closed_source_receives_nothing<U: UnderTest>(queue: &U) {
    queue.source().close().await;
    send(queue, &["a"]).await;
    let received = timeout(PATIENCE, queue.source().receive(10)).await;
    assert!(received.expect("it returns at once").unwrap().is_empty());
    assert_eq!(queue.left().await, 1);
}

/// A host can wait for a receive that began before the close.
pub async fn a_receive_ends_after_the_close<U: UnderTest>(queue: &U) {
    let both = async { tokio::join!(queue.source().receive(10), queue.source().close()) };
    let (received, ()) = timeout(PATIENCE, both).await.expect("the receive ends");
    assert!(received.unwrap().is_empty());
}

/// What was received before the close can be settled.
pub async fn receipts_outlive_the_close<U: UnderTest>(queue: &U) {
    send(queue, &["a"]).await;
    let (_, receipt) = receive_one(queue).await;
    queue.source().close().await;
    settle(queue, receipt, Verdict::Done).await.unwrap();
    assert_eq!(queue.left().await, 0);
}
