//! The messages of an event.

use std::collections::{BTreeMap, HashMap};

use aws_lambda_events::sqs::{SqsEvent, SqsMessage};
use idempotency::{InvalidKey, Key, Timestamp};
use tracing::Span;
use tracing::field::Empty;

use crate::dead_letter::{IDEMPOTENCY_KEY, ORIGINAL_MESSAGE_ID};
use crate::{Attribute, Origin};

/// What a handler may know of a message beside its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    pub(crate) message_id: String,
    pub(crate) key: Key,
    /// The key inside the namespace, as it was given.
    pub(crate) key_text: String,
    pub(crate) receive_count: u32,
    /// What SQS itself says of the message.
    pub(crate) system: HashMap<String, String>,
    /// What the producer says of it, values that are text.
    pub(crate) attributes: BTreeMap<String, String>,
    pub(crate) origin: Option<Origin>,
}

impl Delivery {
    /// The message's ID.
    pub fn message_id(&self) -> &str {
        &self.message_id
    }

    /// How often the message was received, this time included; 1 if the queue did not say.
    pub fn receive_count(&self) -> u32 {
        self.receive_count
    }

    /// The message's group, if the producer named one.
    pub fn group(&self) -> Option<&str> {
        self.system("MessageGroupId")
    }

    /// The deduplication ID of a message from a FIFO queue.
    pub fn deduplication_id(&self) -> Option<&str> {
        self.system("MessageDeduplicationId")
    }

    /// When the message was sent to its queue.
    pub fn sent_at(&self) -> Option<Timestamp> {
        let millis = self.system("SentTimestamp")?.parse().ok()?;
        Some(Timestamp::from_millis(millis))
    }

    /// The producer's trace, as `AWSTraceHeader` has it: `Root=1-…;Parent=…;Sampled=1`.
    pub fn trace_header(&self) -> Option<&str> {
        self.system("AWSTraceHeader")
    }

    /// The value of a message attribute that is text or a number.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.get(name).map(String::as_str)
    }

    /// What the message's envelope says, if the handler has it unwrapped.
    pub fn origin(&self) -> Option<&Origin> {
        self.origin.as_ref()
    }

    /// A value for an `Idempotency-Key` header, 64 hexadecimal digits: the same at every attempt at this work.
    ///
    /// An effect outside the completion (an HTTP call, say) whose process dies before the completion is tried again; the
    /// receiver can recognise it by this.
    pub fn idempotency_token(&self) -> String {
        self.key.token()
    }

    pub(crate) fn key(&self) -> &Key {
        &self.key
    }

    pub(crate) fn key_text(&self) -> &str {
        &self.key_text
    }

    /// The trace that the message belongs to, for whoever looks for its other lines.
    pub(crate) fn trace_id(&self) -> Option<&str> {
        let mut parts = self.trace_header()?.split(';');
        parts.find_map(|part| part.trim().strip_prefix("Root="))
    }

    fn system(&self, name: &str) -> Option<&str> {
        self.system.get(name).map(String::as_str)
    }
}

/// One message: what the handler may know, and what else came with it.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) delivery: Delivery,
    pub(crate) body: String,
    pub(crate) attributes: BTreeMap<String, Attribute>,
    pub(crate) receipt_handle: Option<String>,
    /// Around all that is done for it, so that each line of the log tells by its fields what it is about.
    pub(crate) span: Span,
}

/// The batch can't be answered message by message: the whole of it has to come again.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    /// A record without an ID can't be reported as failed, for Lambda takes an empty ID as failure of the whole batch;
    /// nor may it be taken as done.
    #[error("record {index} of the event has no messageId; is this event from an SQS queue?")]
    NoMessageId {
        /// Which record, counted from zero.
        index: usize,
    },
    /// The handler's namespace can't begin a key.
    #[error("the namespace {namespace:?} of the handler can't be used")]
    Namespace {
        /// The handler's.
        namespace: &'static str,
        /// What is wrong with it.
        #[source]
        why: InvalidKey,
    },
}

/// The queue that the event's records come from.
pub(crate) fn queue_arn(event: &SqsEvent) -> Option<String> {
    event.records.iter().find_map(|record| record.event_source_arn.clone())
}

/// Whether a queue is FIFO: only its ARN says, for a group also occurs on standard queues.
pub(crate) fn is_fifo(queue_arn: &str) -> bool {
    queue_arn.ends_with(".fifo")
}

/// The event's messages, each under the key that it brings.
pub(crate) fn read(namespace: &'static str, event: SqsEvent) -> Result<Vec<Message>, BatchError> {
    event
        .records
        .into_iter()
        .enumerate()
        .map(|(index, record)| read_one(namespace, index, record))
        .collect()
}

fn read_one(namespace: &'static str, index: usize, record: SqsMessage) -> Result<Message, BatchError> {
    let message_id = record
        .message_id
        .filter(|id| !id.is_empty())
        .ok_or(BatchError::NoMessageId { index })?;
    let attributes: BTreeMap<_, Attribute> = record
        .message_attributes
        .into_iter()
        .map(|(name, value)| (name, value.into()))
        .collect();
    let text: BTreeMap<_, _> = attributes
        .iter()
        .filter_map(|(name, value)| Some((name.clone(), value.string_value.clone()?)))
        .collect();
    // One that was sent back after the redrive policy had moved it is still the message that it was.
    let brought = [IDEMPOTENCY_KEY, ORIGINAL_MESSAGE_ID].into_iter();
    let mut brought = brought.filter_map(|name| text.get(name).filter(|key| !key.is_empty()));
    let key_text = brought.next().unwrap_or(&message_id).clone();
    let key = Key::new(namespace, &key_text).map_err(|why| BatchError::Namespace { namespace, why })?;
    let receive_count = record
        .attributes
        .get("ApproximateReceiveCount")
        .and_then(|count| count.parse().ok());
    let delivery = Delivery {
        message_id,
        key,
        key_text,
        receive_count: receive_count.unwrap_or(1),
        system: record.attributes,
        attributes: text,
        origin: None,
    };
    Ok(Message {
        span: span(&delivery),
        delivery,
        body: record.body.unwrap_or_default(),
        attributes,
        receipt_handle: record.receipt_handle,
    })
}

/// The key is recorded once the handler has named it, the owner once a lease is granted.
fn span(delivery: &Delivery) -> Span {
    // Of the highest level, so that its fields are on every line, whatever level is logged.
    tracing::error_span!(
        "message",
        messageId = delivery.message_id(),
        traceId = delivery.trace_id(),
        key = Empty,
        owner = Empty
    )
}
