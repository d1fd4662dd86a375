//! What the messages of a batch share while they are processed.

use std::sync::Arc;

use idempotency::{Store, StoreError};

use crate::summary::Counters;
use crate::{Budget, Handler, Queues, Services};

/// A batch that is being processed.
pub(crate) struct Batch<'a, H, S, Q> {
    pub(crate) handler: &'a Arc<H>,
    pub(crate) services: &'a Services<S, Q>,
    pub(crate) budget: &'a Budget,
    pub(crate) ordered: bool,
    pub(crate) counters: Counters,
}

impl<H: Handler, S: Store<Write = H::Write>, Q: Queues> Batch<'_, H, S, Q> {
    /// The ledger's answer, or an error if it takes longer than the budget has for the ledger.
    pub(crate) async fn in_time<T>(
        &self,
        request: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let answer = self.counters.time_ledger(self.budget.for_ledger(request)).await;
        answer.unwrap_or_else(|| Err(StoreError::NoAnswer("deadline exceeded".into())))
    }
}
