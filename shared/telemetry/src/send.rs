//! The spans of messages that are sent.

use consumer::{Limits, QueueError, QueueMessage, Queues, TraceContext};
use opentelemetry::trace::Status;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

use crate::context;
use crate::name::{TARGET, destination};

/// Queues whose messages each have a span `send QUEUE` while they are sent, and carry its trace.
///
/// The parent of a span is what the message's attribute `traceparent` names; without it, the current span. If no traces are
/// exported, messages are sent as they are.
#[derive(Debug)]
pub struct TracedQueues<Q> {
    system: &'static str,
    queues: Q,
}

impl<Q> TracedQueues<Q> {
    /// `system` is the name of the messaging system in OpenTelemetry, such as `aws_sqs`.
    pub fn new(system: &'static str, queues: Q) -> Self {
        Self { system, queues }
    }

    /// The queues themselves.
    pub fn inner(&self) -> &Q {
        &self.queues
    }
}

impl<Q: Queues> Queues for TracedQueues<Q> {
    async fn send(&self, queue: &str, messages: &[QueueMessage]) -> Result<(), QueueError> {
        let spans: Vec<_> = messages.iter().map(|_| self.span(queue)).collect();
        if spans.iter().all(Span::is_disabled) {
            return self.queues.send(queue, messages).await;
        }
        let limits = self.queues.limits(queue);
        let messages = messages.iter().zip(&spans);
        let messages: Vec<_> = messages.map(|(message, span)| traced(message, span, &limits)).collect();
        let result = self.queues.send(queue, &messages).await;
        if let Err(error) = &result {
            failed(&spans, error);
        }
        result
    }

    fn limits(&self, queue: &str) -> Limits {
        self.queues.limits(queue)
    }
}

impl<Q> TracedQueues<Q> {
    fn span(&self, queue: &str) -> Span {
        tracing::trace_span!(
            target: TARGET,
            "send",
            otel.name = format!("send {}", destination(queue)),
            otel.kind = "producer",
            messaging.system = self.system,
            messaging.operation.name = "send",
            messaging.operation.type = "send",
            messaging.destination.name = destination(queue),
        )
    }
}

/// The message with the trace of its span instead of its own.
fn traced(message: &QueueMessage, span: &Span, limits: &Limits) -> QueueMessage {
    let mut message = message.clone();
    if let Some(own) = TraceContext::of(&message.attributes) {
        context::continue_from(span, &own);
    }
    if let Some(trace) = context::of(span) {
        trace.replace_in(&mut message, limits);
    }
    message
}

/// The messages that the error does not name are sent. If it names none, it is unknown which are.
fn failed(spans: &[Span], error: &QueueError) {
    for (position, span) in spans.iter().enumerate() {
        if error.unsent.is_empty() || error.unsent.contains(&position) {
            span.set_attribute("error.type", "unconfirmed");
            span.set_status(Status::error(""));
        }
    }
}
