//! A batch in numbers.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use crate::outcome::Outcome;

/// What became of a batch, in numbers. Each record of the event counts once.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Summary {
    /// Work that was done.
    pub done: u32,
    /// Work that had been done before.
    pub duplicate: u32,
    /// Work that another attempt held the lease of.
    pub in_progress: u32,
    /// Work that was not done, and may be at a later delivery.
    pub failed: u32,
    /// Work that can never be done.
    pub rejected: u32,
    /// Messages that there was no time for, or whose group was held up.
    pub not_started: u32,
    /// Leases that another attempt took over: the lease was too short for the work, or a clock is wrong.
    pub lost_leases: u32,
    /// Time in handlers, added up over messages that ran side by side.
    pub handler_time: Duration,
    /// Time waiting for the ledger, added up likewise.
    pub ledger_time: Duration,
    /// Since the oldest of the messages was sent, if the queue said when.
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

/// What is counted while messages run side by side.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    lost_leases: AtomicU32,
    handler_micros: AtomicU64,
    ledger_micros: AtomicU64,
}

impl Tally {
    pub(crate) fn lost_lease(&self) {
        self.lost_leases.fetch_add(1, Ordering::Relaxed);
    }

    /// Awaits work of a handler's, and counts its time.
    pub(crate) async fn handling<F: Future>(&self, work: F) -> F::Output {
        timed(&self.handler_micros, work).await
    }

    /// Awaits an answer of the ledger's, and counts its time.
    pub(crate) async fn asking<F: Future>(&self, request: F) -> F::Output {
        timed(&self.ledger_micros, request).await
    }

    pub(crate) fn add_to(&self, summary: Summary) -> Summary {
        let micros = |counter: &AtomicU64| Duration::from_micros(counter.load(Ordering::Relaxed));
        Summary {
            lost_leases: self.lost_leases.load(Ordering::Relaxed),
            handler_time: micros(&self.handler_micros),
            ledger_time: micros(&self.ledger_micros),
            ..summary
        }
    }
}

async fn timed<F: Future>(counter: &AtomicU64, future: F) -> F::Output {
    let started = Instant::now();
    let output = future.await;
    counter.fetch_add(
        started.elapsed().as_micros().try_into().unwrap_or(u64::MAX),
        Ordering::Relaxed,
    );
    output
}
