//! Receiving from a queue of a real broker, and settling.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "all of this is tests"
)]

mod broker;

use std::time::{Duration, Instant};

use broker::{broker, chain, ctl, ids, receive, retry_in, settle};
use consumer::dead_letter::{FAILURE, Rejection};
use consumer::{QueueOrder, Source, SourceFault, Verdict};
use idempotency::Timestamp;
use lapin::BasicProperties;
use lapin::types::{AMQPValue, FieldTable};

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test]
async fn a_message_arrives_unchanged_and_leaves_when_it_is_done() {
    let Some(broker) = broker().await else { return };
    let source = broker.source("&window=45").await;
    let about = source.queue();
    assert_eq!(
        (about.order, about.batch, about.window),
        (QueueOrder::Unordered, 10, 45 * SECOND)
    );
    assert!(
        about.name.ends_with(&broker.queue) && !about.name.contains("guest"),
        "{}",
        about.name
    );
    broker.publish("m-1", "g").await;
    let (incoming, receipt) = receive(&source, 1).await.remove(0);
    assert_eq!(
        (incoming.id.as_str(), incoming.body.as_str()),
        ("m-1", "{\"tea\":\"grün\"}")
    );
    assert_eq!((incoming.group.as_deref(), incoming.receive_count), (Some("g"), 1));
    assert_eq!(incoming.queue, Some(format!("amqp:{}", broker.queue)));
    assert_eq!(incoming.sent_at, Some(Timestamp::from_millis(1_700_000_000_000)));
    assert_eq!(
        incoming.attributes["IdempotencyKey"].string_value.as_deref(),
        Some("key-m-1")
    );
    settle(&source, receipt, Verdict::Done).await.unwrap();
    drop(source);
    broker.publish("m-2", "g").await;
    assert_eq!(ids(&receive(&broker.source("").await, 1).await), ["m-2"], "m-1 is gone");
}

#[tokio::test]
async fn a_receive_returns_what_is_there_and_at_most_max() {
    let Some(broker) = broker().await else { return };
    let source = broker.source("").await;
    for id in ["1", "2", "3", "4", "5"] {
        broker.publish(id, "g").await;
    }
    broker.wait_until_ready(&broker.queue, 0).await;
    let first = source.receive(3).await.unwrap();
    assert!(first.len() <= 3, "{}", first.len());
    let all = receive(&source, 5 - first.len()).await;
    assert_eq!([ids(&first), ids(&all)].concat(), ["1", "2", "3", "4", "5"]);
    assert!(source.receive(0).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_retry_is_redelivered_at_its_time_as_the_same_message() {
    let Some(broker) = broker().await else { return };
    let source = broker.source("").await;
    broker.publish("m-1", "g").await;
    let (first, mut receipt) = receive(&source, 1).await.remove(0);
    for (attempt, seconds) in [(2, 1), (3, 7)] {
        let start = Instant::now();
        settle(&source, receipt, retry_in(seconds * SECOND)).await.unwrap();
        let (again, next) = receive(&source, 1).await.remove(0);
        let waited = start.elapsed();
        assert!(
            waited > (seconds * SECOND).mul_f64(0.9) - SECOND / 2,
            "{waited:?} of {seconds} s"
        );
        assert_eq!(again.receive_count, attempt);
        let same = consumer::Incoming {
            receive_count: 1,
            ..again
        };
        assert_eq!(same, first);
        receipt = next;
    }
    settle(&source, receipt, Verdict::Rejected).await.unwrap();
    drop(source);
    for queue in ["", "-dlq", "-wait-1s", "-wait-5s"] {
        assert_eq!(broker.ready(&broker.queue_with(queue)).await, 0, "{queue}");
    }
}

/// A policy lets the long wait queues expire their messages after a second.
#[tokio::test]
async fn each_wait_queue_returns_the_same_message() {
    let Some(broker) = broker().await else { return };
    let pattern = format!("^{}-wait-", broker.queue);
    ctl(&[
        "set_policy",
        &broker.queue,
        &pattern,
        r#"{"message-ttl":1000}"#,
        "--apply-to",
        "queues",
    ]);
    let source = broker.source("").await;
    for (seconds, _) in [(0, "1s"), (5, "5s"), (30, "30s"), (120, "2m"), (900, "15m")] {
        broker.publish(&format!("m-{seconds}"), "g").await;
    }
    let mut retries: Vec<_> = receive(&source, 5)
        .await
        .into_iter()
        .map(|(incoming, receipt)| {
            let seconds: u32 = incoming.id.as_str()[2..].parse().unwrap();
            (receipt, retry_in(seconds * SECOND))
        })
        .collect();
    // It is not looked at any more: this source would let them wait again.
    source.close().await;
    assert!(source.settle(&mut retries).await.iter().all(Result::is_ok));
    let mut waited: Vec<_> = Vec::new();
    for _ in 0..5 {
        let message = broker.take(&broker.queue).await;
        let headers = message.properties.headers().as_ref().unwrap().inner();
        let text = |name: &str| match &headers[name] {
            AMQPValue::LongString(text) => text.to_string(),
            other => panic!("{other:?}"),
        };
        let id = message.properties.message_id().as_ref().unwrap().to_string();
        assert_eq!(
            (text("IdempotencyKey"), text("message-group")),
            (format!("key-{id}"), "g".to_owned())
        );
        assert_eq!(headers["Consumer.Attempts"], AMQPValue::LongLongInt(1));
        assert_eq!(message.properties.timestamp(), &Some(1_700_000_000));
        waited.push((id, text("x-first-death-queue").replace(&broker.queue, "")));
    }
    waited.sort();
    let expected = [
        ("m-0", "-wait-1s"),
        ("m-120", "-wait-2m"),
        ("m-30", "-wait-30s"),
        ("m-5", "-wait-5s"),
        ("m-900", "-wait-15m"),
    ];
    assert_eq!(waited, expected.map(|(id, queue)| (id.to_owned(), queue.to_owned())));
    ctl(&["clear_policy", &broker.queue]);
}

/// A message that came back from the dead-letter queue has the broker's `x-death` with the main queue in it. With that header,
/// its copy would be a cycle, and the broker would drop it.
#[tokio::test]
async fn a_message_that_died_before_survives_a_retry() {
    let Some(broker) = broker().await else { return };
    let source = broker.source("").await;
    let text = |text: &str| AMQPValue::LongString(text.into());
    let mut death = FieldTable::default();
    death.insert("queue".into(), text(&broker.queue));
    death.insert("reason".into(), text("delivery_limit"));
    death.insert("exchange".into(), text(""));
    death.insert("count".into(), AMQPValue::LongLongInt(1));
    death.insert(
        "routing-keys".into(),
        AMQPValue::FieldArray(vec![text(&broker.queue)].into()),
    );
    let mut headers = FieldTable::default();
    headers.insert(
        "x-death".into(),
        AMQPValue::FieldArray(vec![AMQPValue::FieldTable(death)].into()),
    );
    let properties = BasicProperties::default()
        .with_message_id("m-1".into())
        .with_expiration("3600000".into());
    broker.publish_raw(properties.with_headers(headers), b"{}").await;
    let (_, receipt) = receive(&source, 1).await.remove(0);
    settle(&source, receipt, retry_in(SECOND)).await.unwrap();
    assert_eq!(receive(&source, 1).await[0].0.receive_count, 2);
}

#[tokio::test]
async fn an_odd_message_is_dead_lettered_with_its_reason() {
    let Some(broker) = broker().await else { return };
    let source = broker.source("").await;
    broker.publish_raw(BasicProperties::default(), b"no id").await;
    broker
        .publish_raw(BasicProperties::default().with_message_id("m-1".into()), b"\xff")
        .await;
    broker.publish("m-2", "g").await;
    assert_eq!(ids(&receive(&source, 1).await), ["m-2"], "its neighbours are received");
    let mut dead_letters = Vec::new();
    for _ in 0..2 {
        let dead_letter = broker.take(&broker.queue_with("-dlq")).await;
        let AMQPValue::LongString(failure) = &dead_letter.properties.headers().as_ref().unwrap().inner()[FAILURE]
        else {
            panic!("{dead_letter:?}");
        };
        dead_letters.push((
            dead_letter.delivery.data.clone(),
            Rejection::from_json(&failure.to_string()).unwrap().reason,
        ));
    }
    dead_letters.sort();
    assert_eq!(
        (dead_letters[0].0.as_slice(), dead_letters[1].0.as_slice()),
        (&b"no id"[..], &b"\xff"[..])
    );
    assert!(
        dead_letters[0].1.contains("message_id") && dead_letters[1].1.contains("UTF-8"),
        "{dead_letters:?}"
    );
}

/// Beyond 124 KiB there is no room for the reason: the broker moves the message.
#[tokio::test]
async fn a_message_with_too_large_headers_is_dead_lettered() {
    let Some(broker) = broker().await else { return };
    let source = broker.source("").await;
    for (kib, key) in [(113, FAILURE), (126, "x-death")] {
        let mut headers = FieldTable::default();
        headers.insert("a".into(), AMQPValue::LongString("x".repeat(kib * 1024).into()));
        let properties = BasicProperties::default().with_message_id("large".into());
        broker.publish_raw(properties.with_headers(headers), b"{}").await;
        broker.publish("next", "g").await;
        let (next, receipt) = receive(&source, 1).await.remove(0);
        assert_eq!(
            (next.id.as_str(), next.receive_count),
            ("next", 1),
            "the connection is open"
        );
        settle(&source, receipt, Verdict::Done).await.unwrap();
        let dead_letter = broker.take(&broker.queue_with("-dlq")).await;
        let headers = dead_letter.properties.headers().as_ref().unwrap().inner();
        assert!(headers.contains_key(key), "{kib} KiB");
        assert!(matches!(&headers["a"], AMQPValue::LongString(text) if text.len() == kib * 1024));
    }
}

#[tokio::test]
async fn a_copy_that_is_returned_is_not_acknowledged() {
    let Some(broker) = broker().await else { return };
    let source = broker.source("").await;
    broker.publish("m-1", "g").await;
    let (_, receipt) = receive(&source, 1).await.remove(0);
    broker.delete(&broker.queue_with("-wait-1s")).await;
    let mut messages = [(receipt, retry_in(SECOND))];
    let error = source.settle(&mut messages).await.remove(0).unwrap_err();
    assert_eq!(error.fault, SourceFault::Unavailable);
    let shown = chain(&error);
    assert!(shown.contains("-wait-1s does not exist"), "{shown}");
    // The next receive declares the queue again. Then the same receipt can be settled.
    broker.publish("m-2", "g").await;
    assert_eq!(ids(&receive(&source, 1).await), ["m-2"]);
    source.settle(&mut messages).await.remove(0).unwrap();
    assert_eq!(ids(&receive(&source, 1).await), ["m-1"]);
}

#[tokio::test]
async fn a_message_whose_copy_is_rejected_stays_in_its_queue() {
    let Some(broker) = broker().await else { return };
    let pattern = format!("^{}-wait-", broker.queue);
    ctl(&[
        "set_policy",
        &broker.queue,
        &pattern,
        r#"{"max-length":1}"#,
        "--apply-to",
        "queues",
    ]);
    let source = broker.source("").await;
    for id in 0..8 {
        broker.publish(&id.to_string(), "g").await;
    }
    let mut messages: Vec<_> = receive(&source, 8)
        .await
        .into_iter()
        .map(|(_, receipt)| (receipt, retry_in(900 * SECOND)))
        .collect();
    // Quorum queues begin to reject shortly after they are full.
    let mut results = Vec::new();
    for message in messages.chunks_mut(1) {
        results.extend(source.settle(message).await);
    }
    let rejected: Vec<_> = results.iter().filter_map(|result| result.as_ref().err()).collect();
    assert!(!rejected.is_empty(), "the queue accepts 1 message");
    assert!(
        rejected
            .iter()
            .all(|error| error.fault == SourceFault::Unavailable && chain(*error).contains("length limit"))
    );
    let (rejected, waiting) = (
        u32::try_from(rejected.len()).unwrap(),
        broker.ready(&broker.queue_with("-wait-15m")).await,
    );
    assert_eq!(rejected + waiting, 8);
    drop((messages, source));
    broker.wait_until_ready(&broker.queue, rejected).await;
    ctl(&["clear_policy", &broker.queue]);
}

#[tokio::test]
async fn a_message_that_kills_its_consumers_ends_in_the_dlq() {
    let Some(broker) = broker().await else { return };
    // Declares the queues, and receives nothing.
    broker.source("").await.close().await;
    broker.publish("m-1", "g").await;
    let mut received = 0;
    while broker.ready(&broker.queue_with("-dlq")).await == 0 {
        let source = broker.source("").await;
        let messages = source.receive(1).await.unwrap();
        for (incoming, _) in &messages {
            received += 1;
            assert_eq!(incoming.receive_count, received);
        }
        drop((messages, source));
        assert!(received <= 21, "{received}");
    }
    assert_eq!(received, 21, "the delivery limit counts returns");
    let dead_letter = broker.take(&broker.queue_with("-dlq")).await;
    assert_eq!(dead_letter.properties.message_id().as_ref().unwrap().as_str(), "m-1");
}

#[tokio::test]
async fn close_ends_a_receive_and_returns_what_is_not_handed_out() {
    let Some(broker) = broker().await else { return };
    let source = broker.source("").await;
    for id in ["1", "2", "3"] {
        broker.publish(id, "g").await;
    }
    broker.wait_until_ready(&broker.queue, 0).await;
    let (_, receipt) = receive(&source, 1).await.remove(0);
    source.close().await;
    assert!(source.receive(10).await.unwrap().is_empty());
    broker.wait_until_ready(&broker.queue, 2).await;
    settle(&source, receipt, Verdict::Done).await.unwrap();
    drop(source);
    let source = broker.source("").await;
    let mut others = receive(&source, 2).await;
    others.sort_by_key(|(incoming, _)| incoming.id.as_str().to_owned());
    assert_eq!(ids(&others), ["2", "3"]);

    let (received, ()) = tokio::join!(source.receive(1), async {
        tokio::task::yield_now().await;
        source.close().await;
    });
    assert!(received.unwrap().is_empty(), "an outstanding receive ends");
}

#[tokio::test]
async fn the_message_of_a_receipt_that_is_dropped_is_redelivered() {
    let Some(broker) = broker().await else { return };
    let source = broker.source("").await;
    broker.publish("m-1", "g").await;
    let (_, receipt) = receive(&source, 1).await.remove(0);
    drop(receipt);
    assert_eq!(receive(&source, 1).await[0].0.receive_count, 2);
}

#[tokio::test]
async fn a_receipt_can_be_settled_twice() {
    let Some(broker) = broker().await else { return };
    let source = broker.source("").await;
    broker.publish("m-1", "g").await;
    let (_, receipt) = receive(&source, 1).await.remove(0);
    let mut messages = [(receipt, Verdict::Done)];
    for verdict in [Verdict::Done, Verdict::Done, retry_in(SECOND)] {
        messages[0].1 = verdict;
        source.settle(&mut messages).await.remove(0).unwrap();
    }
    assert_eq!(broker.ready(&broker.queue_with("-wait-1s")).await, 0);
}
