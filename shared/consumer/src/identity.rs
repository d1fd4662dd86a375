//! What makes two messages the same work, as a handler says it.

use idempotency::fingerprint;
use serde::Serialize;

/// Where the key of a message's work comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyKey(pub(crate) Source);

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    Message,
    DeduplicationId,
    Business {
        key: String,
        fingerprint: Option<Result<String, String>>,
    },
}

impl IdempotencyKey {
    /// The message's own: its attribute [`IdempotencyKey`](crate::dead_letter::IDEMPOTENCY_KEY) if it has one, which is how
    /// outgoing messages and dead letters that are sent back keep their identity; else the ID that its
    /// [envelope](crate::Envelope) states; else its message ID, which after a redrive is the
    /// [original one](crate::dead_letter::ORIGINAL_MESSAGE_ID).
    pub fn of_message() -> Self {
        Self(Source::Message)
    }

    /// The deduplication ID that the producer gave it, for FIFO queues: it tells a copy beyond the five minutes for which
    /// the queue does. An attribute [`IdempotencyKey`](crate::dead_letter::IDEMPOTENCY_KEY) outweighs it.
    pub fn deduplication_id() -> Self {
        Self(Source::DeduplicationId)
    }

    /// A key of the business's own, such as an order's ID: right when a producer may send the same work as two messages.
    ///
    /// An empty one is a permanent failure of the message. So is one that was used for another payload; payloads are the
    /// same if they are the same JSON.
    ///
    /// It stands as it is in the ledger, in dead letters and in the log, so nothing personal or secret belongs in it.
    pub fn business(key: impl Into<String>) -> Self {
        Self(Source::Business {
            key: key.into(),
            fingerprint: None,
        })
    }

    /// The same, but only this part of the payload tells it from another one.
    pub fn business_counting(key: impl Into<String>, part: &impl Serialize) -> Self {
        Self(Source::Business {
            key: key.into(),
            fingerprint: Some(fingerprint(part).map_err(|error| error.to_string())),
        })
    }
}
