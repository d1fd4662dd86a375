//! Publishing: a message counts as sent once the broker has confirmed it and has not returned it.

use std::fmt::{self, Debug};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use consumer::SourceFault;
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions};
use lapin::types::{FieldTable, ShortString};
use lapin::{Channel, Confirmation, Connection};
use tokio::time::{Instant, timeout, timeout_at};

use crate::RabbitMqUrl;
use crate::connection::{ANSWER, connect};
use crate::fault::Fault;
use crate::properties::Publication;

/// A connection for publishing only, opened at its first use: RabbitMQ blocks connections that publish while it is short of
/// memory or disk, and acknowledgements must not wait with them.
pub(crate) struct Publisher {
    url: RabbitMqUrl,
    line: tokio::sync::Mutex<Option<Arc<Line>>>,
}

struct Line {
    connection: Connection,
    /// Channels that nothing is being published on. One channel per request: a returned message names no request.
    idle: Mutex<Vec<Channel>>,
    /// Something failed on it: the next use opens another one.
    broken: AtomicBool,
}

impl Publisher {
    pub(crate) fn new(url: RabbitMqUrl) -> Self {
        let line = tokio::sync::Mutex::new(None);
        Self { url, line }
    }

    pub(crate) fn url(&self) -> &RabbitMqUrl {
        &self.url
    }

    /// Publishes to a queue, in order. One result for each message: `Ok` if it is confirmed.
    pub(crate) async fn publish(&self, queue: &str, messages: &[Publication]) -> Vec<Result<(), Fault>> {
        let all = |fault: Fault| vec![Err(fault); messages.len()];
        if messages.is_empty() {
            return Vec::new();
        }
        // With the wait for others that connect: one time for all.
        let end = Instant::now() + ANSWER;
        let line = match timeout_at(end, self.line()).await {
            Ok(Ok(line)) => line,
            Ok(Err(fault)) => return all(fault),
            Err(_) => {
                let connecting = format!("can't connect to {}:{}", self.url.host, self.url.port);
                return all(Fault::no_answer(ANSWER).during(&connecting));
            }
        };
        match timeout_at(end, line.publish(queue, messages)).await {
            Ok(Ok(confirmations)) => results(queue, &confirmations),
            // Such an error ends the channel only.
            Ok(Err(error)) if lapin::Error::is_amqp_soft_error(&error) => all(error.into()),
            Ok(Err(error)) => {
                line.broken.store(true, Ordering::Relaxed);
                all(error.into())
            }
            Err(_) => {
                line.broken.store(true, Ordering::Relaxed);
                let blocked = "the broker blocks publishers while it is short of memory or disk";
                all(Fault::no_answer(ANSWER).during(&format!("publishing to {queue} ({blocked})")))
            }
        }
    }

    /// Checks that a queue exists. One that this user may not look at is taken to exist.
    pub(crate) async fn check(&self, queue: &str) -> Result<(), Fault> {
        const DENIED: u16 = 403;
        const MISSING: u16 = 404;
        let checked = async {
            let channel = self.line().await?.connection.create_channel().await?;
            let options = QueueDeclareOptions {
                passive: true,
                ..QueueDeclareOptions::default()
            };
            // The name was checked: it is a short string.
            let name = ShortString::try_new(queue).unwrap_or_default();
            let declared = channel.queue_declare(name, options, FieldTable::default()).await;
            let Err(error) = declared else {
                return Ok(channel.close(200, "checked".into()).await?);
            };
            let code = match error.kind() {
                lapin::ErrorKind::ProtocolError(reply) => reply.get_id(),
                _ => 0,
            };
            match (code, Fault::from(error)) {
                (DENIED, fault) => {
                    tracing::debug!("queue {queue} is not checked: {fault}");
                    Ok(())
                }
                (MISSING, fault) if fault.means == SourceFault::Refused => Err(missing(queue)),
                (_, fault) => Err(fault),
            }
        };
        let answered = timeout(ANSWER, checked).await;
        answered.unwrap_or_else(|_| Err(Fault::no_answer(ANSWER)))
    }

    async fn line(&self) -> Result<Arc<Line>, Fault> {
        let mut line = self.line.lock().await;
        if let Some(line) = line.as_ref().filter(|line| line.is_usable()) {
            return Ok(Arc::clone(line));
        }
        let opened = Arc::new(Line {
            connection: connect(&self.url, "publisher").await?,
            idle: Mutex::default(),
            broken: AtomicBool::new(false),
        });
        *line = Some(Arc::clone(&opened));
        Ok(opened)
    }
}

impl Line {
    fn is_usable(&self) -> bool {
        self.connection.status().connected() && !self.broken.load(Ordering::Relaxed)
    }

    async fn publish(&self, queue: &str, messages: &[Publication]) -> lapin::Result<Vec<Confirmation>> {
        let channel = self.channel().await?;
        let confirmations = published(&channel, queue, messages).await?;
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(channel);
        Ok(confirmations)
    }

    async fn channel(&self) -> lapin::Result<Channel> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        match idle.filter(|channel| channel.status().connected()) {
            Some(channel) => Ok(channel),
            None => {
                let channel = self.connection.create_channel().await?;
                channel.confirm_select(ConfirmSelectOptions::default()).await?;
                Ok(channel)
            }
        }
    }
}

/// The broker's answer to each message.
async fn published(channel: &Channel, queue: &str, messages: &[Publication]) -> lapin::Result<Vec<Confirmation>> {
    let options = BasicPublishOptions {
        mandatory: true,
        immediate: false,
    };
    let mut pending = Vec::with_capacity(messages.len());
    for message in messages {
        let (body, properties) = (message.body.as_slice(), message.properties.clone());
        // The name was checked: it is a short string.
        let queue = ShortString::try_new(queue).unwrap_or_default();
        // The default exchange routes to the queue with this name.
        let published = channel.basic_publish("".into(), queue, options, body, properties);
        pending.push(published.await?);
    }
    let mut confirmations = Vec::with_capacity(messages.len());
    for confirmation in pending {
        confirmations.push(confirmation.await?);
    }
    Ok(confirmations)
}

/// All messages go to one queue. If one is returned, the queue is missing, and none counts as sent: the client library may give
/// a returned message to the confirmation of another one.
fn results(queue: &str, confirmations: &[Confirmation]) -> Vec<Result<(), Fault>> {
    let is_returned =
        |confirmation: &Confirmation| matches!(confirmation, Confirmation::Ack(Some(_)) | Confirmation::Nack(Some(_)));
    let returned = confirmations.iter().any(is_returned);
    let result = |confirmation: &Confirmation| match confirmation {
        _ if returned => Err(missing(queue).during("the message was returned")),
        Confirmation::Ack(_) => Ok(()),
        Confirmation::Nack(_) | Confirmation::NotRequested => Err(Fault::unavailable(format!(
            "queue {queue} rejected the message: it has reached its length limit, or too few of its replicas answer"
        ))),
    };
    confirmations.iter().map(result).collect()
}

fn missing(queue: &str) -> Fault {
    Fault::refused(format!(
        "queue {queue} does not exist on the broker; declare it, start the worker that receives from it, or correct its name"
    ))
}

impl Debug for Publisher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Publisher").field(&self.url).finish()
    }
}
