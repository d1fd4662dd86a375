//! The order within message groups. Queues without order skip these tests.

use consumer::{QueueOrder, Source, Verdict};

use super::under_test::{
    RETRY_NOW, UnderTest, bodies, drain, in_group, order, receive, receive_one, retry_at, settle, settle_all, skipped,
    visible,
};

const GROUP: [&str; 5] = ["a1", "a2", "a3", "a4", "a5"];

async fn send_group<U: UnderTest>(queue: &U, names: &[&str]) {
    let messages: Vec<_> = names.iter().map(|name| in_group(name, &name[..1])).collect();
    queue.send(&messages).await;
}

/// The messages of a group are received in the order of sending.
pub async fn a_group_keeps_its_order<U: UnderTest>(queue: &U) {
    if !order(queue).is_ordered() {
        return skipped("has no order");
    }
    send_group(queue, &GROUP).await;
    assert_eq!(drain(queue, GROUP.len()).await, GROUP);
}

/// So they are after their consumer died.
pub async fn a_group_keeps_its_order_across_a_redelivery<U: UnderTest>(queue: &U) {
    if !order(queue).is_ordered() {
        return skipped("has no order");
    }
    send_group(queue, &GROUP).await;
    let received = queue.source().receive(3).await.unwrap();
    assert_eq!(bodies::<U>(&received), GROUP[..received.len()]);
    queue.redeliver().await;
    assert_eq!(drain(queue, GROUP.len()).await, GROUP);
}

/// So they are after all that were received are retried at once.
pub async fn a_group_keeps_its_order_across_a_retry<U: UnderTest>(queue: &U) {
    if order(queue) != QueueOrder::Groups {
        return skipped("does not redeliver in order");
    }
    send_group(queue, &GROUP).await;
    let received = queue.source().receive(3).await.unwrap();
    let mut retried: Vec<_> = received.into_iter().map(|(_, receipt)| (receipt, RETRY_NOW)).collect();
    let results = settle_all(queue, &mut retried).await;
    assert!(results.iter().all(Result::is_ok), "{results:?}");
    assert_eq!(drain(queue, GROUP.len()).await, GROUP);
}

/// While a message waits for its retry, those behind it in its group wait, too.
pub async fn a_group_waits_for_its_retry<U: UnderTest>(queue: &U) {
    if order(queue) != QueueOrder::Groups {
        return skipped("does not hold back a group");
    }
    let abilities = queue.abilities();
    send_group(queue, &GROUP[..2]).await;
    let (_, receipt) = receive_one(queue).await;
    settle(queue, receipt, retry_at(queue, abilities.delay)).await.unwrap();
    assert!(visible(queue, "later").await.is_empty());
    queue.wait(abilities.delay + abilities.late).await;
    assert_eq!(drain(queue, 2).await, GROUP[..2]);
}

/// A message in flight holds back its own group only.
pub async fn groups_are_received_side_by_side<U: UnderTest>(queue: &U) {
    if !order(queue).is_ordered() {
        return skipped("has no order");
    }
    send_group(queue, &["a1", "a2", "b1"]).await;
    let (first, receipt) = receive_one(queue).await;
    assert_eq!(first.body, "a1");
    let others = match order(queue) {
        QueueOrder::Groups => vec!["b1"],
        // The host holds the group.
        _ => vec!["a2", "b1"],
    };
    let received = receive(queue, others.len()).await;
    assert_eq!(bodies::<U>(&received), others);
    settle(queue, receipt, Verdict::Done).await.unwrap();
}
