//! The records of one invocation, from the event to the response.

use std::sync::Arc;

use aws_lambda_events::sqs::SqsBatchResponse;
use consumer::{Handler, Metric, QueueError, Queues, Services, Summary, Verdict, process_batch};
use futures_util::future::join;
use idempotency::Store;
use sqs::VisibilityChange;

use crate::answer;
use crate::event::Records;
use crate::invocation::Invocation;
use crate::triage::{Triage, dead_letter, triage};

/// The result of an invocation.
pub(crate) struct Processed {
    /// The response; or why there is none: a message must not be acknowledged, and nothing can name it in the response.
    pub(crate) response: Result<SqsBatchResponse, String>,
    pub(crate) summary: Summary,
    /// What the handler measured.
    pub(crate) metrics: Vec<Metric>,
}

/// Processes the records, sets the delays of those that stay in the queue, and builds the response.
pub(crate) async fn process<H: Handler, S: Store<Write = H::Write>, Q: Queues, F>(
    handler: &Arc<H>,
    services: &Services<S, Q>,
    records: Records,
    invocation: &Invocation,
    change_visibility: impl Fn(Vec<VisibilityChange>) -> F,
) -> Processed
where
    F: Future<Output = Result<(), QueueError>>,
{
    let (ordered, budget, queue_arn) = (records.ordered(), &invocation.budget, records.queue_arn.clone());
    let Triage {
        mut messages,
        receipt_handles,
        listed,
        unlisted,
        returned,
        held,
    } = triage(records);
    let trace = &invocation.trace;
    messages
        .iter_mut()
        .for_each(|message| message.host_trace.clone_from(trace));
    let without_id = u32::try_from(unlisted.len()).unwrap_or(u32::MAX);
    let processed = process_batch(handler, services, messages, ordered, budget);
    // Concurrently: a dead-letter queue that does not answer must not use up the messages' time.
    let dead_lettered = dead_letter(unlisted, &queue_arn, ordered, handler, services, invocation);
    let (report, dead_lettered) = join(processed, dead_lettered).await;
    // The clock of the verdicts, which never runs backwards.
    let delays = answer::delays(budget.now(), receipt_handles, &report.verdicts);
    answer::change_all(&queue_arn, delays, invocation.delays_end, change_visibility).await;
    let mut verdicts = report.verdicts.into_iter();
    let verdicts = listed.iter().map(|(id, is_processed)| {
        let verdict = is_processed.then(|| verdicts.next()).flatten();
        (id.as_str(), verdict.unwrap_or(Verdict::Retry { at: None }))
    });
    let mut summary = report.summary;
    summary.failed += returned;
    summary.rejected += without_id;
    summary.not_started += held;
    Processed {
        response: dead_lettered.map(|()| answer::response(verdicts)),
        summary,
        metrics: report.metrics,
    }
}

#[cfg(test)]
mod tests;
