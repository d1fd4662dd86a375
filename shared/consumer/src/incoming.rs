//! One received message, of any queue.

use std::collections::BTreeMap;
use std::sync::Arc;

use idempotency::Timestamp;

use crate::trace::{self, TraceContext};

/// A message as a host received it. The host sets what its queue reports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incoming {
    /// Its ID in the queue, the same at every delivery.
    pub id: MessageId,
    /// The body, as text.
    pub body: String,
    /// The message attributes.
    pub attributes: BTreeMap<String, Attribute>,
    /// The message group, if the producer set one.
    pub group: Option<String>,
    /// The deduplication ID, if the queue has one.
    pub deduplication_id: Option<String>,
    /// The ARN of the queue it was received from, if the host knows it.
    pub queue: Option<String>,
    /// How often the message was received, this time included; 1 if the queue does not report it.
    pub receive_count: u32,
    /// When the message was sent to its queue.
    pub sent_at: Option<Timestamp>,
    /// The producer's trace, in the format of `AWSTraceHeader`: `Root=1-...;Parent=...;Sampled=1`.
    pub trace_header: Option<String>,
    /// The host's own trace of this processing, in the same format; on Lambda with the `Lineage` by which Lambda stops a
    /// loop. Whatever is sent for the message carries it. Shared, because it is the same for a whole batch.
    pub host_trace: Option<Arc<str>>,
    /// The host's own trace of this processing in the format of W3C, if the host records one. Whatever is sent for the message
    /// carries it, instead of the attributes `traceparent` and `tracestate` of the message.
    pub host_trace_context: Option<TraceContext>,
}

impl Incoming {
    /// A message received for the first time, with ID and body only.
    pub fn new(id: MessageId, body: impl Into<String>) -> Self {
        Self {
            id,
            body: body.into(),
            attributes: BTreeMap::new(),
            group: None,
            deduplication_id: None,
            queue: None,
            receive_count: 1,
            sent_at: None,
            trace_header: None,
            host_trace: None,
            host_trace_context: None,
        }
    }

    /// The message's W3C trace: the host's, or the producer's if the host has none. `None` if that is missing or invalid.
    pub fn trace_context(&self) -> Option<TraceContext> {
        match &self.host_trace_context {
            Some(host) => Some(host.clone()),
            None => TraceContext::of(&self.attributes),
        }
    }

    /// The `traceparent` of [`trace_context`](Self::trace_context).
    pub(crate) fn traceparent(&self) -> Option<&str> {
        match &self.host_trace_context {
            Some(host) => Some(host.traceparent()),
            None => trace::traceparent(&self.attributes),
        }
    }
}

/// The ID of a message; never empty, because it distinguishes the message from others.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct MessageId(String);

impl MessageId {
    /// This ID; `None` if it is empty.
    pub fn new(id: impl Into<String>) -> Option<Self> {
        let id = id.into();
        (!id.is_empty()).then_some(Self(id))
    }

    /// The ID as the queue states it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A message attribute: a type, and the value as a string or as bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Attribute {
    /// `String`, `Number` or `Binary`, with an optional custom label, such as `Number.int`.
    pub data_type: Option<String>,
    /// The value, unless it is binary.
    pub string_value: Option<String>,
    /// The value, if it is binary.
    pub binary_value: Option<Vec<u8>>,
}

impl Attribute {
    pub(crate) fn string(value: impl Into<String>) -> Self {
        Self {
            data_type: Some("String".to_owned()),
            string_value: Some(value.into()),
            binary_value: None,
        }
    }

    /// Whether it has no value, which queues refuse.
    pub(crate) fn is_empty(&self) -> bool {
        self.string_value.as_ref().is_none_or(String::is_empty) && self.binary_value.as_ref().is_none_or(Vec::is_empty)
    }
}
