//! A RabbitMQ server, and what tests do to it beside the code under test.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "all of this is tests"
)]
#![allow(dead_code, unused_imports, reason = "each test file uses a part")]

mod proxy;

use std::num::NonZeroU16;
use std::process::Command;
use std::time::{Duration, Instant};

use consumer::{Incoming, Source, Verdict};
use idempotency::Timestamp;
use lapin::message::BasicGetMessage;
use lapin::options::{
    BasicGetOptions, BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions, QueueDeleteOptions,
};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties};
use rabbitmq::{RabbitMq, RabbitMqReceipt, RabbitMqSource};

pub(crate) use proxy::Proxy;

/// The server of `RABBITMQ_TEST_URL`, and a queue name that no other test uses.
pub(crate) struct Broker {
    pub(crate) queue: String,
    url: String,
    channel: Channel,
    _connection: Connection,
}

/// The broker, unless the test is to be skipped because there is none.
pub(crate) async fn broker() -> Option<Broker> {
    let Ok(url) = std::env::var("RABBITMQ_TEST_URL") else {
        println!("skipped: RABBITMQ_TEST_URL is not set");
        return None;
    };
    let connection = Connection::connect(&url, ConnectionProperties::default())
        .await
        .unwrap();
    let channel = connection.create_channel().await.unwrap();
    channel.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
    Some(Broker {
        queue: format!("t-{:016x}", fastrand::u64(..)),
        url,
        channel,
        _connection: connection,
    })
}

pub(crate) fn prefetch(prefetch: u16) -> NonZeroU16 {
    NonZeroU16::new(prefetch).unwrap()
}

impl Broker {
    /// The URL with the queue and further settings, such as `&ordered=true`.
    pub(crate) fn url(&self, settings: &str) -> String {
        format!("{}?queue={}{settings}", self.url, self.queue)
    }

    pub(crate) fn address(&self) -> String {
        let (_, address) = self.url.split_once('@').unwrap();
        address.split_once('/').unwrap().0.to_owned()
    }

    pub(crate) fn queues(&self, settings: &str) -> RabbitMq {
        RabbitMq::new(self.url(settings).parse().unwrap())
    }

    pub(crate) async fn source(&self, settings: &str) -> RabbitMqSource {
        RabbitMqSource::open(&self.queues(settings), prefetch(10))
            .await
            .unwrap()
    }

    pub(crate) fn queue_with(&self, suffix: &str) -> String {
        format!("{}{suffix}", self.queue)
    }

    pub(crate) async fn publish(&self, id: &str, group: &str) {
        let mut headers = FieldTable::default();
        for (name, value) in [
            ("IdempotencyKey", format!("key-{id}")),
            ("message-group", group.to_owned()),
        ] {
            headers.insert(name.into(), AMQPValue::LongString(value.into()));
        }
        let properties = BasicProperties::default()
            .with_message_id(id.into())
            .with_timestamp(1_700_000_000)
            .with_headers(headers);
        self.publish_raw(properties, b"{\"tea\":\"gr\xc3\xbcn\"}").await;
    }

    pub(crate) async fn publish_raw(&self, properties: BasicProperties, body: &[u8]) {
        let (queue, options) = (self.queue.as_str().into(), BasicPublishOptions::default());
        let published = self.channel.basic_publish("".into(), queue, options, body, properties);
        assert!(published.await.unwrap().await.unwrap().is_ack());
    }

    /// Takes a message out of a queue, waiting for one.
    pub(crate) async fn take(&self, queue: &str) -> BasicGetMessage {
        let end = Instant::now() + Duration::from_secs(60);
        let options = BasicGetOptions { no_ack: true };
        loop {
            if let Some(message) = self.channel.basic_get(queue.into(), options).await.unwrap() {
                return message;
            }
            assert!(Instant::now() < end, "no message in {queue}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Waits until this many messages of a queue can be received: those in flight are not counted.
    pub(crate) async fn wait_until_ready(&self, queue: &str, count: u32) {
        let end = Instant::now() + Duration::from_secs(60);
        loop {
            let ready = self.ready(queue).await;
            if ready == count {
                return;
            }
            assert!(
                Instant::now() < end,
                "{queue}: {ready} messages ready instead of {count}"
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    pub(crate) async fn ready(&self, queue: &str) -> u32 {
        let passive = QueueDeclareOptions {
            passive: true,
            ..QueueDeclareOptions::default()
        };
        let declared = self.channel.queue_declare(queue.into(), passive, FieldTable::default());
        declared.await.unwrap().message_count()
    }

    pub(crate) async fn declare(&self, queue: &str, arguments: FieldTable) {
        let options = QueueDeclareOptions::durable();
        self.channel
            .queue_declare(queue.into(), options, arguments)
            .await
            .unwrap();
    }

    pub(crate) async fn delete(&self, queue: &str) {
        self.channel
            .queue_delete(queue.into(), QueueDeleteOptions::default())
            .await
            .unwrap();
    }
}

/// Runs `rabbitmqctl` against the server.
pub(crate) fn ctl(arguments: &[&str]) -> String {
    run("RABBITMQ_TEST_CTL", arguments)
}

/// `kill` or `start`s the server.
pub(crate) fn server(action: &str) -> String {
    run("RABBITMQ_TEST_SERVER", &[action])
}

fn run(variable: &str, arguments: &[&str]) -> String {
    let program = std::env::var(variable).unwrap();
    let output = Command::new(program).args(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

pub(crate) type Received = Vec<(Incoming, RabbitMqReceipt)>;

/// Receives until there are this many messages. A receive may fail: the next one connects again.
pub(crate) async fn receive(source: &RabbitMqSource, count: usize) -> Received {
    let end = Instant::now() + Duration::from_secs(60);
    let mut received = Vec::new();
    while received.len() < count {
        received.extend(source.receive(count - received.len()).await.unwrap_or_default());
        assert!(Instant::now() < end, "{} messages instead of {count}", received.len());
    }
    received
}

pub(crate) fn ids(received: &Received) -> Vec<&str> {
    received.iter().map(|(incoming, _)| incoming.id.as_str()).collect()
}

pub(crate) async fn settle(
    source: &RabbitMqSource,
    receipt: RabbitMqReceipt,
    verdict: Verdict,
) -> Result<(), consumer::SourceError> {
    source.settle(&mut [(receipt, verdict)]).await.remove(0)
}

pub(crate) fn retry_in(delay: Duration) -> Verdict {
    let at = Timestamp::now().plus(delay);
    Verdict::Retry { at: Some(at) }
}

/// An error with its cause.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {}", chain(source)),
        None => error.to_string(),
    }
}
