//! What makes two messages the same work. Keys are decided here and nowhere else.

use std::borrow::Cow;

use idempotency::{Key, fingerprint};
use serde::Serialize;
use serde_json::Value;

use crate::Received;
use crate::dead_letter::IDEMPOTENCY_KEY;

/// Where the key of a message's work comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyKey(Source);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Source {
    Message,
    DeduplicationId(Scope),
    Business {
        key: String,
        fingerprint: Option<Result<String, String>>,
    },
}

/// Within what a deduplication ID distinguishes messages: the queue's attribute `DeduplicationScope`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scope {
    MessageGroup,
    Queue,
}

impl IdempotencyKey {
    /// The message's own key, the first of these that exists:
    ///
    /// 1. the [key](crate::dead_letter::Original::key) under which a function rejected it, after a redrive;
    /// 2. the producer's attribute [`IdempotencyKey`](crate::dead_letter::IDEMPOTENCY_KEY), of the queue's message or
    ///    else of the SNS notification or CloudEvents event in it;
    /// 3. the ID that its [envelope](crate::Envelope) states;
    /// 4. its [original message ID](crate::dead_letter::Original::message_id), after a redrive;
    /// 5. its message ID.
    ///
    /// An EventBridge event has no attributes of its producer. If the producer states a key, it is in the event's detail:
    /// return it as a [business key](Self::business).
    pub fn of_message() -> Self {
        Self(Source::Message)
    }

    /// The message group and the deduplication ID that the producer set, for FIFO queues. The ledger recognises a copy
    /// after the five minutes for which SQS does. The first two keys of [`of_message`](Self::of_message) have priority.
    ///
    /// The key is the group, a space, and the ID. Neither can contain a space. With
    /// [`DeduplicationScope`](https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SetQueueAttributes.html)
    /// `messageGroup`, one ID in two groups is two messages. No message states that scope of its queue, and this key is
    /// right for both.
    ///
    /// SQS gives another deduplication ID to a message that it moves to a dead-letter queue. If nothing states the
    /// original one, work that was done before the redrive is repeated.
    pub fn deduplication_id() -> Self {
        Self(Source::DeduplicationId(Scope::MessageGroup))
    }

    /// The deduplication ID alone, otherwise like [`deduplication_id`](Self::deduplication_id).
    ///
    /// Right only for a queue whose `DeduplicationScope` is `queue`, the default of SQS, and whose producer sends copies
    /// of one message to several groups. With the scope `messageGroup`, the second of two messages would be taken for a
    /// copy, and deleted unprocessed.
    pub fn deduplication_id_of_queue() -> Self {
        Self(Source::DeduplicationId(Scope::Queue))
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
        Source::DeduplicationId(scope) => {
            let text = carried(received).map(Cow::Borrowed);
            let text = text
                .or_else(|| deduplication_id(received, scope))
                .ok_or("the message has no deduplication ID; is its queue FIFO?")?;
            identity(namespace, &text, Some(payload_fingerprint(content)))
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
pub(crate) fn own(namespace: &str, received: &Received, content: &str) -> Identity {
    let origin = || received.origin().map(|origin| origin.id());
    let redriven = || received.original()?.message_id.as_deref();
    match carried(received).or_else(origin).or_else(redriven) {
        // A key that the queue did not make may be used for another payload.
        Some(text) => not_empty(namespace, text, Some(payload_fingerprint(content))),
        None => of_queue(namespace, received),
    }
}

/// The identity that the queue gave the message: its message ID, whatever the message states.
pub(crate) fn of_queue(namespace: &str, received: &Received) -> Identity {
    not_empty(namespace, received.message_id(), None)
}

#[expect(clippy::expect_used, reason = "its message says why it can't happen")]
fn not_empty(namespace: &str, text: &str, fingerprint: Option<String>) -> Identity {
    identity(namespace, text, fingerprint).expect("an ID is not empty, and the namespace is checked at compile time")
}

/// The producer's deduplication ID; if that is not known, the one of the message.
fn deduplication_id(received: &Received, scope: Scope) -> Option<Cow<'_, str>> {
    let id = received.producers_deduplication_id().or(received.deduplication_id())?;
    Some(match (scope, received.group()) {
        (Scope::MessageGroup, Some(group)) => Cow::Owned(format!("{group} {id}")),
        _ => Cow::Borrowed(id),
    })
}

fn identity(namespace: &str, text: &str, fingerprint: Option<String>) -> Result<Identity, String> {
    Ok(Identity {
        key: Key::new(namespace, text).map_err(|why| why.to_string())?,
        text: text.to_owned(),
        fingerprint,
    })
}

/// The key that the message carries: the one under which a function rejected it, or its producer's.
fn carried(received: &Received) -> Option<&str> {
    let original = received.original().and_then(|original| original.key.as_deref());
    let envelope = || {
        received
            .origin()?
            .attribute(IDEMPOTENCY_KEY)
            .filter(|key| !key.is_empty())
    };
    original
        .or_else(|| attribute(received, IDEMPOTENCY_KEY))
        .or_else(envelope)
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
