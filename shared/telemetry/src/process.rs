//! The span of a message that is processed.

use consumer::{Incoming, Summary};
use opentelemetry::trace::Status;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

use crate::context;
use crate::name::{TARGET, destination};

/// The span `process QUEUE` of one message, from its start until its outcome is known.
///
/// Its attributes are those of the [semantic conventions](https://opentelemetry.io/docs/specs/semconv/messaging/messaging-spans/),
/// and `outcome`. If no traces are exported it does not exist, and costs nothing.
#[derive(Debug)]
pub struct ProcessSpan(Span);

impl ProcessSpan {
    /// Starts the span. Its parent is what the message's attribute `traceparent` names. What is sent for the message, and the
    /// handler's own spans, are below it.
    ///
    /// `system` is the name of the messaging system in OpenTelemetry, such as `aws_sqs`; `queue` is the queue's name or URL.
    pub fn start(system: &'static str, queue: &str, message: &mut Incoming) -> Self {
        let span = tracing::trace_span!(
            target: TARGET,
            "process",
            otel.name = format!("process {}", destination(queue)),
            otel.kind = "consumer",
            messaging.system = system,
            messaging.operation.name = "process",
            messaging.operation.type = "process",
            messaging.destination.name = destination(queue),
            messaging.message.id = message.id.as_str(),
        );
        if !span.is_disabled() {
            if let Some(trace) = message.trace_context() {
                context::continue_from(&span, &trace);
            }
            if let Some(own) = context::of(&span) {
                message.host_trace_context = Some(own);
            }
        }
        Self(span)
    }

    /// The span, in which the message is processed.
    pub fn span(&self) -> Span {
        self.0.clone()
    }

    /// Ends the span with the outcome of its message, and returns it.
    pub fn end(self, summary: &Summary) -> &'static str {
        let outcome = outcome(summary);
        if self.0.is_disabled() {
            return outcome;
        }
        self.0.set_attribute("outcome", outcome);
        if matches!(outcome, "failed" | "rejected") {
            self.0.set_attribute("error.type", outcome);
            // Why is in the log: it may quote what a trace must not have.
            self.0.set_status(Status::error(""));
        }
        outcome
    }
}

/// The outcome of the one message that is counted.
fn outcome(summary: &Summary) -> &'static str {
    let counted = [
        (summary.done, "done"),
        (summary.duplicate, "duplicate"),
        (summary.in_progress, "in progress"),
        (summary.failed, "failed"),
        (summary.rejected, "rejected"),
    ];
    let counted = counted.into_iter().find(|(count, _)| *count > 0);
    counted.map_or("not started", |(_, outcome)| outcome)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "all of this is tests")]

    use consumer::MessageId;

    use super::*;

    #[test]
    fn a_message_stays_as_it_is_if_no_traces_are_exported() {
        let received = Incoming::new(MessageId::new("m-1").unwrap(), "{}");
        let mut message = received.clone();
        let span = ProcessSpan::start("aws_sqs", "orders", &mut message);
        assert!(span.span().is_disabled());
        assert_eq!(message, received);
        assert_eq!(span.end(&Summary::default()), "not started");
    }

    #[test]
    fn an_outcome_is_one_of_the_vocabulary() {
        let of = |change: fn(&mut Summary)| {
            let mut summary = Summary::default();
            change(&mut summary);
            outcome(&summary)
        };
        assert_eq!(of(|it| it.done = 1), "done");
        assert_eq!(of(|it| it.in_progress = 1), "in progress");
        assert_eq!(of(|it| it.rejected = 1), "rejected");
        assert_eq!(of(|it| it.not_started = 1), "not started");
    }
}
