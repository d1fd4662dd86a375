//! How the work of a message ends in the ledger: completed, released or rejected.

use idempotency::{Attempt, Completion, Existing, Hold, Refusal, Sealed, Settled, Store, StoreError, Unsealed};

use crate::batch::Batch;
use crate::dead_letter;
use crate::delivery::Message;
use crate::failure::{Chain, Failure};
use crate::limits::Unsendable;
use crate::outcome::Outcome;
use crate::send::Outgoing;
use crate::{Handler, QueueError, QueueMessage, Queues};

impl<H: Handler, S: Store<Write = H::Write>, Q: Queues> Batch<'_, H, S, Q> {
    /// Commits a completion and sends its messages. A completion that can't be recorded or sent is rejected before anything
    /// is committed.
    pub(crate) async fn complete(
        &self,
        message: &Message,
        hold: Hold,
        completion: Completion<H::Write>,
    ) -> Result<Outcome, StoreError> {
        let sealed = match self.services.ledger.seal(hold, completion) {
            Ok(sealed) => sealed,
            Err(Unsealed { hold, why }) => return self.give_up(message, hold, &Failure::permanent(why)).await,
        };
        match Outgoing::checked(sealed.outgoing(), message, &self.services.queues) {
            Ok(outgoing) => self.commit(message, sealed, outgoing).await,
            Err(failure) => self.give_up(message, sealed.into_hold(), &failure).await,
        }
    }

    async fn commit(
        &self,
        message: &Message,
        mut sealed: Sealed<H::Write>,
        outgoing: Outgoing,
    ) -> Result<Outcome, StoreError> {
        let (sealed, failure) = loop {
            let completed = self.services.ledger.complete(sealed, self.budget.ledger_end());
            match self.counters.time_ledger(completed).await? {
                Settled::Done => return Ok(self.send_then(outgoing, Outcome::Done).await),
                Settled::Lost => {
                    self.counters.lost_lease();
                    return Ok(Outcome::failed(
                        "another attempt took the lease over before this one was done",
                    ));
                }
                Settled::NotFree(refused, existing) => {
                    return Ok(self.existing(message, refused.attempt(), existing).await);
                }
                Settled::Refused(refused, Refusal::AlreadyDone) => sealed = refused.without_writes(),
                Settled::Refused(refused, Refusal::Permanent(why)) => break (refused, Failure::permanent(why)),
                Settled::Refused(refused, Refusal::Retry(why)) => break (refused, Failure::retry(why)),
            }
        };
        self.give_up(message, sealed.into_hold(), &failure).await
    }

    /// Records a failure: a retry releases the key, a permanent failure rejects it.
    pub(crate) async fn give_up(
        &self,
        message: &Message,
        hold: Hold,
        failure: &Failure,
    ) -> Result<Outcome, StoreError> {
        if failure.is_permanent() {
            return self.reject(message, hold, failure.to_string()).await;
        }
        // The outcome is the same whether or not the release succeeds: without it, the lease ends by itself.
        const HELD: &str = "the key was not released, and is held until its lease ends";
        let released = self.services.ledger.release(hold, self.budget.ledger_end());
        match self.counters.time_ledger(released).await {
            // A release has no writes that could be refused, and only a lease is released.
            Ok(Settled::Done | Settled::NotFree(..) | Settled::Refused(..)) => {}
            Ok(Settled::Lost) => {
                self.counters.lost_lease();
                tracing::warn!("another attempt took the lease over before this one failed");
            }
            Err(error) => tracing::warn!("{HELD}: {}", Chain(&error)),
        }
        Ok(Outcome::from(failure))
    }

    async fn reject(&self, message: &Message, hold: Hold, why: String) -> Result<Outcome, StoreError> {
        let rejected = self.services.ledger.reject(hold, &why, self.budget.ledger_end());
        Ok(match self.counters.time_ledger(rejected).await? {
            // A rejection has no writes that could be refused.
            Settled::Done | Settled::Refused(..) => self.rejected(message, why).await,
            Settled::Lost => {
                self.counters.lost_lease();
                Outcome::failed(format!("{why} (and another attempt took the lease over)"))
            }
            Settled::NotFree(hold, existing) => self.existing(message, hold.attempt(), existing).await,
        })
    }

    /// What the existing record of a key means for a message.
    pub(crate) async fn existing(&self, message: &Message, attempt: &Attempt, existing: Existing) -> Outcome {
        match existing {
            Existing::Completed { outgoing, .. } => {
                self.send_then(Outgoing::recorded(&outgoing, message), Outcome::Duplicate)
                    .await
            }
            Existing::InProgress { until, owner } => Outcome::InProgress { until, owner },
            // Without a fingerprint the key is the message ID: this message was rejected.
            Existing::Rejected(why) if attempt.fingerprint().is_none() => self.rejected(message, why).await,
            Existing::Rejected(why) => {
                self.rejected(message, format!("its key was rejected before: {why}"))
                    .await
            }
            Existing::OtherPayload { recorded } => {
                let ours = attempt.fingerprint().unwrap_or_default();
                let key = message.delivery.key_text();
                // The key is last: a long reason is cut at its end.
                let why = format!("its key was used for another payload (fingerprint {recorded}, not {ours}): {key:?}");
                self.rejected(message, Failure::permanent(why).to_string()).await
            }
        }
    }

    /// Dead-letters a message that can never be processed, unless there is no dead-letter queue or its group is held.
    pub(crate) async fn rejected(&self, message: &Message, why: String) -> Outcome {
        let held = self.ordered && H::HOLD_GROUP;
        let dead_lettered = match &self.services.dead_letter_queue {
            Some(url) if !held => {
                let limits = self.services.queues.limits(url);
                self.dead_letter(url, dead_letter::of(H::NAMESPACE, message, &why, &limits))
                    .await
                    .is_ok()
            }
            _ => false,
        };
        Outcome::Rejected { why, dead_lettered }
    }

    /// Sends a dead letter. The error, with which it is not confirmed, is logged.
    pub(crate) async fn dead_letter(
        &self,
        url: &str,
        dead_letter: Result<QueueMessage, Unsendable>,
    ) -> Result<(), QueueError> {
        let sent = match dead_letter {
            Ok(dead_letter) => self.send(url, vec![dead_letter]).await,
            Err(why) => Err(QueueError::refused(url, why)),
        };
        sent.inspect_err(|error| tracing::warn!("not dead-lettered: {}", Chain(error)))
    }
}
