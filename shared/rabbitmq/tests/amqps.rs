//! `amqps://`: the server of `RABBITMQ_TEST_TLS_URL`, whose certificate is of its own authority and for `localhost` alone.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "all of this is tests"
)]

mod broker;

use broker::{chain, prefetch, receive};
use consumer::{QueueMessage, Queues};
use idempotency::OutgoingMessage;
use rabbitmq::{RabbitMq, RabbitMqSource};

/// The URL, with the file of the authority, unless the test is to be skipped because there is no server.
fn url() -> Option<String> {
    let url = std::env::var("RABBITMQ_TEST_TLS_URL").ok();
    if url.is_none() {
        println!("skipped: RABBITMQ_TEST_TLS_URL is not set");
    }
    url
}

fn queues(url: &str, queue: &str) -> RabbitMq {
    let separator = if url.contains('?') { '&' } else { '?' };
    RabbitMq::new(format!("{url}{separator}queue={queue}").parse().unwrap())
}

async fn refused(url: &str) -> String {
    match RabbitMqSource::open(&queues(url, "t"), prefetch(1)).await {
        Ok(_) => panic!("{url} was accepted"),
        Err(error) => chain(&error),
    }
}

#[tokio::test]
async fn messages_are_sent_and_received_over_tls() {
    let Some(url) = url() else { return };
    let queue = format!("t-{:016x}", fastrand::u64(..));
    let queues = queues(&url, &queue);
    let source = RabbitMqSource::open(&queues, prefetch(10)).await.unwrap();
    let message = OutgoingMessage::new("amqp:", "{}").with_key("m-1");
    let message = QueueMessage::of_outgoing(&message, None);
    queues.send(&format!("amqp:{queue}"), &[message]).await.unwrap();
    let (incoming, _) = receive(&source, 1).await.remove(0);
    assert_eq!(
        incoming.attributes["IdempotencyKey"].string_value.as_deref(),
        Some("m-1")
    );
}

#[tokio::test]
async fn an_unknown_authority_is_reported_with_the_setting() {
    let Some(url) = url() else { return };
    let (without, _) = url.split_once('?').unwrap();
    let error = refused(without).await;
    assert!(error.contains("cacertfile"), "{error}");
}

#[tokio::test]
async fn a_certificate_of_another_host_is_refused() {
    let Some(url) = url() else { return };
    let error = refused(&url.replace("localhost", "127.0.0.1")).await;
    assert!(error.contains("certificate"), "{error}");
}
