//! What the processing of a batch's messages shares.

use std::sync::Arc;

use idempotency::{Store, StoreError};

use crate::summary::Tally;
use crate::{Budget, Handler, Queues, Services};

/// A batch under way.
pub(crate) struct Batch<'a, H, S, Q> {
    pub(crate) handler: &'a Arc<H>,
    pub(crate) services: &'a Services<S, Q>,
    pub(crate) budget: &'a Budget,
    pub(crate) ordered: bool,
    pub(crate) tally: Tally,
}

impl<H: Handler, S: Store<Write = H::Write>, Q: Queues> Batch<'_, H, S, Q> {
    /// The ledger's answer, if it arrives before the time for it ends.
    pub(crate) async fn in_time<T>(
        &self,
        request: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let answer = self.tally.asking(self.budget.for_ledger(request)).await;
        answer.unwrap_or_else(|| Err(StoreError::NoAnswer("deadline exceeded".into())))
    }
}
