//! The lease of a handler that runs: extended while the handler takes longer than the lease lasts.

use std::pin::pin;

use idempotency::{Lease, Store};
use tokio::time::{Instant, sleep_until};

use crate::batch::Batch;
use crate::failure::Chain;
use crate::{Handler, Queues};

impl<H: Handler, S: Store<Write = H::Write>, Q: Queues> Batch<'_, H, S, Q> {
    /// The output of the work, during which the lease is extended if the budget is renewable; `None` if another attempt has
    /// taken the lease over.
    ///
    /// Extensions are sequential, and the last has ended before the output is returned. The lease then lasts for as long as settling
    /// may take, unless extending it failed. An extension that was given up may arrive after that if it shared a request: it is
    /// refused, because the record is no claim any more.
    pub(crate) async fn extended_while<F: Future>(&self, work: F, lease: Option<&mut Lease>) -> Option<F::Output> {
        let Some(lease) = lease else {
            return Some(work.await);
        };
        let mut work = pin!(work);
        let mut not_before = Instant::now();
        loop {
            let Some(due) = self.budget.extension(lease.end()) else {
                return Some(work.await);
            };
            tokio::select! {
                biased;
                output = &mut work => {
                    let is_held = due > Instant::now() || Box::pin(self.extend(lease)).await;
                    return is_held.then_some(output);
                }
                () = sleep_until(due.max(not_before)) => {}
            }
            if !Box::pin(self.extend(lease)).await {
                return None;
            }
            // After an error the next is due at once.
            not_before = Instant::now() + self.budget.total() / 20;
        }
    }

    /// Whether the lease is still held, as far as the ledger answers. Callers put it on the heap: few handlers need it.
    async fn extend(&self, lease: &mut Lease) -> bool {
        // Three extensions fit the second half of a lease, and the pauses between them.
        let until = self.budget.ledger_end().min(Instant::now() + self.budget.total() / 6);
        let end = self.budget.lease_end();
        let extended = self.services.ledger.extend(lease, end, until);
        match self.counters.time_ledger(extended).await {
            Ok(is_held) => is_held,
            Err(error) => {
                tracing::warn!("the lease was not extended, and is tried again: {}", Chain(&error));
                true
            }
        }
    }
}
