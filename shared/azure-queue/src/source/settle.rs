//! Extending and settling. The service has no requests for several messages.

use std::time::Duration;

use consumer::Verdict;
use futures_util::future::join_all;
use idempotency::Timestamp;

use super::{AzureQueueReceipt, AzureQueueSource};
use crate::fault::Fault;
use crate::xml::Message;

/// Requests at a time.
const CONCURRENT: usize = 32;

impl AzureQueueReceipt {
    pub(super) fn of(message: Message) -> Self {
        Self {
            message_id: message.message_id,
            pop_receipt: message.pop_receipt,
        }
    }
}

impl AzureQueueSource {
    pub(super) async fn extend_all(&self, receipts: &mut [AzureQueueReceipt], by: Duration) -> Vec<Result<(), Fault>> {
        let mut results = Vec::with_capacity(receipts.len());
        for receipts in receipts.chunks_mut(CONCURRENT) {
            results.extend(join_all(receipts.iter_mut().map(|receipt| self.hide(receipt, by))).await);
        }
        results
    }

    pub(super) async fn settle_all(&self, messages: &mut [(AzureQueueReceipt, Verdict)]) -> Vec<Result<(), Fault>> {
        let mut results = Vec::with_capacity(messages.len());
        for messages in messages.chunks_mut(CONCURRENT) {
            let settled = messages
                .iter_mut()
                .map(|(receipt, verdict)| self.settle_one(receipt, *verdict));
            results.extend(join_all(settled).await);
        }
        results
    }

    async fn settle_one(&self, receipt: &mut AzureQueueReceipt, verdict: Verdict) -> Result<(), Fault> {
        match verdict {
            Verdict::Done | Verdict::Rejected => {
                let client = &self.queues.client;
                client
                    .delete(&self.url.queue, &receipt.message_id, &receipt.pop_receipt)
                    .await
            }
            Verdict::Retry { at: Some(at) } => self.hide(receipt, Timestamp::now().until(at)).await,
            Verdict::Retry { at: None } => Ok(()),
        }
    }

    /// An old pop receipt fails, so the new one is kept. If the answer is lost, so is the receipt: the message is redelivered
    /// when it is no longer hidden, and its record in the ledger states whether it is done.
    async fn hide(&self, receipt: &mut AzureQueueReceipt, by: Duration) -> Result<(), Fault> {
        let client = &self.queues.client;
        let updated = client.update(&self.url.queue, &receipt.message_id, &receipt.pop_receipt, by);
        receipt.pop_receipt = updated.await?;
        Ok(())
    }
}
