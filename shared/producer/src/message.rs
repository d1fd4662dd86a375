//! A message to enqueue.

use std::collections::BTreeMap;

use consumer::dead_letter::IDEMPOTENCY_KEY;
use consumer::{Attribute, Limits, QueueMessage, TraceContext, is_trace_header};
use idempotency::fingerprint;
use serde::Serialize;

/// Begins the names of attributes that the consumer adds to a dead letter. One from a producer would forge its origin.
const RESERVED: &str = "Consumer.";

/// A message to enqueue: a key, and a value as JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    key: String,
    body: String,
    attributes: BTreeMap<String, String>,
    group: Option<String>,
    deduplication_id: Option<String>,
    trace_header: Option<String>,
    /// `traceparent`, and `tracestate` with it.
    trace_context: (Option<String>, Option<String>),
}

impl Message {
    /// A message whose body is this value as JSON.
    ///
    /// The key makes two messages the same work. It must be the same when the application sends the message again, for
    /// example because its client repeated a request: a message without a key would then be other work. The consumer reads
    /// it from the attribute [`IdempotencyKey`](consumer::dead_letter::IDEMPOTENCY_KEY).
    ///
    /// The key is readable in the ledger, in dead letters and in the log: put nothing personal or secret in it.
    ///
    /// # Errors
    ///
    /// The value can't be written as JSON.
    pub fn json(key: impl Into<String>, value: &impl Serialize) -> Result<Self, serde_json::Error> {
        Ok(Self {
            key: key.into(),
            body: serde_json::to_string(value)?,
            attributes: BTreeMap::new(),
            group: None,
            deduplication_id: None,
            trace_header: None,
            trace_context: (None, None),
        })
    }

    /// The message group, which an ordered queue requires. A standard queue of SQS shares its consumers
    /// [fairly](https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-fair-queues.html) among groups.
    #[must_use]
    pub fn with_group(self, group: impl Into<String>) -> Self {
        Self {
            group: Some(group.into()),
            ..self
        }
    }

    /// By this a FIFO queue recognises a copy for five minutes. Other queues ignore it. In SQS it has up to 128 letters, digits
    /// and punctuation marks.
    ///
    /// Unless stated, it is derived from the key and the body. From the key alone, a message with a used key and another
    /// body would be dropped by the queue without a trace; the ledger makes it an error (promise 8).
    #[must_use]
    pub fn with_deduplication_id(self, id: impl Into<String>) -> Self {
        Self {
            deduplication_id: Some(id.into()),
            ..self
        }
    }

    /// A message attribute of the type String. Queues accept ten, the key included.
    ///
    /// `IdempotencyKey` and names that begin with `Consumer.` are reserved: a message that has one is not sent.
    #[must_use]
    pub fn with_attribute(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.attributes.insert(name.into(), value.into());
        self
    }

    /// The trace in X-Ray's format, as in the header `X-Amzn-Trace-Id`. The consumer's log lines have its ID.
    ///
    /// An invalid header is left out. It usually comes from a client, and must not cost the message.
    #[must_use]
    pub fn with_trace_header(self, header: &str) -> Self {
        let trace_header = Some(header.to_owned()).filter(|header| is_trace_header(header));
        Self { trace_header, ..self }
    }

    /// The trace in the format of W3C, as the message attribute `traceparent`, which the consumer passes on.
    ///
    /// An invalid header is left out, as by [`with_trace_header`](Self::with_trace_header), and so is one that the queue has no
    /// room for. An [attribute](Self::with_attribute) of that name takes its place.
    #[must_use]
    pub fn with_traceparent(mut self, header: &str) -> Self {
        self.trace_context.0 = Some(header.to_owned());
        self
    }

    /// What tracing systems add to the [trace](Self::with_traceparent), as the message attribute `tracestate`. Without a trace it
    /// is left out.
    #[must_use]
    pub fn with_tracestate(mut self, header: &str) -> Self {
        self.trace_context.1 = Some(header.to_owned());
        self
    }

    /// The key.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The body, JSON text.
    pub fn body(&self) -> &str {
        &self.body
    }

    /// The message as it is sent, if a queue with these limits accepts it, as far as the message itself shows it.
    pub(crate) fn prepared(self, limits: &Limits) -> Result<QueueMessage, String> {
        if self.key.is_empty() {
            return Err("its idempotency key is empty".to_owned());
        }
        let is_reserved = |name: &&String| *name == IDEMPOTENCY_KEY || name.starts_with(RESERVED);
        if let Some(name) = self.attributes.keys().find(is_reserved) {
            return Err(format!("its attribute {name} has a reserved name; choose another"));
        }
        let (traceparent, tracestate) = &self.trace_context;
        let trace = TraceContext::new(traceparent.as_deref().unwrap_or_default(), tracestate.as_deref());
        let mut message = self.into_queue_message();
        limits.check(&message).map_err(|why| why.to_string())?;
        if let Some(trace) = trace {
            trace.add_to(&mut message, limits);
        }
        Ok(message)
    }

    fn into_queue_message(self) -> QueueMessage {
        // Text always has a fingerprint.
        let derived = || fingerprint(&(&self.key, &self.body)).ok();
        let deduplication_id = self.deduplication_id.or_else(derived);
        let attributes = self
            .attributes
            .into_iter()
            .chain([(IDEMPOTENCY_KEY.to_owned(), self.key)]);
        QueueMessage {
            body: self.body,
            attributes: attributes.map(|(name, value)| (name, string(value))).collect(),
            group: self.group,
            deduplication_id,
            trace_header: self.trace_header,
        }
    }
}

fn string(value: String) -> Attribute {
    Attribute {
        data_type: Some("String".to_owned()),
        string_value: Some(value),
        binary_value: None,
    }
}
