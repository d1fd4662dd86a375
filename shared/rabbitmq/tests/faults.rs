//! What goes wrong between a source and a real broker.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "all of this is tests"
)]

mod broker;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use broker::{Broker, Proxy, broker, chain, ctl, ids, prefetch, receive, retry_in, settle};
use consumer::{Source, SourceError, SourceFault, Verdict};
use lapin::types::{AMQPValue, FieldTable};
use rabbitmq::{RabbitMq, RabbitMqSource};

async fn open(url: &str) -> Result<RabbitMqSource, SourceError> {
    RabbitMqSource::open(&RabbitMq::new(url.parse().unwrap()), prefetch(10)).await
}

async fn refused(url: &str) -> String {
    let error = open(url).await.unwrap_err();
    assert_eq!(error.fault, SourceFault::Refused, "{}", chain(&error));
    let shown = format!("{} {error:?}", chain(&error));
    assert!(!shown.contains("s3cret") && !shown.contains("guest:"), "{shown}");
    shown
}

#[tokio::test]
async fn wrong_password_and_missing_vhost_are_refused() {
    let Some(broker) = broker().await else { return };
    let url = broker.url("");
    let why = refused(&url.replace("guest:guest", "guest:s3cret")).await;
    assert!(
        why.contains("ACCESS_REFUSED") && why.contains(&broker.address()),
        "{why}"
    );
    let why = refused(&url.replace("/%2f", "/missing")).await;
    assert!(why.contains("vhost missing not found"), "{why}");
    let why = refused(&url.replace(&format!("?queue={}", broker.queue), "")).await;
    assert!(why.contains("add ?queue=NAME"), "{why}");
}

#[tokio::test]
async fn missing_permissions_are_refused_and_named() {
    let Some(broker) = broker().await else { return };
    let user = &broker.queue;
    ctl(&["add_user", user, "s3cret"]);
    ctl(&["set_permissions", user, "^$", ".*", ".*"]);
    let url = broker.url("").replace("guest:guest", &format!("{user}:s3cret"));
    let why = refused(&url).await;
    assert!(
        why.contains(&format!("queue {user}-dlq")) && why.contains("ACCESS_REFUSED"),
        "{why}"
    );
    ctl(&["set_permissions", user, ".*", ".*", "^$"]);
    let why = refused(&url).await;
    assert!(why.contains("ACCESS_REFUSED"), "{why}");
    ctl(&["delete_user", user]);
}

#[tokio::test]
async fn a_queue_with_other_arguments_is_named_with_the_argument() {
    let Some(broker) = broker().await else { return };
    let mut classic = FieldTable::default();
    classic.insert("x-queue-type".into(), AMQPValue::LongString("classic".into()));
    broker.declare(&broker.queue_with("-wait-5s"), classic).await;
    let why = refused(&broker.url("")).await;
    let names = [
        "-wait-5s",
        "'x-message-ttl'",
        "current is none",
        "delete it once it is empty",
    ];
    assert!(names.iter().all(|name| why.contains(name)), "{why}");
}

#[tokio::test]
async fn an_unordered_queue_is_not_consumed_as_an_ordered_one() {
    let Some(broker) = broker().await else { return };
    broker.source("").await;
    let why = refused(&broker.url("&ordered=true")).await;
    assert!(why.contains("'x-single-active-consumer'"), "{why}");
}

#[tokio::test]
async fn a_broker_that_is_not_there_is_unavailable() {
    let free = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let error = open(&format!("amqp://u:s3cret@{free}?queue=orders")).await.unwrap_err();
    let shown = format!("{} {error:?}", chain(&error));
    assert_eq!(error.fault, SourceFault::Unavailable, "{shown}");
    assert!(
        shown.contains(&free.to_string()) && !shown.contains("s3cret"),
        "{shown}"
    );
}

#[tokio::test]
async fn a_receipt_of_an_old_connection_is_lost() {
    let Some((broker, proxy, source)) = behind_a_proxy().await else {
        return;
    };
    broker.publish("m-1", "g").await;
    let old = receive(&source, 1).await.remove(0).1;
    proxy.cut();
    let (again, new) = receive(&source, 1).await.remove(0);
    assert_eq!((again.id.as_str(), again.receive_count), ("m-1", 2));
    assert_eq!(
        settle(&source, old, Verdict::Done).await.unwrap_err().fault,
        SourceFault::ReceiptLost
    );
    settle(&source, new, Verdict::Done).await.unwrap();
}

async fn behind_a_proxy() -> Option<(Broker, Proxy, RabbitMqSource)> {
    let broker = broker().await?;
    let proxy = Proxy::to(broker.address()).await;
    let source = open(&proxy.url(&broker.url(""))).await.unwrap();
    Some((broker, proxy, source))
}

/// The process ends once all is settled: an acknowledgement that the broker has not read would be lost with it.
#[tokio::test]
async fn the_last_acknowledgement_has_reached_the_broker() {
    let Some(broker) = broker().await else { return };
    for settings in ["", "&ordered=true"] {
        let proxy = Proxy::to(broker.address()).await;
        let source = open(&proxy.url(&broker.url(settings))).await.unwrap();
        broker.publish("m", "g").await;
        let (_, receipt) = receive(&source, 1).await.remove(0);
        source.close().await;
        proxy.stall(true);
        let mut settled = Box::pin(settle(&source, receipt, Verdict::Done));
        let early = tokio::time::timeout(Duration::from_millis(300), &mut settled).await;
        assert!(early.is_err(), "settled, and the broker does not know: {early:?}");
        proxy.stall(false);
        settled.await.unwrap();
        drop(source);
        broker.delete(&broker.queue).await;
    }
}

/// The same for one that was sent just before the source is closed.
#[tokio::test]
async fn the_last_acknowledgement_before_close_arrives() {
    let Some(broker) = broker().await else { return };
    for settings in ["", "&ordered=true"] {
        let proxy = Proxy::to(broker.address()).await;
        let source = open(&proxy.url(&broker.url(settings))).await.unwrap();
        broker.publish("m", "g").await;
        let (_, receipt) = receive(&source, 1).await.remove(0);
        proxy.stall(true);
        settle(&source, receipt, Verdict::Done).await.unwrap();
        let mut closed = Box::pin(source.close());
        let early = tokio::time::timeout(Duration::from_millis(300), &mut closed).await;
        assert!(early.is_err(), "closed, and the broker does not know");
        proxy.stall(false);
        closed.await;
        broker.delete(&broker.queue).await;
    }
}

/// If the broker can't be reached at the end, the message counts as not acknowledged.
#[tokio::test]
async fn a_lost_last_acknowledgement_is_reported() {
    let Some((broker, proxy, source)) = behind_a_proxy().await else {
        return;
    };
    broker.publish("m", "g").await;
    let (_, receipt) = receive(&source, 1).await.remove(0);
    source.close().await;
    proxy.stall(true);
    let mut settled = Box::pin(settle(&source, receipt, Verdict::Done));
    let sent = tokio::time::timeout(Duration::ZERO, &mut settled).await;
    assert!(sent.is_err(), "settled, and the broker does not know: {sent:?}");
    proxy.cut();
    assert_eq!(settled.await.unwrap_err().fault, SourceFault::ReceiptLost);
    broker.wait_until_ready(&broker.queue, 1).await;
}

/// At each step of receiving, of publishing copies and of acknowledging, the connection is cut. A message may then be there
/// twice, and never not at all.
#[tokio::test]
async fn nothing_is_lost_wherever_the_connection_is_cut() {
    let Some((broker, proxy, source)) = behind_a_proxy().await else {
        return;
    };
    let mut done = BTreeSet::new();
    for step in 1.. {
        let all: BTreeSet<String> = (0..4).map(|id| format!("{step}-{id}")).collect();
        for id in &all {
            broker.publish(id, "g").await;
        }
        proxy.cut_at(step);
        let end = Instant::now() + Duration::from_secs(60);
        let mut retried = BTreeSet::new();
        while !all.is_subset(&done) {
            assert!(
                Instant::now() < end,
                "lost when cut at step {step}: {:?}",
                all.difference(&done)
            );
            for (incoming, receipt) in source.receive(4).await.unwrap_or_default() {
                let id = incoming.id.as_str().to_owned();
                let is_retried = id.ends_with(['2', '3']) && retried.insert(id.clone());
                let verdict = if is_retried {
                    retry_in(Duration::ZERO)
                } else {
                    Verdict::Done
                };
                // The result is unknown if it is an error: the message is redelivered, or the broker has seen the answer.
                let _ = settle(&source, receipt, verdict).await;
                if !is_retried {
                    done.insert(id);
                }
            }
        }
        if !proxy.has_cut() {
            assert!(step > 8, "{step} steps");
            break;
        }
    }
}

/// The receive is dropped while it dead-letters one message: the broker gets that one back.
#[tokio::test]
async fn a_dropped_receive_returns_its_deliveries() {
    let Some((broker, proxy, source)) = behind_a_proxy().await else {
        return;
    };
    let odd = lapin::BasicProperties::default().with_message_id("odd".into());
    broker.publish_raw(odd, b"\xff").await;
    broker.publish("m-1", "g").await;
    broker.wait_until_ready(&broker.queue, 0).await;
    let held = proxy.hold_next();
    tokio::select! {
        received = source.receive(10) => panic!("{received:?}"),
        () = held.notified() => {}
    }
    assert_eq!(ids(&receive(&source, 1).await), ["m-1"]);
    let dead_letter = broker.take(&broker.queue_with("-dlq")).await;
    assert_eq!(dead_letter.delivery.data, b"\xff");
}

#[tokio::test]
async fn a_queue_that_is_deleted_is_declared_again() {
    let Some(broker) = broker().await else { return };
    let source = broker.source("").await;
    broker.delete(&broker.queue).await;
    let error = source.receive(1).await.unwrap_err();
    assert_eq!(error.fault, SourceFault::Unavailable);
    assert!(source.receive(0).await.is_ok());
    broker.publish("m-1", "g").await;
    assert_eq!(ids(&receive(&source, 1).await), ["m-1"]);
}
