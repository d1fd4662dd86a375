//! The queues of a scenario in RabbitMQ: names of their own on a server that scenarios share.

use std::collections::BTreeMap;
use std::num::NonZeroU16;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex as StdMutex, PoisonError};
use std::time::{Duration, Instant};

use consumer::{QueueMessage, Queues as _, Source};
use futures_util::StreamExt;
use lapin::options::{BasicConsumeOptions, BasicGetOptions, QueueBindOptions, QueueDeclareOptions, QueueDeleteOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties};
use rabbitmq::{RabbitMq, RabbitMqSource};
use tokio::sync::Mutex;
use tokio_util::task::AbortOnDropHandle;

use crate::Failed;
use crate::queues::{Message, Queued};
use crate::servers::Server;

/// The queues of a scenario.
pub(crate) const QUEUES: [&str; 2] = ["orders", "notifications"];

/// Where messages of an unordered queue wait: the ends of the names.
const WAITS: [&str; 5] = ["-wait-1s", "-wait-5s", "-wait-30s", "-wait-2m", "-wait-15m"];

/// What the broker's firehose is called.
const TRACE: &str = "amq.rabbitmq.trace";

/// Longer than the server takes to start on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// The interval in which queues report what they hold, by `.ci/servers-rabbitmq`.
const TICK: Duration = Duration::from_secs(1);

/// How often each message was delivered, by message ID.
type Deliveries = Arc<StdMutex<BTreeMap<String, i64>>>;

/// The queues of a scenario on one server.
pub(crate) struct Broker {
    server: Server,
    /// What the names of its queues begin with.
    prefix: String,
    pub(crate) ordered: bool,
    publisher: RabbitMq,
    sent: AtomicU64,
    open: Mutex<Option<(Connection, Channel)>>,
    deliveries: Deliveries,
    /// Counts deliveries.
    counting: Mutex<Option<AbortOnDropHandle<()>>>,
}

impl Broker {
    /// Declares the queues as a worker does, which are empty then.
    pub(crate) async fn start(server: &Server, prefix: String, ordered: bool) -> Result<Self, Failed> {
        let broker = Self {
            publisher: RabbitMq::new(server.url.parse()?),
            server: server.clone(),
            prefix,
            ordered,
            sent: AtomicU64::new(0),
            open: Mutex::new(None),
            deliveries: Arc::default(),
            counting: Mutex::new(None),
        };
        broker.delete().await?;
        for queue in QUEUES {
            let url = broker.url_at(broker.address()?, queue);
            RabbitMqSource::open(&RabbitMq::new(url.parse()?), NonZeroU16::MIN)
                .await?
                .close()
                .await;
        }
        Ok(broker)
    }

    fn name(&self, queue: &str) -> String {
        format!("{}-{queue}", self.prefix)
    }

    /// Host and port.
    pub(crate) fn address(&self) -> Result<&str, Failed> {
        let (_, place) = self.server.url.split_once('@').ok_or("the broker's URL has no user")?;
        Ok(place.split_once('/').map_or(place, |(address, _)| address))
    }

    /// What a worker receives from, through a proxy. Its lease is as short as the visibility timeout of SQS.
    pub(crate) fn url_at(&self, address: &str, queue: &str) -> String {
        let (user, place) = self.server.url.split_once('@').unwrap_or_default();
        let (_, host) = place.split_once('/').unwrap_or((place, "%2f"));
        let (name, ordered) = (self.name(queue), self.ordered);
        format!("{user}@{address}/{host}?queue={name}&window=10&ordered={ordered}")
    }

    /// As a destination of messages.
    pub(crate) fn destination(&self, queue: &str) -> String {
        format!("amqp:{}", self.name(queue))
    }

    /// Sends messages as an HTTP application does: until they are confirmed, under the same IDs.
    pub(crate) async fn send(&self, queue: &str, messages: &[Message]) -> Result<Vec<String>, Failed> {
        let first = self.sent.fetch_add(messages.len().try_into()?, Ordering::SeqCst);
        let ids: Vec<_> = (first..).take(messages.len()).map(|id| format!("m-{id}")).collect();
        let message = |(message, id): (&Message, &String)| QueueMessage {
            body: message.body.to_string(),
            attributes: BTreeMap::new(),
            group: message.group.clone(),
            deduplication_id: Some(id.clone()),
            trace_header: None,
        };
        let mut left: Vec<_> = messages.iter().zip(&ids).map(message).collect();
        let (destination, begun) = (self.destination(queue), Instant::now());
        while let Err(error) = self.publisher.send(&destination, &left).await {
            if error.unsent.is_empty() || begun.elapsed() > PATIENCE {
                return Err(error.into());
            }
            left = error
                .unsent
                .iter()
                .filter_map(|index| left.get(*index).cloned())
                .collect();
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Ok(ids)
    }

    /// How many messages a queue and its wait queues hold, without those that a consumer has.
    pub(crate) async fn ready(&self, queue: &str) -> Result<u64, Failed> {
        let channel = self.channel().await?;
        let mut ready = 0;
        let waits = WAITS.iter().filter(|_| !self.ordered);
        for end in [""].iter().chain(waits) {
            let name = format!("{}{end}", self.name(queue));
            ready += u64::from(declared(&channel, &name).await?.message_count());
        }
        Ok(ready)
    }

    /// How many messages its queues hold, besides dead letters. Unlike [`ready`](Self::ready), it counts those that a consumer
    /// has, and those on their way to another queue.
    pub(crate) async fn messages(&self) -> Result<u64, Failed> {
        let mut most = 0;
        // Twice: the figures of a queue may be as old as its last tick, and a message may have moved since.
        for _ in 0..2 {
            let messages = self.server.messages().await?.into_iter();
            let prefix = format!("{}-", self.prefix);
            let own = messages.filter(|(queue, _)| queue.starts_with(&prefix) && !queue.ends_with("-dlq"));
            most = most.max(own.map(|(_, messages)| messages).sum());
            tokio::time::sleep(TICK).await;
        }
        Ok(most)
    }

    /// The messages of a queue, which stay in it. Those that a consumer has are not among them.
    pub(crate) async fn peek(&self, queue: &str) -> Result<Vec<Queued>, Failed> {
        let connection = connect(&self.server.url).await?;
        let channel = connection.create_channel().await?;
        let mut queued = Vec::new();
        let name = self.name(queue);
        while let Some(got) = channel
            .basic_get(name.as_str().into(), BasicGetOptions::default())
            .await?
        {
            let id = id(&got.properties).unwrap_or_default();
            // What this looks at is no delivery to a worker.
            *self.deliveries().entry(id.clone()).or_default() -= 1;
            queued.push(Queued {
                key: text(got.properties.headers().as_ref(), "IdempotencyKey").unwrap_or(id),
                body: String::from_utf8(got.data.clone())?,
                received: got.redelivered,
            });
        }
        // The queue gets all of them back.
        connection.close(200, "looked".into()).await?;
        Ok(queued)
    }

    /// How many messages were delivered to workers more than once, retries included.
    pub(crate) fn redelivered(&self) -> usize {
        self.deliveries().values().filter(|deliveries| **deliveries > 1).count()
    }

    /// Whether anything was delivered to a worker.
    pub(crate) fn has_delivered(&self) -> bool {
        !self.deliveries().is_empty()
    }

    fn deliveries(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, i64>> {
        self.deliveries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts deliveries from now on, by the [firehose](https://www.rabbitmq.com/docs/firehose): no queue counts them.
    pub(crate) async fn count_deliveries(&self) -> Result<(), Failed> {
        let connection = connect(&self.server.url).await?;
        let channel = connection.create_channel().await?;
        let options = QueueDeclareOptions {
            exclusive: true,
            ..QueueDeclareOptions::default()
        };
        let copies = channel.queue_declare("".into(), options, FieldTable::default()).await?;
        for queue in QUEUES {
            let key = format!("deliver.{}", self.name(queue));
            let bound = channel.queue_bind(
                copies.name().clone(),
                TRACE.into(),
                key.as_str().into(),
                QueueBindOptions::default(),
                FieldTable::default(),
            );
            bound.await?;
        }
        let options = BasicConsumeOptions {
            no_ack: true,
            ..BasicConsumeOptions::default()
        };
        let consumer = channel.basic_consume(copies.name().clone(), "".into(), options, FieldTable::default());
        let (mut consumer, deliveries) = (consumer.await?, Arc::clone(&self.deliveries));
        let counting = tokio::spawn(async move {
            let _connection = connection;
            while let Some(Ok(copy)) = consumer.next().await {
                if let Some(id) = traced_id(&copy.properties) {
                    let mut deliveries = deliveries.lock().unwrap_or_else(PoisonError::into_inner);
                    *deliveries.entry(id).or_default() += 1;
                }
            }
        });
        *self.counting.lock().await = Some(AbortOnDropHandle::new(counting));
        Ok(())
    }

    /// Deletes its queues.
    pub(crate) async fn delete(&self) -> Result<(), Failed> {
        let channel = self.channel().await?;
        for queue in QUEUES {
            for end in ["", "-dlq"].iter().chain(&WAITS) {
                let name = format!("{}{end}", self.name(queue));
                channel
                    .queue_delete(name.as_str().into(), QueueDeleteOptions::default())
                    .await?;
            }
        }
        Ok(())
    }

    /// A channel, opened again after the server was killed.
    async fn channel(&self) -> Result<Channel, Failed> {
        let mut open = self.open.lock().await;
        if let Some((connection, channel)) = &*open
            && connection.status().connected()
            && channel.status().connected()
        {
            return Ok(channel.clone());
        }
        let connection = connect(&self.server.url).await?;
        let channel = connection.create_channel().await?;
        *open = Some((connection, channel.clone()));
        Ok(channel)
    }
}

async fn connect(url: &str) -> Result<Connection, Failed> {
    Ok(Connection::connect(url, ConnectionProperties::default()).await?)
}

async fn declared(channel: &Channel, queue: &str) -> Result<lapin::Queue, Failed> {
    let passive = QueueDeclareOptions {
        passive: true,
        ..QueueDeclareOptions::default()
    };
    Ok(channel
        .queue_declare(queue.into(), passive, FieldTable::default())
        .await?)
}

fn id(properties: &BasicProperties) -> Option<String> {
    properties.message_id().as_ref().map(ToString::to_string)
}

/// The ID of the message that a copy of the firehose is about.
fn traced_id(copy: &BasicProperties) -> Option<String> {
    match copy.headers().as_ref()?.inner().get("properties")? {
        AMQPValue::FieldTable(properties) => text(Some(properties), "message_id"),
        _ => None,
    }
}

fn text(headers: Option<&FieldTable>, name: &str) -> Option<String> {
    match headers?.inner().get(name)? {
        AMQPValue::LongString(text) => Some(text.to_string()),
        _ => None,
    }
}
