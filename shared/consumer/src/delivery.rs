//! What a handler gets of a message beside its content.

use std::ops::Deref;
use std::sync::Arc;

use idempotency::{Key, Timestamp};
use tracing::Span;
use tracing::field::Empty;

use crate::dead_letter::{Malformed, Original, Unpacked};
use crate::trace::{TRACEPARENT, TRACESTATE, TraceContext, is_trace_header, trace_id, w3c_trace_id};
use crate::{Attribute, Incoming, Metrics, Origin};

/// A received message before its key is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// With the producer's attributes only.
    pub(crate) incoming: Arc<Incoming>,
    pub(crate) origin: Option<Origin>,
    /// What the message was before it was sent again, if it was.
    original: Option<Arc<Original>>,
}

impl Received {
    /// A message without an envelope, and why it states wrongly what it was before.
    pub(crate) fn new(mut incoming: Incoming) -> (Self, Option<Malformed>) {
        let unpacked = Unpacked::of(std::mem::take(&mut incoming.attributes));
        incoming.attributes = unpacked.attributes;
        let received = Self {
            incoming: Arc::new(incoming),
            origin: None,
            original: unpacked.original.map(Arc::new),
        };
        (received, unpacked.malformed)
    }

    /// The trace of a CloudEvents event, unless the message has one of its own.
    pub(crate) fn adopt_trace(&mut self) {
        let Some(origin) = &self.origin else { return };
        let stated = |name| Some((String::from(name), Attribute::string(origin.attribute(name)?)));
        if self.incoming.traceparent().is_none() {
            let mut incoming = Incoming::clone(&self.incoming);
            incoming
                .attributes
                .extend([TRACEPARENT, TRACESTATE].into_iter().filter_map(stated));
            self.incoming = Arc::new(incoming);
        }
    }

    pub(crate) fn original(&self) -> Option<&Original> {
        self.original.as_deref()
    }

    /// The message's ID.
    pub fn message_id(&self) -> &str {
        self.incoming.id.as_str()
    }

    /// How often the message was received, this time included; 1 if the queue does not report it.
    pub fn receive_count(&self) -> u32 {
        self.incoming.receive_count
    }

    /// The message group, if the producer set one.
    pub fn group(&self) -> Option<&str> {
        self.incoming.group.as_deref()
    }

    /// The deduplication ID of a message from a FIFO queue. One that was redriven has another than its producer set.
    pub fn deduplication_id(&self) -> Option<&str> {
        self.incoming.deduplication_id.as_deref()
    }

    /// When the message was sent to its queue.
    pub fn sent_at(&self) -> Option<Timestamp> {
        self.incoming.sent_at
    }

    /// The producer's trace, in the format of `AWSTraceHeader`: `Root=1-...;Parent=...;Sampled=1`.
    pub fn trace_header(&self) -> Option<&str> {
        self.incoming.trace_header.as_deref()
    }

    /// The trace of what is sent for the message: the host's, or the producer's if the host has none. A copy of the
    /// producer's would hide a loop of functions from Lambda.
    pub(crate) fn trace_to_send(&self) -> Option<&str> {
        let headers = [self.incoming.host_trace.as_deref(), self.trace_header()];
        headers.into_iter().flatten().find(|header| is_trace_header(header))
    }

    /// The W3C trace that belongs to the message, as [`traceparent`](https://www.w3.org/TR/trace-context/#traceparent-header): that
    /// of its processing if the host records one, or the producer's, of the message or else of its
    /// [CloudEvents](crate::Envelope::CloudEvents) event. Requests of a handler to other services carry it as header.
    ///
    /// What the producer sent is [`attribute`](Self::attribute)`("traceparent")`.
    pub fn traceparent(&self) -> Option<&str> {
        self.incoming.traceparent()
    }

    /// The W3C trace of what is sent for the message: the host's, or the producer's if the host has none.
    pub(crate) fn trace_context(&self) -> Option<TraceContext> {
        self.incoming.trace_context()
    }

    /// The deduplication ID that the producer set, as far as it is known: a message that was sent again has another.
    pub(crate) fn producers_deduplication_id(&self) -> Option<&str> {
        match self.original() {
            Some(original) => original.deduplication_id.as_deref(),
            None => self.deduplication_id(),
        }
    }

    /// The value of a message attribute of type `String` or `Number`.
    ///
    /// Attributes that this crate adds to a message which is sent again are not among them.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.incoming.attributes.get(name)?.string_value.as_deref()
    }

    /// What the message's envelope states, if the handler has an [`Envelope`](crate::Envelope).
    pub fn origin(&self) -> Option<&Origin> {
        self.origin.as_ref()
    }
}

/// A received message with its key: what a handler gets beside the content.
#[derive(Debug, Clone)]
pub struct Delivery {
    pub(crate) received: Received,
    pub(crate) key: Key,
    /// The key without the namespace.
    pub(crate) key_text: String,
    /// Those of the batch.
    pub(crate) metrics: Metrics,
}

/// By message and key. What was measured plays no part.
impl PartialEq for Delivery {
    fn eq(&self, other: &Self) -> bool {
        (&self.received, &self.key, &self.key_text) == (&other.received, &other.key, &other.key_text)
    }
}

impl Eq for Delivery {}

impl From<Incoming> for Received {
    /// The message as it is without an envelope.
    fn from(incoming: Incoming) -> Self {
        Self::new(incoming).0
    }
}

impl Delivery {
    /// A value for an `Idempotency-Key` header: 64 hexadecimal digits, the same at every attempt at this work.
    ///
    /// An effect outside the completion (an HTTP call, for example) is repeated if the process dies before the
    /// completion. The receiver recognises the repetition by this token.
    pub fn idempotency_token(&self) -> String {
        self.key.token()
    }

    /// Counters and values of the handler, which the host adds to its line of metrics.
    ///
    /// ```
    /// # use consumer::{Delivery, Incoming, MessageId, Unit};
    /// # let delivery = Delivery::new("charge-card", Incoming::new(MessageId::new("m-1").unwrap(), "{}")).unwrap();
    /// delivery.metrics().count("CardsCharged", 1);
    /// delivery.metrics().value("AmountCents", 1250, Unit::None);
    /// assert_eq!(delivery.metrics().recorded("AmountCents"), [1250.0]); // in a test
    /// ```
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    pub(crate) fn key(&self) -> &Key {
        &self.key
    }

    pub(crate) fn key_text(&self) -> &str {
        &self.key_text
    }
}

impl Deref for Delivery {
    type Target = Received;

    fn deref(&self) -> &Received {
        &self.received
    }
}

/// One message that is being processed.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) delivery: Delivery,
    /// Everything that is done for the message runs in it, so that each log line has its fields.
    pub(crate) span: Span,
    /// The host's span around it. The handler's task enters both: a layer that does not record `message` finds its own parent there.
    pub(crate) host_span: Span,
}

/// The span of a message. The key is recorded once it is decided, the owner once a lease is granted.
pub(crate) fn span(incoming: &Incoming) -> Span {
    let trace = incoming.trace_header.as_deref().and_then(trace_id);
    // At the highest level: its fields are on every line, at any log level.
    tracing::error_span!(
        "message",
        messageId = incoming.id.as_str(),
        traceId = trace.or_else(|| w3c_trace_id(incoming.traceparent()?)),
        key = Empty,
        owner = Empty
    )
}
