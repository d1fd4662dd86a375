//! The queues of a scenario: what is sent, what is left, and what was delivered.

use std::collections::BTreeMap;

use emulator::sqs::QueuedMessage;
use local::{Binaries, Options, Stack};
use serde_json::{Value, json};
use tokio::sync::mpsc::unbounded_channel;
use workers::{Orders, body, customer};

use crate::Failed;
use crate::broker::{Broker, QUEUES};
use crate::servers::Server;

/// Short times of the template; workers have settings of their own. No message is moved by its receive count.
const PARAMETERS: [(&str, &str); 5] = [
    ("FunctionTimeout", "1"),
    ("RequestTimeout", "1"),
    ("VisibilityTimeout", "10"),
    ("MaxReceiveCount", "1000"),
    ("NotificationUrl", "http://127.0.0.1:1"),
];

/// Where messages come from.
pub(crate) enum Queues {
    /// Emulated, together with DynamoDB.
    Sqs(Box<Stack>),
    RabbitMq(Box<Broker>),
}

/// A message to send.
#[derive(Debug, Clone)]
pub(crate) struct Message {
    pub(crate) body: Value,
    /// Without a meaning on queues that keep no order.
    pub(crate) group: Option<String>,
}

/// A message in a queue.
#[derive(Debug)]
pub(crate) struct Queued {
    /// The idempotency key.
    pub(crate) key: String,
    pub(crate) body: String,
    /// A worker has had it.
    pub(crate) received: bool,
}

impl Queues {
    pub(crate) async fn sqs() -> Result<Self, Failed> {
        // Nobody listens to what would be events of functions.
        let (observer, _) = unbounded_channel();
        let parameters = PARAMETERS.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let options = Options {
            parameters: BTreeMap::from(parameters),
            binaries: Binaries::Only(BTreeMap::new()),
            ..Options::new("template.yaml")
        };
        Ok(Self::Sqs(Box::new(Stack::start(options, observer).await?)))
    }

    /// Those with this prefix on a server, which counts their deliveries.
    pub(crate) async fn rabbitmq(server: &Server, prefix: String, ordered: bool) -> Result<Self, Failed> {
        let broker = Broker::start(server, prefix, ordered).await?;
        broker.count_deliveries().await?;
        Ok(Self::RabbitMq(Box::new(broker)))
    }

    /// Host and port.
    pub(crate) fn address(&self) -> Result<&str, Failed> {
        match self {
            Self::Sqs(stack) => Ok(stack.endpoint().trim_start_matches("http://")),
            Self::RabbitMq(broker) => broker.address(),
        }
    }

    /// What a worker needs to receive from a queue at this address, and to send.
    pub(crate) fn environment(&self, address: &str, queue: &str) -> BTreeMap<&'static str, String> {
        match self {
            Self::Sqs(stack) => {
                let url = |queue: &str| format!("{}/000000000000/{queue}", stack.endpoint());
                BTreeMap::from([
                    ("AWS_ACCESS_KEY_ID", "local".to_owned()),
                    ("AWS_SECRET_ACCESS_KEY", "local".to_owned()),
                    ("AWS_REGION", stack.region()),
                    ("AWS_ENDPOINT_URL_SQS", format!("http://{address}")),
                    ("AWS_ENDPOINT_URL_DYNAMODB", format!("http://{address}")),
                    ("QUEUE_URL", url(queue)),
                    ("NOTIFICATIONS_QUEUE_URL", url("notifications")),
                ])
            }
            Self::RabbitMq(broker) => BTreeMap::from([
                ("QUEUE_URL", broker.url_at(address, queue)),
                ("NOTIFICATIONS_QUEUE_URL", broker.destination("notifications")),
            ]),
        }
    }

    /// How many messages one request takes. RabbitMQ confirms many at once: with fewer, the sender would be what is measured.
    pub(crate) fn batch(&self) -> u64 {
        match self {
            Self::Sqs(_) => 10,
            Self::RabbitMq(_) => 100,
        }
    }

    /// Sends as many messages as one request takes, and returns their IDs.
    pub(crate) async fn send(&self, queue: &str, messages: &[Message]) -> Result<Vec<String>, Failed> {
        let stack = match self {
            Self::Sqs(stack) => stack,
            Self::RabbitMq(broker) => return broker.send(queue, messages).await,
        };
        let entry =
            |(id, message): (usize, &Message)| json!({ "Id": id.to_string(), "MessageBody": message.body.to_string() });
        let entries: Vec<_> = messages.iter().enumerate().map(entry).collect();
        let request = json!({ "QueueUrl": queue, "Entries": entries });
        let answer = stack.sqs().call("SendMessageBatch", request).await;
        let answer = answer.map_err(|error| format!("SendMessageBatch: {error:?}"))?;
        let sent = answer["Successful"].as_array().map_or(&[][..], Vec::as_slice);
        let ids: Vec<_> = sent.iter().filter_map(|entry| entry["MessageId"].as_str()).collect();
        match ids.len() == messages.len() {
            true => Ok(ids.into_iter().map(str::to_owned).collect()),
            false => Err(format!("SendMessageBatch: {answer}").into()),
        }
    }

    /// Sends the next order.
    pub(crate) async fn send_order(&self, orders: &mut Orders) -> Result<(), Failed> {
        let order = orders.draw();
        let message = Message {
            body: body(order),
            group: Some(customer(order)),
        };
        for id in self.send("orders", &[message]).await? {
            orders.messages.insert(id, order);
        }
        Ok(())
    }

    /// How many messages all queues hold. RabbitMQ does not count those that a consumer has.
    pub(crate) async fn left(&self) -> Result<u64, Failed> {
        let mut left = 0;
        for queue in QUEUES {
            left += self.left_in(queue).await?;
        }
        Ok(left)
    }

    /// The same of one queue. It costs the same however many.
    pub(crate) async fn left_in(&self, queue: &str) -> Result<u64, Failed> {
        let stack = match self {
            Self::Sqs(stack) => stack,
            Self::RabbitMq(broker) => return broker.ready(queue).await,
        };
        let request = json!({ "QueueUrl": queue, "AttributeNames": ["All"] });
        let answer = stack.sqs().call("GetQueueAttributes", request).await;
        let answer = answer.map_err(|error| format!("GetQueueAttributes: {error:?}"))?;
        let count = |name: &str| answer["Attributes"][name].as_str()?.parse::<u64>().ok();
        let names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"];
        Ok(names.iter().filter_map(|name| count(name)).sum())
    }

    /// Whether a worker has messages of this queue: the only process that receives from it, and that is stopped.
    pub(crate) async fn are_held(&self, queue: &str) -> Result<bool, Failed> {
        match self {
            Self::Sqs(stack) => Ok(stack.sqs().peek(queue).iter().any(|message| message.receive_count > 0)),
            // It receives, and more are ready: so it has as many as it can have.
            Self::RabbitMq(broker) => Ok(broker.has_delivered() && broker.ready(queue).await? > 0),
        }
    }

    /// How many messages processes have that [`left`](Self::left) does not count, and what it counted. It takes a second.
    pub(crate) async fn held(&self) -> Result<u64, Failed> {
        match self {
            Self::Sqs(_) => Ok(0),
            Self::RabbitMq(broker) => broker.messages().await,
        }
    }

    /// The messages in a queue. RabbitMQ does not show those that a consumer has.
    pub(crate) async fn peek(&self, queue: &str) -> Result<Vec<Queued>, Failed> {
        let queued = |mut message: QueuedMessage| Queued {
            key: message
                .attributes
                .remove("IdempotencyKey")
                .unwrap_or(message.message_id),
            body: message.body,
            received: message.receive_count > 0,
        };
        match self {
            Self::Sqs(stack) => Ok(stack.sqs().peek(queue).into_iter().map(queued).collect()),
            Self::RabbitMq(broker) => broker.peek(queue).await,
        }
    }

    /// How many messages were delivered to workers more than once: of these, or on RabbitMQ of all.
    pub(crate) fn redelivered<'a>(&self, messages: impl Iterator<Item = &'a String>) -> usize {
        match self {
            Self::Sqs(stack) => messages.filter(|message| stack.sqs().deliveries(message) > 1).count(),
            Self::RabbitMq(broker) => broker.redelivered(),
        }
    }
}
