//! Messages: what was sent, what a queue stores of it, and what a receiver gets.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use md5::{Digest, Md5};
use serde_json::{Map, Value, json};
use tokio::time::Instant;
use uuid::Uuid;

use super::attributes::Attributes;
use super::clock::Clock;

/// Who sent every message here. AWS gives the unique ID of the sending user or role.
const SENDER_ID: &str = "AIDALOCALLOCALLOCAL00";

/// A message as sent; the same in every copy, and after a move to another queue but for what [`Message::of_fifo_dead_letter`]
/// and [`Message::sent_again`] change.
#[derive(Debug, Clone)]
pub(crate) struct Message {
    pub(crate) id: String,
    pub(crate) body: String,
    pub(crate) attributes: Attributes,
    pub(crate) trace_header: Option<String>,
    pub(crate) group: Option<String>,
    pub(crate) deduplication_id: Option<String>,
    pub(crate) sequence_number: Option<String>,
    pub(crate) sent_at: Instant,
}

/// One copy of a message in one queue.
#[derive(Debug)]
pub(crate) struct Stored {
    pub(crate) message: Arc<Message>,
    /// Retention counts from here.
    pub(crate) enqueued_at: Instant,
    /// Until then the copy is delayed or in flight.
    pub(crate) visible_at: Instant,
    /// Receives from this queue: redrive goes by these.
    pub(crate) receives: u32,
    /// Receives from queues the copy was moved from: the receive count includes these.
    pub(crate) receives_elsewhere: u32,
    pub(crate) first_received_at: Option<Instant>,
    pub(crate) last_received_at: Option<Instant>,
    /// ARN of the queue it was moved from.
    pub(crate) source: Option<String>,
}

/// What a queue holds, for tests and demos.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueuedMessage {
    /// The ID that `SendMessage` answered.
    pub message_id: String,
    /// The body as sent.
    pub body: String,
    /// The message attributes that are text or numbers.
    pub attributes: BTreeMap<String, String>,
    /// The message group, if it has one.
    pub group: Option<String>,
    /// Whether a receive could get it now.
    pub state: MessageState,
    /// As in `ApproximateReceiveCount`, over all queues the message was moved through; 0 before the first receive.
    pub receive_count: u32,
    /// How much longer it is hidden; zero if it is visible.
    pub hidden_for: Duration,
}

/// Whether a receive could get a message now, and if not, why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MessageState {
    /// A receive may get it, unless its message group is held back.
    Visible,
    /// Received, neither deleted nor visible again.
    InFlight,
    /// Not yet to be received for the first time.
    Delayed,
}

impl Message {
    /// The message as SQS moves it from a FIFO queue to its dead-letter queue: "the original message's deduplication ID will be
    /// replaced with the original message's ID", so that the dead-letter queue keeps two messages that share one
    /// ([dead-letter queue redrive](https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-configure-dead-letter-queue-redrive.html)).
    pub(crate) fn of_fifo_dead_letter(&self) -> Self {
        Self {
            deduplication_id: Some(self.id.clone()),
            ..self.clone()
        }
    }

    /// The message as a message move task sends it: a new message with a new ID and send time (same page).
    pub(crate) fn sent_again(&self, sequence_number: Option<String>, now: Instant) -> Self {
        Self {
            id: Uuid::new_v4().to_string(),
            sequence_number,
            sent_at: now,
            ..self.clone()
        }
    }
}

impl Stored {
    pub(crate) fn new(message: Arc<Message>, now: Instant, delay: Duration) -> Self {
        Self {
            message,
            enqueued_at: now,
            visible_at: now + delay,
            receives: 0,
            receives_elsewhere: 0,
            first_received_at: None,
            last_received_at: None,
            source: None,
        }
    }

    /// The same copy as it arrives in a dead-letter queue: visible, and not yet received from there.
    pub(crate) fn moved(mut self, source: String, now: Instant) -> Self {
        self.receives_elsewhere += self.receives;
        self.receives = 0;
        self.visible_at = now;
        self.source = Some(source);
        self
    }

    pub(crate) fn state(&self, now: Instant) -> MessageState {
        match self.receives {
            _ if self.visible_at <= now => MessageState::Visible,
            0 => MessageState::Delayed,
            _ => MessageState::InFlight,
        }
    }

    pub(crate) fn receive(&mut self, now: Instant, visibility: Duration) {
        self.receives += 1;
        self.first_received_at.get_or_insert(now);
        self.last_received_at = Some(now);
        self.visible_at = now + visibility;
    }

    pub(crate) fn receive_count(&self) -> u32 {
        self.receives_elsewhere + self.receives
    }

    pub(crate) fn peek(&self, now: Instant) -> QueuedMessage {
        QueuedMessage {
            message_id: self.message.id.clone(),
            body: self.message.body.clone(),
            attributes: self.message.attributes.texts(),
            group: self.message.group.clone(),
            state: self.state(now),
            receive_count: self.receive_count(),
            hidden_for: self.visible_at.saturating_duration_since(now),
        }
    }
}

/// The attributes that a receiver requested.
#[derive(Debug, Default)]
pub(crate) struct Wanted {
    pub(crate) system_attributes: Vec<String>,
    pub(crate) message_attributes: Vec<String>,
}

/// The `Message` of a `ReceiveMessage` answer.
pub(crate) fn to_json(stored: &Stored, handle: &str, wanted: &Wanted, clock: &Clock) -> Value {
    let message = &stored.message;
    let mut json = json!({
        "MessageId": message.id,
        "ReceiptHandle": handle,
        "MD5OfBody": md5(&message.body),
        "Body": message.body,
    });
    let system_attributes = system_attributes(stored, wanted, clock);
    if !system_attributes.is_empty() {
        json["Attributes"] = Value::Object(system_attributes);
    }
    let attributes = message.attributes.selected(&wanted.message_attributes);
    // The hash covers what is returned, not what was sent.
    if let Some(hash) = attributes.md5() {
        json["MD5OfMessageAttributes"] = hash.into();
        json["MessageAttributes"] = attributes.to_json();
    }
    json
}

fn system_attributes(stored: &Stored, wanted: &Wanted, clock: &Clock) -> Map<String, Value> {
    let message = &stored.message;
    let millis = |at: Instant| clock.epoch_millis(at).to_string();
    let all = [
        ("SenderId", Some(SENDER_ID.to_owned())),
        ("SentTimestamp", Some(millis(message.sent_at))),
        ("ApproximateReceiveCount", Some(stored.receive_count().to_string())),
        ("ApproximateFirstReceiveTimestamp", stored.first_received_at.map(millis)),
        ("SequenceNumber", message.sequence_number.clone()),
        ("MessageDeduplicationId", message.deduplication_id.clone()),
        ("MessageGroupId", message.group.clone()),
        ("AWSTraceHeader", message.trace_header.clone()),
        ("DeadLetterQueueSourceArn", stored.source.clone()),
    ];
    let is_wanted = |name: &str| {
        wanted
            .system_attributes
            .iter()
            .any(|wanted| wanted == "All" || wanted == name)
    };
    all.into_iter()
        .filter(|(name, _)| is_wanted(name))
        .filter_map(|(name, value)| Some((name.to_owned(), Value::String(value?))))
        .collect()
}

pub(crate) fn md5(text: &str) -> String {
    hex::encode(Md5::digest(text))
}
