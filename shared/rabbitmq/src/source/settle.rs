//! Settling.

use std::sync::atomic::Ordering;

use consumer::{SourceFault, Verdict};
use futures_util::future::{join, join_all};
use idempotency::Timestamp;

use super::RabbitMqSource;
use crate::RabbitMqReceipt;
use crate::delays::{WAIT_QUEUES, not_before, wait_queue};
use crate::fault::Fault;
use crate::properties::Publication;

impl RabbitMqSource {
    /// Acknowledges what is done. What is retried is acknowledged once its copy waits.
    pub(super) async fn settle_all(&self, messages: &mut [(RabbitMqReceipt, Verdict)]) -> Vec<Result<(), Fault>> {
        let now = Timestamp::now();
        let (mut retries, mut copies) = (Vec::new(), Vec::new());
        for (position, (receipt, verdict)) in messages.iter_mut().enumerate() {
            match verdict {
                Verdict::Retry { .. } if self.topology.ordered => receipt.leave(),
                // The broker redelivers a message whose receipt is lost: a copy would be one too many.
                Verdict::Retry { at } if receipt.is_valid() => {
                    let not_before = not_before(now, *at);
                    retries.push(position);
                    copies.push((wait_queue(now.until(not_before)), receipt.delayed(not_before)));
                }
                _ => {}
            }
        }
        let done = messages.iter_mut().map(async |(receipt, verdict)| {
            match !verdict.is_acknowledged() && receipt.is_valid() {
                true => Ok(()),
                false => receipt.acknowledge().await,
            }
        });
        let (mut results, copied) = join(join_all(done), self.delay(copies)).await;
        for (position, copied) in retries.into_iter().zip(copied) {
            results[position] = match copied {
                Ok(()) => messages[position].0.acknowledge().await,
                Err(fault) => Err(fault),
            };
        }
        if self.is_closed() {
            self.await_broker(&mut results).await;
        }
        results
    }

    /// An acknowledgement has no reply, and one on its way is lost with the process, which may end now. So this waits for the
    /// reply to a later request.
    async fn await_broker(&self, results: &mut [Result<(), Fault>]) {
        let feed = self.feed.lock().await;
        let answered = match &feed.session {
            Some(session) => session.ping(self.prefetch).await,
            None => Err(Fault::lost(None)),
        };
        if let Err(fault) = answered {
            for result in results.iter_mut().filter(|result| result.is_ok()) {
                *result = Err(Fault {
                    means: SourceFault::ReceiptLost,
                    why: format!("the broker may redeliver it: {}", fault.why),
                });
            }
        }
    }

    /// Publishes each copy to its wait queue. One result for each, in order: `Ok` if it is confirmed.
    pub(super) async fn delay(&self, copies: Vec<(usize, Publication)>) -> Vec<Result<(), Fault>> {
        let mut queues = vec![(Vec::new(), Vec::new()); WAIT_QUEUES.len()];
        let count = copies.len();
        for (position, (queue, copy)) in copies.into_iter().enumerate() {
            queues[queue].0.push(position);
            queues[queue].1.push(copy);
        }
        let published = queues
            .into_iter()
            .enumerate()
            .map(async |(queue, (positions, copies))| {
                let results = self.publisher.publish(&self.topology.wait_queue(queue), &copies).await;
                positions.into_iter().zip(results)
            });
        let mut results = vec![Ok(()); count];
        for (position, result) in join_all(published).await.into_iter().flatten() {
            results[position] = result.map_err(|fault| self.not_delayed(fault));
        }
        results
    }

    /// A wait queue that is missing is declared at the next receive: another try may succeed then.
    fn not_delayed(&self, fault: Fault) -> Fault {
        if fault.means == SourceFault::Refused {
            self.incomplete.store(true, Ordering::Relaxed);
        }
        Fault::unavailable(fault.why)
    }
}
