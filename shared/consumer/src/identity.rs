//! What makes two messages the same work. Keys are decided here and nowhere else.

use idempotency::{Key, fingerprint};
use serde::Serialize;
use serde_json::Value;

use crate::Received;
use crate::dead_letter::{IDEMPOTENCY_KEY, ORIGINAL_DEDUPLICATION_ID, ORIGINAL_MESSAGE_ID};

/// Where the key of a message's work comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyKey(Source);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Source {
    Message,
    DeduplicationId,
    Business {
        key: String,
        fingerprint: Option<Result<String, String>>,
    },
}

impl IdempotencyKey {
    /// The message's own key, the first of these that exists:
    ///
    /// 1. its attribute [`IdempotencyKey`](crate::dead_letter::IDEMPOTENCY_KEY), which keeps the identity of outgoing
    ///    messages and redriven dead letters;
    /// 2. the ID that its [envelope](crate::Envelope) states;
    /// 3. its message ID; after a redrive, the [original one](crate::dead_letter::ORIGINAL_MESSAGE_ID).
    pub fn of_message() -> Self {
        Self(Source::Message)
    }

    /// The deduplication ID that the producer set, for FIFO queues. The ledger recognises a copy after the five minutes for
    /// which SQS does. An attribute [`IdempotencyKey`](crate::dead_letter::IDEMPOTENCY_KEY) has priority.
    pub fn deduplication_id() -> Self {
        Self(Source::DeduplicationId)
    }

    /// A business key, such as the ID of an order: right when a producer may send the same work as two messages.
    ///
    /// An empty key is a permanent failure of the message. So is a key that was used for another payload. Two payloads are
    /// the same if they are the same JSON.
    ///
    /// The key is readable in the ledger, in dead letters and in the log: put nothing personal or secret in it.
    pub fn business(key: impl Into<String>) -> Self {
        Self(Source::Business {
            key: key.into(),
            fingerprint: None,
        })
    }

    /// A business key; two payloads are the same if this part of them is the same JSON.
    pub fn business_counting(key: impl Into<String>, part: &impl Serialize) -> Self {
        Self(Source::Business {
            key: key.into(),
            fingerprint: Some(fingerprint(part).map_err(|error| error.to_string())),
        })
    }
}

/// The key of a message's work.
pub(crate) struct Identity {
    pub(crate) key: Key,
    /// The key without the namespace.
    pub(crate) text: String,
    /// Fingerprint of the payload; `None` for a key that the queue made, which has one payload only.
    pub(crate) fingerprint: Option<String>,
}

/// The identity that the handler states.
pub(crate) fn stated(
    namespace: &str,
    stated: IdempotencyKey,
    received: &Received,
    content: &str,
) -> Result<Identity, String> {
    match stated.0 {
        Source::Message => Ok(own(namespace, received, content)),
        Source::DeduplicationId => {
            // The redrive gave the message another deduplication ID.
            let original = || attribute(received, ORIGINAL_DEDUPLICATION_ID).or(received.deduplication_id());
            let text = carried(received)
                .or_else(original)
                .ok_or("the message has no deduplication ID; is its queue FIFO?")?;
            identity(namespace, text, Some(payload_fingerprint(content)))
        }
        Source::Business { key, fingerprint } => {
            let fingerprint = fingerprint.unwrap_or_else(|| Ok(payload_fingerprint(content)));
            let fingerprint =
                fingerprint.map_err(|why| format!("the fingerprint of the payload can't be computed: {why}"))?;
            identity(namespace, &key, Some(fingerprint))
        }
    }
}

/// The message's own identity, which it has even if it can't be decoded.
#[expect(clippy::expect_used, reason = "its message says why it can't happen")]
pub(crate) fn own(namespace: &str, received: &Received, content: &str) -> Identity {
    let origin = received.origin().map(|origin| origin.id());
    let text = (carried(received).or(origin))
        .or(attribute(received, ORIGINAL_MESSAGE_ID))
        .unwrap_or(received.message_id());
    // A key that the queue did not make may be used for another payload.
    let foreign = carried(received).is_some() || origin.is_some();
    let fingerprint = foreign.then(|| payload_fingerprint(content));
    identity(namespace, text, fingerprint).expect("an ID is not empty, and the namespace is checked at compile time")
}

fn identity(namespace: &str, text: &str, fingerprint: Option<String>) -> Result<Identity, String> {
    Ok(Identity {
        key: Key::new(namespace, text).map_err(|why| why.to_string())?,
        text: text.to_owned(),
        fingerprint,
    })
}

/// The key that the message itself carries.
fn carried(received: &Received) -> Option<&str> {
    attribute(received, IDEMPOTENCY_KEY)
}

fn attribute<'a>(received: &'a Received, name: &str) -> Option<&'a str> {
    received.attribute(name).filter(|value| !value.is_empty())
}

/// The fingerprint of the payload as JSON. A handler may decode what a JSON value can't hold (a number out of range, for
/// example); then it is the fingerprint of the text.
fn payload_fingerprint(content: &str) -> String {
    let value = serde_json::from_str(content).unwrap_or_else(|_| Value::from(content));
    fingerprint(&value).unwrap_or_default()
}
