//! The messages of an event.

use aws_lambda_events::sqs::{SqsEvent, SqsMessage};
use idempotency::{InvalidKey, Key};

/// What a handler may know of a message beside its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    message_id: String,
    key: Key,
    receive_count: u32,
    group: Option<String>,
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
        self.group.as_deref()
    }

    /// A value for an `Idempotency-Key` header, 64 hexadecimal digits: the same at every attempt at this message.
    ///
    /// An effect outside the completion (an HTTP call, say) whose process dies before the completion is tried again; the
    /// receiver can recognise it by this.
    pub fn idempotency_token(&self) -> String {
        self.key.token()
    }

    pub(crate) fn key(&self) -> &Key {
        &self.key
    }
}

/// One message: what the handler may know, and the body to decode.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) delivery: Delivery,
    pub(crate) body: String,
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

/// Whether the event's records come from a FIFO queue: only its ARN says, for a group also occurs on standard queues.
pub(crate) fn is_fifo(event: &SqsEvent) -> bool {
    event.records.iter().any(|record| {
        record
            .event_source_arn
            .as_deref()
            .is_some_and(|arn| arn.ends_with(".fifo"))
    })
}

pub(crate) fn read(namespace: &'static str, event: SqsEvent) -> Result<Vec<Message>, BatchError> {
    event
        .records
        .into_iter()
        .enumerate()
        .map(|(index, record)| read_one(namespace, index, record))
        .collect()
}

fn read_one(namespace: &'static str, index: usize, record: SqsMessage) -> Result<Message, BatchError> {
    let message_id = record.message_id.unwrap_or_default();
    let key = Key::new(namespace, &message_id).map_err(|why| match why {
        InvalidKey::Empty => BatchError::NoMessageId { index },
        InvalidKey::Namespace => BatchError::Namespace { namespace, why },
    })?;
    let receive_count = record
        .attributes
        .get("ApproximateReceiveCount")
        .and_then(|count| count.parse().ok());
    let group = record.attributes.get("MessageGroupId").cloned();
    Ok(Message {
        delivery: Delivery {
            message_id,
            key,
            receive_count: receive_count.unwrap_or(1),
            group,
        },
        body: record.body.unwrap_or_default(),
    })
}
