//! A message that is processed, and what is observed of it.

use std::sync::Arc;

use consumer::{Budget, Handler, Incoming, Queues, Services, Verdict, process_one};
use idempotency::Store;
use telemetry::ProcessSpan;
use tokio::time::Instant;
use tracing::Instrument;

use crate::QueueMetrics;

/// How the messages of a queue are observed.
#[derive(Debug, Clone)]
pub struct Observed {
    /// The messaging system's name in OpenTelemetry.
    pub system: &'static str,
    /// The queue's name.
    pub queue: String,
    /// The queue's metrics.
    pub metrics: QueueMetrics,
    /// Whether each message has a line in the log, also one that is done.
    pub logs_messages: bool,
}

impl Observed {
    /// Processes one message: its verdict.
    pub async fn process<H: Handler, S: Store<Write = H::Write>, Q: Queues>(
        &self,
        handler: &Arc<H>,
        services: &Services<S, Q>,
        mut message: Incoming,
        ordered: bool,
        budget: &Budget,
    ) -> Verdict {
        let (logged, began) = (self.logs_messages.then(|| message.id.clone()), Instant::now());
        let traced = ProcessSpan::start(self.system, &self.queue, &mut message);
        let processed = process_one(handler, services, message, ordered, budget);
        let (verdict, summary, own) = processed.instrument(traced.span()).await;
        let outcome = traced.end(&summary);
        if let Some(id) = logged {
            let milliseconds = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
            tracing::info!(messageId = id.as_str(), milliseconds, "{outcome}");
        }
        self.metrics.processed(&summary, &own);
        verdict
    }
}
