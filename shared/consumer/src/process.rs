//! A batch of messages, or one message, from `Incoming` to its verdict.

use std::future::ready;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::FutureExt;
use futures_util::stream::{self, StreamExt};
use idempotency::{Store, StoreError};
use tracing::Instrument;

use crate::batch::Batch;
use crate::delivery::Message;
use crate::failure::Chain;
use crate::order::{Order, order};
use crate::outcome::Outcome;
use crate::prepare::{Prepared, panicked, prepare};
use crate::summary::Counters;
use crate::verdict::{Verdict, verdict};
use crate::{Budget, Handler, Incoming, Metric, Metrics, Queues, Services, Summary};

/// How many messages are processed concurrently: as many as a Lambda batch has by default. It is also the number of
/// connections to the store.
pub const CONCURRENCY: usize = 10;

/// The result of a batch.
#[derive(Debug)]
pub struct Report {
    /// One verdict for each message, in the order of the batch.
    pub verdicts: Vec<Verdict>,
    /// The outcomes of its messages, counted.
    pub summary: Summary,
    /// What the handler measured, by [`Delivery::metrics`](crate::Delivery::metrics).
    pub metrics: Vec<Metric>,
}

/// Processes a batch of messages. Every message counts as failed until it is proven done.
///
/// On an `ordered` queue the messages of a group are processed in order, groups concurrently; after a failure the rest of the
/// group is not started. On other queues messages are processed concurrently, those of one key in order. A message that is
/// delivered twice in one batch is processed once. The verdicts are returned before the end of the budget.
pub async fn process_batch<H: Handler, S: Store<Write = H::Write>, Q: Queues>(
    handler: &Arc<H>,
    services: &Services<S, Q>,
    messages: Vec<Incoming>,
    ordered: bool,
    budget: &Budget,
) -> Report {
    let metrics = Metrics::default();
    let prepared = messages
        .into_iter()
        .map(|message| prepare(&**handler, message, &metrics));
    let (messages, contents): (Vec<_>, Vec<_>) = prepared.unzip();
    let batch = Batch {
        handler,
        services,
        budget,
        ordered,
        counters: Counters::default(),
    };
    let results = batch.run(&messages, contents).await;
    let mut summary = Summary::default();
    results.iter().for_each(|result| summary.count(&result.outcome));
    let sent = messages.iter().filter_map(|message| message.delivery.sent_at());
    summary.oldest_message_age = sent.map(|sent| sent.until(budget.now())).max();
    Report {
        verdicts: results.into_iter().map(|result| result.verdict).collect(),
        summary: batch.counters.add_to(summary),
        metrics: metrics.all(),
    }
}

/// Processes one message, for hosts that settle messages one by one: its verdict, and what the host measures of it.
///
/// `ordered` states whether the queue keeps the order of message groups: a rejected message may then have to
/// [hold its group](Handler::HOLD_GROUP).
pub async fn process_one<H: Handler, S: Store<Write = H::Write>, Q: Queues>(
    handler: &Arc<H>,
    services: &Services<S, Q>,
    message: Incoming,
    ordered: bool,
    budget: &Budget,
) -> (Verdict, Summary, Vec<Metric>) {
    let Report {
        mut verdicts,
        summary,
        metrics,
    } = process_batch(handler, services, vec![message], ordered, budget).await;
    (verdicts.pop().unwrap_or(Verdict::UNKNOWN), summary, metrics)
}

impl<H: Handler, S: Store<Write = H::Write>, Q: Queues> Batch<'_, H, S, Q> {
    /// Outcome and verdict of each message, in the order of the batch.
    async fn run(&self, messages: &[Message], contents: Vec<Prepared<H::Message>>) -> Vec<Processed> {
        let Order { sequences, copies } = order(messages, self.ordered);
        let mut contents: Vec<_> = contents.into_iter().map(Some).collect();
        let mut take = |position: usize| Some((position, contents[position].take()?));
        let sequences = sequences.into_iter();
        let sequences: Vec<Vec<_>> = sequences
            .map(|positions| positions.into_iter().filter_map(&mut take).collect())
            .collect();
        let results = Results::of(messages.len());
        // Collected: inside a closure, the compiler could not show that the whole is `Send`. On the heap, because they are moved
        // several times.
        let sequences: Vec<_> = sequences
            .into_iter()
            .map(|sequence| Box::pin(self.run_sequence(sequence, messages, &results)))
            .collect();
        let all = stream::iter(sequences).buffer_unordered(CONCURRENCY).for_each(ready);
        // Everything inside stays within the budget. This guards against a ledger that does not.
        if self.budget.for_ledger(all).await.is_none() {
            tracing::error!("some messages were not finished before the deadline");
        }
        let mut results = results.into_inner();
        for (copy, first) in copies {
            results[copy] = results[first].clone();
        }
        results
    }

    /// Processes the messages of a sequence in order. After one that stays in the queue, the rest is not started.
    async fn run_sequence(
        &self,
        sequence: Vec<(usize, Prepared<H::Message>)>,
        messages: &[Message],
        results: &Results,
    ) {
        let mut held = None;
        for (position, prepared) in sequence {
            let message = &messages[position];
            let outcome = match held.is_some() || self.budget.is_spent() {
                true => Outcome::NotStarted,
                false => self.run_one(message, prepared).await,
            };
            let receives = message.delivery.receive_count();
            // An ordered queue holds a group while any of its messages is invisible: all have the delay of the first.
            let verdict = held.unwrap_or_else(|| verdict(&outcome, receives, &self.services.retry_delays, self.budget));
            held = Some(verdict).filter(|verdict| !verdict.is_acknowledged());
            results.set(position, Processed { outcome, verdict });
        }
    }

    async fn run_one(&self, message: &Message, prepared: Prepared<H::Message>) -> Outcome {
        let processed = async {
            // The handler runs in a task of its own. `Write::refusal` is the author's code too, and may panic.
            let processed = AssertUnwindSafe(self.process(message, prepared)).catch_unwind().await;
            // Whether a request to the ledger was in flight is unknown.
            let processed = processed.unwrap_or_else(|panic| Ok(Outcome::from(&panicked(&*panic))));
            let outcome = match processed {
                Ok(outcome) => self.at_last_receive(message, outcome).await,
                Err(error) => {
                    if !matches!(error, StoreError::Conflict { .. }) {
                        self.counters.ledger_error();
                    }
                    Outcome::failed(Chain(&error).to_string())
                }
            };
            outcome.log();
            outcome
        };
        processed.instrument(message.span.clone()).await
    }
}

/// Outcome and verdict of a message.
#[derive(Debug, Clone)]
struct Processed {
    outcome: Outcome,
    verdict: Verdict,
}

/// Outcome and verdict of each message. Until they are set, a message counts as failed.
struct Results(Mutex<Vec<Processed>>);

impl Results {
    fn of(messages: usize) -> Self {
        let unknown = Processed {
            outcome: Outcome::NotStarted,
            verdict: Verdict::UNKNOWN,
        };
        Self(Mutex::new(vec![unknown; messages]))
    }

    fn set(&self, position: usize, result: Processed) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)[position] = result;
    }

    fn into_inner(self) -> Vec<Processed> {
        self.0.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A host may spawn it: this compiles.
    #[expect(dead_code, reason = "to compile it is the test")]
    fn one_message_can_be_processed_in_a_task<H: Handler, S: Store<Write = H::Write>, Q: Queues>(
        handler: Arc<H>,
        services: Arc<Services<S, Q>>,
        message: Incoming,
        budget: Budget,
    ) {
        fn is_task(_: impl Future + Send + 'static) {}
        is_task(async move { process_one(&handler, &services, message, true, &budget).await });
    }
}
