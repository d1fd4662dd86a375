//! The outcomes of a batch, counted.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use futures_util::FutureExt;
use tokio::time::Instant;

use crate::outcome::Outcome;

/// The outcomes of a batch, counted. Each message of the batch counts once, also one that is delivered twice in it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Summary {
    /// Messages whose work was done by this attempt.
    pub done: u32,
    /// Messages whose work was done before.
    pub duplicate: u32,
    /// Messages whose lease another attempt holds.
    pub in_progress: u32,
    /// Messages that were not processed, and may be at a later delivery.
    pub failed: u32,
    /// Messages that can never be processed, dead-lettered or not.
    pub rejected: u32,
    /// Messages that there was no time for, or whose message group waits.
    pub not_started: u32,
    /// Leases that another attempt took over: a handler outran its lease, or a clock is wrong.
    pub lost_leases: u32,
    /// Messages about which the ledger gave no answer, or refused one: nothing was acknowledged for them.
    pub ledger_errors: u32,
    /// Time in handlers, summed over messages that were processed concurrently.
    pub handler_time: Duration,
    /// Time waiting for the ledger, summed in the same way.
    pub ledger_time: Duration,
    /// Time since the oldest of the messages was sent; `None` if the queue does not report it.
    pub oldest_message_age: Option<Duration>,
}

impl Summary {
    pub(crate) fn count(&mut self, outcome: &Outcome) {
        let counter = match outcome {
            Outcome::Done => &mut self.done,
            Outcome::Duplicate => &mut self.duplicate,
            Outcome::InProgress { .. } => &mut self.in_progress,
            Outcome::Failed { .. } => &mut self.failed,
            Outcome::Rejected { .. } => &mut self.rejected,
            Outcome::NotStarted => &mut self.not_started,
        };
        *counter += 1;
    }
}

/// What concurrent messages count.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    lost_leases: AtomicU32,
    ledger_errors: AtomicU32,
    handler_micros: AtomicU64,
    ledger_micros: AtomicU64,
}

impl Counters {
    pub(crate) fn lost_lease(&self) {
        self.lost_leases.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn ledger_error(&self) {
        self.ledger_errors.fetch_add(1, Ordering::Relaxed);
    }

    /// Adds the time of a handler, from now to its output.
    pub(crate) fn time_handler<F: Future>(&self, work: F) -> impl Future<Output = F::Output> {
        timed(&self.handler_micros, work)
    }

    /// Adds the time of a request to the ledger.
    pub(crate) fn time_ledger<F: Future>(&self, request: F) -> impl Future<Output = F::Output> {
        timed(&self.ledger_micros, request)
    }

    pub(crate) fn add_to(&self, summary: Summary) -> Summary {
        let micros = |counter: &AtomicU64| Duration::from_micros(counter.load(Ordering::Relaxed));
        Summary {
            lost_leases: self.lost_leases.load(Ordering::Relaxed),
            ledger_errors: self.ledger_errors.load(Ordering::Relaxed),
            handler_time: micros(&self.handler_micros),
            ledger_time: micros(&self.ledger_micros),
            ..summary
        }
    }
}

/// Not an `async fn`, which would hold the future twice: as its argument, and while it awaits it.
fn timed<F: Future>(counter: &AtomicU64, future: F) -> impl Future<Output = F::Output> {
    let started = Instant::now();
    future.map(move |output| {
        let micros = started.elapsed().as_micros().try_into().unwrap_or(u64::MAX);
        counter.fetch_add(micros, Ordering::Relaxed);
        output
    })
}
