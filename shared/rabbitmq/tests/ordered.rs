//! A queue that keeps the order of message groups, on a real broker.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "all of this is tests"
)]

mod broker;

use std::cell::Cell;
use std::time::Duration;

use broker::{Broker, Proxy, broker, ids, prefetch, receive, retry_in, settle};
use consumer::{QueueOrder, Source, SourceFault, Verdict};
use rabbitmq::{RabbitMq, RabbitMqSource};

const ORDERED: &str = "&ordered=true";

async fn with_messages(count: usize) -> Option<(Broker, RabbitMqSource)> {
    let broker = broker().await?;
    let source = broker.source(ORDERED).await;
    assert_eq!(source.queue().order, QueueOrder::HeldGroups);
    for id in 0..count {
        broker.publish(&id.to_string(), "g").await;
    }
    Some((broker, source))
}

#[tokio::test]
async fn a_retry_returns_all_that_is_behind_it_in_order() {
    let Some((_broker, source)) = with_messages(6).await else {
        return;
    };
    let mut received = receive(&source, 4).await;
    let receipts: Vec<_> = received.drain(..).map(|(_, receipt)| receipt).collect();
    let [zero, one, two, three] = receipts.try_into().ok().unwrap();
    settle(&source, zero, Verdict::Done).await.unwrap();
    // Not in order: each by itself would be put behind the one before it.
    for receipt in [three, one, two] {
        settle(&source, receipt, retry_in(Duration::ZERO)).await.unwrap();
    }
    assert_eq!(ids(&receive(&source, 5).await), ["1", "2", "3", "4", "5"]);
}

#[tokio::test]
async fn a_receipt_that_is_dropped_is_returned_in_order() {
    let Some((_broker, source)) = with_messages(3).await else {
        return;
    };
    let mut received = receive(&source, 3).await;
    drop(received.remove(1));
    drop(received);
    assert_eq!(ids(&receive(&source, 3).await), ["0", "1", "2"]);
}

#[tokio::test]
async fn nothing_is_received_until_a_retry_is_returned() {
    let Some((_broker, source)) = with_messages(3).await else {
        return;
    };
    let mut received = receive(&source, 2).await;
    let (_, held) = received.pop().unwrap();
    let (_, retried) = received.pop().unwrap();
    settle(&source, retried, retry_in(Duration::ZERO)).await.unwrap();
    let (again, settled) = tokio::join!(receive(&source, 2), settle(&source, held, Verdict::Done));
    settled.unwrap();
    assert_eq!(
        ids(&again),
        ["0", "2"],
        "1 is acknowledged on the connection of its receive"
    );
}

#[tokio::test]
async fn an_outstanding_receive_does_not_overtake_a_retry() {
    let Some((broker, source)) = with_messages(1).await else {
        return;
    };
    let (_, first) = receive(&source, 1).await.remove(0);
    // The receive waits for a message when the first one is retried.
    let (waiting, ()) = tokio::join!(biased; source.receive(1), async {
        settle(&source, first, retry_in(Duration::ZERO)).await.unwrap();
        broker.publish("1", "g").await;
    });
    assert!(waiting.unwrap().is_empty(), "1 is received before 0 is returned");
    assert_eq!(ids(&receive(&source, 2).await), ["0", "1"]);
}

#[tokio::test]
async fn a_second_consumer_continues_in_order_after_the_first() {
    let Some(broker) = broker().await else { return };
    // Messages stay in the queue, which a second active consumer would get before those that the first one returns.
    let first = RabbitMqSource::open(&broker.queues(ORDERED), prefetch(3))
        .await
        .unwrap();
    for id in 0..6 {
        broker.publish(&id.to_string(), "g").await;
    }
    let mut received = receive(&first, 3).await;
    let second = broker.source(ORDERED).await;
    settle(&first, received.remove(0).1, Verdict::Done).await.unwrap();
    first.close().await;
    for (_, receipt) in received.drain(..).rev() {
        settle(&first, receipt, retry_in(Duration::ZERO)).await.unwrap();
    }
    drop(first);
    assert_eq!(ids(&receive(&second, 5).await), ["1", "2", "3", "4", "5"]);
}

#[tokio::test]
async fn a_second_consumer_continues_in_order_after_a_kill() {
    let Some(broker) = broker().await else { return };
    let proxy = Proxy::to(broker.address()).await;
    let url = proxy.url(&broker.url(ORDERED));
    let first = RabbitMqSource::open(&RabbitMq::new(url.parse().unwrap()), prefetch(4))
        .await
        .unwrap();
    let second = broker.source(ORDERED).await;
    for id in 0..6 {
        broker.publish(&id.to_string(), "g").await;
    }
    let mut received = receive(&first, 3).await;
    settle(&first, received.remove(0).1, Verdict::Done).await.unwrap();
    // The broker has seen the acknowledgement: it has sent a fifth message.
    broker.wait_until_ready(&broker.queue, 1).await;
    proxy.cut();
    assert_eq!(ids(&receive(&second, 5).await), ["1", "2", "3", "4", "5"]);
    let lost = settle(&first, received.remove(0).1, Verdict::Done).await.unwrap_err();
    assert_eq!(lost.fault, SourceFault::ReceiptLost);
}

/// The next message of the group waits for the dead letter of the one before it.
#[tokio::test]
async fn an_odd_message_is_dead_lettered_before_the_next_is_received() {
    let Some((broker, source)) = with_messages(1).await else {
        return;
    };
    let odd = lapin::BasicProperties::default().with_message_id("odd".into());
    broker.publish_raw(odd, b"\xff").await;
    broker.publish("2", "g").await;
    broker.delete(&broker.queue_with("-dlq")).await;
    let first = receive(&source, 1).await;
    assert_eq!(ids(&first), ["0"]);
    let declared = Cell::new(false);
    let next = async {
        let received = receive(&source, 1).await;
        assert!(
            declared.get(),
            "{:?} is received before the odd one has a dead letter",
            ids(&received)
        );
        received
    };
    let declare = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        declared.set(true);
        broker.source(ORDERED).await
    };
    let (received, _other) = tokio::join!(next, declare);
    assert_eq!(ids(&received), ["2"]);
    assert_eq!(broker.take(&broker.queue_with("-dlq")).await.delivery.data, b"\xff");
}
