//! RabbitMQ: a queue of its own for each case, on the server of `RABBITMQ_TEST_URL`.

use consumer::dead_letter::FAILURE;
use consumer::{Attribute, QueueMessage, Queues};
use lapin::options::{BasicGetOptions, QueueDeclareOptions, QueueDeleteOptions};
use lapin::types::{AMQPValue, FieldTable};
use lapin::{Channel, Connection, ConnectionProperties};
use rabbitmq::{RabbitMq as Broker, RabbitMqSource};

use crate::driver::Driver;
use crate::{Failed, reason_in, variable};

/// Where messages wait: the ends of the names.
const WAITS: [&str; 5] = ["-wait-1s", "-wait-5s", "-wait-30s", "-wait-2m", "-wait-15m"];

/// A queue of RabbitMQ.
pub(crate) struct RabbitMq {
    url: String,
    queue: String,
    broker: Broker,
    sent: Option<QueueMessage>,
    connection: Connection,
    channel: Channel,
}

impl RabbitMq {
    pub(crate) async fn new() -> Result<Self, Failed> {
        let (server, queue) = (
            variable("RABBITMQ_TEST_URL")?,
            format!("hosts-{:016x}", fastrand::u64(..)),
        );
        // The shortest lease: a second delivery waits for its end.
        let url = format!("{server}?queue={queue}&window=10");
        let broker = Broker::new(url.parse()?);
        RabbitMqSource::declare(&broker).await?;
        let connection = Connection::connect(&server, ConnectionProperties::default()).await?;
        Ok(Self {
            channel: connection.create_channel().await?,
            connection,
            url,
            queue,
            broker,
            sent: None,
        })
    }

    fn queues(&self) -> impl Iterator<Item = String> {
        [""].iter().chain(&WAITS).map(|end| format!("{}{end}", self.queue))
    }
}

impl Driver for RabbitMq {
    fn environment(&self) -> Vec<(&'static str, String)> {
        vec![("QUEUE_URL", self.url.clone())]
    }

    async fn send(&mut self, id: &str, body: &str) -> Result<String, Failed> {
        self.sent = Some(message(id, body));
        self.repeat().await?;
        Ok(id.to_owned())
    }

    /// As a producer does whose confirm was lost.
    async fn repeat(&mut self) -> Result<(), Failed> {
        let destination = format!("amqp:{}", self.queue);
        Ok(self.broker.send(&destination, self.sent.as_slice()).await?)
    }

    async fn left(&self) -> Result<usize, Failed> {
        let passive = QueueDeclareOptions {
            passive: true,
            ..QueueDeclareOptions::default()
        };
        let mut left = 0;
        for queue in self.queues() {
            let declared = self
                .channel
                .queue_declare(queue.as_str().into(), passive, FieldTable::default());
            left += declared.await?.message_count() as usize;
        }
        Ok(left)
    }

    async fn dead_letters(&self) -> Result<Vec<String>, Failed> {
        let channel = self.connection.create_channel().await?;
        let (queue, mut reasons) = (format!("{}-dlq", self.queue), Vec::new());
        while let Some(got) = channel
            .basic_get(queue.as_str().into(), BasicGetOptions::default())
            .await?
        {
            let headers = got.properties.headers().as_ref();
            let failure = headers.and_then(|headers| match headers.inner().get(FAILURE)? {
                AMQPValue::LongString(text) => Some(string(text.to_string())),
                _ => None,
            });
            reasons.push(reason_in(failure.map(|failure| (FAILURE.to_owned(), failure))));
        }
        // The queue gets all of them back.
        channel.close(200, "looked".into()).await?;
        Ok(reasons)
    }

    async fn close(&self) -> Result<(), Failed> {
        for queue in self.queues().chain([format!("{}-dlq", self.queue)]) {
            let deleted = self
                .channel
                .queue_delete(queue.as_str().into(), QueueDeleteOptions::default());
            deleted.await?;
        }
        Ok(self.connection.close(200, "done".into()).await?)
    }
}

/// The message of a case, where its producer states the ID.
pub(crate) fn message(id: &str, body: &str) -> QueueMessage {
    QueueMessage {
        body: body.to_owned(),
        attributes: [].into(),
        group: None,
        deduplication_id: Some(id.to_owned()),
        trace_header: None,
    }
}

fn string(value: String) -> Attribute {
    Attribute {
        data_type: Some("String".to_owned()),
        string_value: Some(value),
        binary_value: None,
    }
}
