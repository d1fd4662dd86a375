//! What each verdict does to its message.

use consumer::{QueueOrder, Source, Verdict};
use tokio::time::Instant;

use super::under_test::{RETRY_NOW, UnderTest, order, receive, receive_one, retry_at, send, settle, skipped, visible};

/// A message that is done leaves the queue, and no other does.
pub async fn a_done_message_is_deleted<U: UnderTest>(queue: &U) {
    is_deleted(queue, Verdict::Done).await;
}

/// A message that is rejected leaves the queue, and no other does.
pub async fn a_rejected_message_is_deleted<U: UnderTest>(queue: &U) {
    is_deleted(queue, Verdict::Rejected).await;
}

async fn is_deleted<U: UnderTest>(queue: &U, verdict: Verdict) {
    send(queue, &["a", "b"]).await;
    let mut received = receive(queue, 2).await;
    let (kept, _) = received.remove(1);
    let (_, receipt) = received.remove(0);
    settle(queue, receipt, verdict).await.unwrap();
    assert_eq!(queue.left().await, 1);
    queue.redeliver().await;
    assert_eq!(receive_one(queue).await.0.id, kept.id);
}

/// A retry at a time is received then, as precisely as the queue can, and not before.
pub async fn a_retry_at_a_time_is_received_then_and_not_earlier<U: UnderTest>(queue: &U) {
    if order(queue) == QueueOrder::HeldGroups {
        return skipped("leaves delays to its host");
    }
    let abilities = queue.abilities();
    let sent = send(queue, &["a"]).await;
    let (_, receipt) = receive_one(queue).await;
    settle(queue, receipt, retry_at(queue, abilities.delay)).await.unwrap();
    let shortly = abilities.delay / 10;
    queue
        .wait(abilities.delay.saturating_sub(abilities.early + shortly))
        .await;
    assert!(visible(queue, "later").await.is_empty(), "too early");
    queue.wait(abilities.early + shortly + abilities.late).await;
    assert_eq!(visible(queue, "last").await, ["a"], "too late");
    assert_eq!(queue.left().await, sent.len());
}

/// A retry whose time is over is received at once.
pub async fn a_retry_now_is_received_at_once<U: UnderTest>(queue: &U) {
    let sent = send(queue, &["a"]).await;
    let (_, receipt) = receive_one(queue).await;
    let began = Instant::now();
    settle(queue, receipt, RETRY_NOW).await.unwrap();
    assert_eq!(receive_one(queue).await.0.id, sent[0]);
    let (took, window) = (began.elapsed(), queue.source().queue().window);
    assert!(
        took < window,
        "it took {took:?}, as if its visibility timeout of {window:?} had ended"
    );
}

/// A retry without a time waits for the queue's own redelivery.
pub async fn a_retry_without_a_time_stays_in_the_queue<U: UnderTest>(queue: &U) {
    let sent = send(queue, &["a"]).await;
    let (_, receipt) = receive_one(queue).await;
    settle(queue, receipt, Verdict::Retry { at: None }).await.unwrap();
    assert_eq!(queue.left().await, 1);
    queue.redeliver().await;
    assert_eq!(receive_one(queue).await.0.id, sent[0]);
}

/// A message that is retried states a higher receive count.
pub async fn a_retry_raises_the_receive_count<U: UnderTest>(queue: &U) {
    if order(queue) == QueueOrder::HeldGroups {
        return skipped("leaves retries to its host");
    }
    send(queue, &["a"]).await;
    for expected in 1..4 {
        let (message, receipt) = receive_one(queue).await;
        assert_eq!(message.receive_count, expected);
        settle(queue, receipt, RETRY_NOW).await.unwrap();
    }
}
