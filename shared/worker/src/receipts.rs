//! The receipts of messages in flight: kept hidden until they are settled, then settled in batches.

mod state;

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use consumer::{Chain, Incoming, Source, SourceError, SourceFault, Verdict};
use futures_util::FutureExt;
use futures_util::stream::{FuturesUnordered, StreamExt};
use idempotency::Timestamp;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until, timeout};

use service::QueueMetrics;
use state::{Due, Request, State};

/// All receipts of one queue. [`Receipts::run`] extends and settles them.
pub(crate) struct Receipts<R: Source> {
    source: Arc<R>,
    state: Mutex<State<R::Receipt>>,
    /// For the one task that runs.
    changed: Notify,
    metrics: QueueMetrics,
}

impl<R: Source> Receipts<R> {
    pub(crate) fn new(source: Arc<R>, metrics: QueueMetrics) -> Arc<Self> {
        let state = State::new(source.queue().window);
        Arc::new(Self {
            source,
            state: Mutex::new(state),
            changed: Notify::new(),
            metrics,
        })
    }

    /// Keeps received messages hidden from now on. Returns those to process: not another delivery of a message that is in flight,
    /// which is settled with that one.
    pub(crate) fn keep(self: &Arc<Self>, received: Vec<(Incoming, R::Receipt)>) -> Vec<(Incoming, Ticket<R>)> {
        let now = Instant::now();
        let kept: Vec<_> = {
            let mut state = self.state();
            let received = received.into_iter();
            received
                .filter_map(|(message, receipt)| Some((state.keep(&message, receipt, now)?, message)))
                .collect()
        };
        self.changed.notify_one();
        let ticket = |number| Ticket {
            receipts: Arc::clone(self),
            number: Some(number),
        };
        kept.into_iter()
            .map(|(number, message)| (message, ticket(number)))
            .collect()
    }

    /// Returns messages to the queue that will not be processed, visible at once.
    pub(crate) fn return_now(self: &Arc<Self>, received: Vec<(Incoming, R::Receipt)>, now: Timestamp) {
        for (_, ticket) in self.keep(received) {
            ticket.settle(Verdict::Retry { at: Some(now) });
        }
    }

    /// How many messages are in flight: received and not settled.
    pub(crate) fn in_flight(&self) -> usize {
        self.state().in_flight()
    }

    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.state().is_empty()
    }

    #[cfg(test)]
    pub(crate) fn source(&self) -> Arc<R> {
        Arc::clone(&self.source)
    }

    /// No message comes any more: [`run`](Self::run) ends when all are settled.
    pub(crate) fn close(&self) {
        self.state().close();
        self.changed.notify_one();
    }

    fn settle(&self, number: u64, verdict: Verdict) {
        self.state().settle(number, verdict, Instant::now());
        self.changed.notify_one();
    }

    /// Extends and settles, until all receipts of a closed queue are settled.
    pub(crate) async fn run(&self) {
        let mut requests = FuturesUnordered::new();
        loop {
            let Due { request, next } = self.state().due(Instant::now());
            match (request, next) {
                (Some(request), _) => requests.push(self.perform(request)),
                (None, None) if requests.is_empty() && self.state().is_finished() => return,
                (None, next) => {
                    let due = async {
                        match next {
                            Some(next) => sleep_until(next).await,
                            None => std::future::pending().await,
                        }
                    };
                    tokio::select! {
                        Some(()) = requests.next(), if !requests.is_empty() => {}
                        () = self.changed.notified() => {}
                        () = due => {}
                    }
                }
            }
        }
    }

    async fn perform(&self, request: Request<R::Receipt>) {
        match request {
            Request::Extend { numbers, mut receipts } => {
                let began = Instant::now();
                let window = self.source.queue().window;
                let extended = self.source.extend(&mut receipts, window);
                let limit = (window / 5).max(SHORTEST_TIMEOUT);
                let results = in_time(&self.source.queue().name, numbers.len(), limit, extended).await;
                self.report(
                    "extend",
                    "can't be hidden for longer, and may be redelivered while processed",
                    &results,
                );
                let receipts = receipts.into_iter().zip(faults(results));
                self.state().extended(numbers.into_iter().zip(receipts), began);
            }
            Request::Settle { numbers, mut messages } => {
                let settled = self.source.settle(&mut messages);
                let limit = self.source.queue().settling.max(SHORTEST_TIMEOUT);
                let results = in_time(&self.source.queue().name, numbers.len(), limit, settled).await;
                self.report(
                    "settle",
                    "messages were not deleted or delayed; this is tried again",
                    &results,
                );
                let receipts = messages.into_iter().map(|(receipt, _)| receipt).zip(faults(results));
                self.state().settled(numbers.into_iter().zip(receipts), Instant::now());
            }
        }
    }

    /// Logs one line for all errors of a request: they have one cause.
    fn report(&self, operation: &str, what: &str, results: &[Result<(), SourceError>]) {
        let messages = results.iter().filter(|result| result.is_err()).count();
        self.metrics.errors(operation, messages);
        let Some(Err(error)) = results.iter().find(|result| result.is_err()) else {
            return;
        };
        let why = Chain(error);
        match error.fault {
            SourceFault::ReceiptLost => tracing::warn!(
                messages,
                "receipts are no longer valid, and the queue redelivers their messages: {why}"
            ),
            SourceFault::Unavailable | SourceFault::Refused => tracing::warn!(messages, "{what}: {why}"),
        }
    }

    /// A panic while it is locked can't leave half a change behind, so a poisoned lock is usable.
    fn state(&self) -> MutexGuard<'_, State<R::Receipt>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Of a request. Enough for several attempts of a client.
const SHORTEST_TIMEOUT: Duration = Duration::from_secs(2);

type Results = Vec<Result<(), SourceError>>;

/// The results of a request for this many messages. One without an answer would keep their receipts for ever, so it is given up,
/// and repeated. The same holds if it panics.
async fn in_time(queue: &str, messages: usize, limit: Duration, request: impl Future<Output = Results>) -> Results {
    let failed = |why: String| {
        let error = |_| {
            Err(SourceError {
                queue: queue.to_owned(),
                fault: SourceFault::Unavailable,
                why: why.clone().into(),
            })
        };
        (0..messages).map(error).collect()
    };
    match timeout(limit, AssertUnwindSafe(request).catch_unwind()).await {
        Ok(Ok(results)) => results,
        Ok(Err(_)) => failed("the request panicked".to_owned()),
        Err(_) => failed(format!("no answer within {limit:?}")),
    }
}

fn faults(results: Vec<Result<(), SourceError>>) -> impl Iterator<Item = Result<(), SourceFault>> {
    // A source that returns too few results has not confirmed the rest.
    let results = results.into_iter().map(|result| result.map_err(|error| error.fault));
    results.chain(std::iter::repeat(Err(SourceFault::Unavailable)))
}

/// One message in flight, which is settled exactly once. A ticket that is dropped returns its message to the queue.
pub(crate) struct Ticket<R: Source> {
    receipts: Arc<Receipts<R>>,
    number: Option<u64>,
}

impl<R: Source> Ticket<R> {
    pub(crate) fn settle(mut self, verdict: Verdict) {
        if let Some(number) = self.number.take() {
            self.receipts.settle(number, verdict);
        }
    }
}

impl<R: Source> Drop for Ticket<R> {
    fn drop(&mut self) {
        if let Some(number) = self.number.take() {
            self.receipts.settle(number, Verdict::Retry { at: None });
        }
    }
}

/// After this time, deletes are sent although fewer messages are done than fit a request.
const SETTLE_WITHIN: Duration = Duration::from_millis(200);

#[cfg(test)]
mod tests;
