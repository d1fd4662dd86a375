//! The queues of a consumer, which it declares each time it connects.

use lapin::Connection;
use lapin::options::QueueDeclareOptions;
use lapin::types::{AMQPValue, FieldTable};

use crate::delays::WAIT_QUEUES;
use crate::fault::Fault;

/// The names of a consumer's queues.
#[derive(Debug, Clone)]
pub(crate) struct Topology {
    pub(crate) queue: String,
    pub(crate) ordered: bool,
}

/// A message that was returned this often without acknowledgement, because its consumers died for example, is moved to the
/// dead-letter queue. The default of RabbitMQ 4, which earlier versions do not have.
const DELIVERY_LIMIT: i32 = 20;
/// No limit. Without dead-letter exchange, RabbitMQ drops a message that reaches the limit: one that an operator looks at
/// often, for example. RabbitMQ 3 does not accept -1.
const NO_DELIVERY_LIMIT: i32 = i32::MAX;

impl Topology {
    pub(crate) fn dead_letter_queue(&self) -> String {
        format!("{}-dlq", self.queue)
    }

    /// The name of a wait queue, by its position.
    pub(crate) fn wait_queue(&self, position: usize) -> String {
        format!("{}-wait-{}", self.queue, WAIT_QUEUES[position].0)
    }

    /// Declares the queues. Those that exist stay as they are.
    pub(crate) async fn declare(&self, connection: &Connection) -> Result<(), Fault> {
        let channel = connection.create_channel().await?;
        let options = QueueDeclareOptions {
            durable: true,
            ..QueueDeclareOptions::default()
        };
        for (queue, arguments) in self.declarations() {
            let declared = channel.queue_declare(queue.as_str().into(), options, arguments).await;
            declared.map_err(|error| not_declared(&queue, error))?;
        }
        Ok(channel.close(200, "declared".into()).await?)
    }

    /// Each queue with its arguments ([quorum queues](https://www.rabbitmq.com/docs/quorum-queues)). The target of dead letters
    /// is declared first.
    fn declarations(&self) -> Vec<(String, FieldTable)> {
        let dead_letters = (self.dead_letter_queue(), arguments(None, NO_DELIVERY_LIMIT));
        let mut main = arguments(Some(&self.dead_letter_queue()), DELIVERY_LIMIT);
        if self.ordered {
            main.insert("x-single-active-consumer".into(), AMQPValue::Boolean(true));
        }
        let mut declarations = vec![dead_letters, (self.queue.clone(), main)];
        // An ordered queue keeps its messages: they never wait in another queue.
        for (position, (_, seconds)) in WAIT_QUEUES.iter().enumerate().filter(|_| !self.ordered) {
            let mut wait = arguments(Some(&self.queue), NO_DELIVERY_LIMIT);
            wait.insert("x-message-ttl".into(), AMQPValue::LongUInt(seconds * 1000));
            declarations.push((self.wait_queue(position), wait));
        }
        declarations
    }
}

/// The arguments of a queue that loses nothing: replicated, refuses messages when it is full, and keeps a message that it
/// dead-letters until the target has confirmed it
/// ([at-least-once dead-lettering](https://www.rabbitmq.com/docs/quorum-queues#activating-at-least-once-dead-lettering)).
fn arguments(dead_letters_to: Option<&str>, delivery_limit: i32) -> FieldTable {
    let mut arguments = FieldTable::default();
    let mut set = |name: &str, value: AMQPValue| {
        arguments.insert(name.into(), value);
    };
    let text = |text: &str| AMQPValue::LongString(text.into());
    set("x-queue-type", text("quorum"));
    set("x-overflow", text("reject-publish"));
    set("x-delivery-limit", AMQPValue::LongInt(delivery_limit));
    if let Some(target) = dead_letters_to {
        set("x-dead-letter-exchange", text(""));
        set("x-dead-letter-routing-key", text(target));
        set("x-dead-letter-strategy", text("at-least-once"));
    }
    arguments
}

fn not_declared(queue: &str, error: lapin::Error) -> Fault {
    const DIFFERENT: u16 = 406;
    let is_different = match error.kind() {
        lapin::ErrorKind::ProtocolError(reply) => reply.get_id() == DIFFERENT,
        _ => false,
    };
    let fault = Fault::from(error).during(&format!("can't declare queue {queue}"));
    match is_different {
        true => Fault::refused(format!(
            "{}. The queue exists with other arguments; delete it once it is empty, or choose another name",
            fault.why
        )),
        false => fault,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn declared(ordered: bool) -> Vec<(String, FieldTable)> {
        let queue = "orders".to_owned();
        Topology { queue, ordered }.declarations()
    }

    fn argument<'a>(arguments: &'a FieldTable, name: &str) -> Option<&'a AMQPValue> {
        arguments.inner().get(name)
    }

    #[test]
    fn an_unordered_queue_has_a_dlq_and_five_wait_queues() {
        let names: Vec<_> = declared(false).into_iter().map(|(name, _)| name).collect();
        let waits = ["1s", "5s", "30s", "2m", "15m"].map(|delay| format!("orders-wait-{delay}"));
        assert_eq!(names[..2], ["orders-dlq", "orders"]);
        assert_eq!(names[2..], waits);
    }

    #[test]
    fn an_ordered_queue_has_one_active_consumer_and_no_wait_queue() {
        let declared = declared(true);
        assert_eq!(declared.len(), 2);
        let single = argument(&declared[1].1, "x-single-active-consumer");
        assert_eq!(single, Some(&AMQPValue::Boolean(true)));
    }

    /// Without a target, a delivery limit drops messages. With at-most-once, a full target drops them.
    #[test]
    fn no_queue_ever_drops_a_message() {
        for (name, arguments) in [declared(false), declared(true)].concat() {
            let text = |argument_name| argument(&arguments, argument_name).map(|value| format!("{value:?}"));
            let target = argument(&arguments, "x-dead-letter-routing-key");
            let limit = argument(&arguments, "x-delivery-limit");
            assert_eq!(target.is_none(), name == "orders-dlq");
            assert_eq!(limit == Some(&AMQPValue::LongInt(20)), name == "orders", "{name}");
            assert_eq!(target.is_some(), text("x-dead-letter-strategy").is_some());
            assert!(text("x-overflow").is_some() && text("x-queue-type").is_some());
        }
    }
}
