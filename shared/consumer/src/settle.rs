//! How the work of a message ends: in the ledger completed, released or rejected, and in the dead-letter queue.

use idempotency::{Attempt, Claim, Completion, Existing, Hold, Refusal, Sealed, Settled, Store, StoreError, Unsealed};

use crate::batch::Batch;
use crate::dead_letter;
use crate::delivery::Message;
use crate::failure::{Chain, Failure};
use crate::limits::Unsendable;
use crate::outcome::Outcome;
use crate::reason::Reason;
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
            return self.reject(message, hold, failure.reason()).await;
        }
        let hold = match hold {
            // The message is about to be dead-lettered, and nothing is known of its record: it may be done.
            Hold::Unclaimed(attempt) if self.is_last_receive(message) => {
                let claimed = self.services.ledger.claim(&attempt, self.budget.ledger_end());
                match self.counters.time_ledger(claimed).await? {
                    Claim::NotFree(existing) => return Ok(self.existing(message, &attempt, existing).await),
                    Claim::Granted(lease) => Hold::Lease(lease),
                }
            }
            hold => hold,
        };
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

    async fn reject(&self, message: &Message, hold: Hold, why: Reason) -> Result<Outcome, StoreError> {
        let recorded = why.to_record();
        let rejected = self.services.ledger.reject(hold, &recorded, self.budget.ledger_end());
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
                self.send_then(
                    Outgoing::recorded(&outgoing, message, &self.services.queues),
                    Outcome::Duplicate,
                )
                .await
            }
            Existing::InProgress { until, owner } => Outcome::InProgress { until, owner },
            Existing::Rejected(why) => {
                let Reason { text, code } = Reason::of_record(&why);
                // Without a fingerprint the key is the message ID: this message was rejected.
                let text = match attempt.fingerprint() {
                    None => text,
                    Some(_) => format!("its key was rejected before: {text}"),
                };
                self.rejected(message, Reason { text, code }).await
            }
            Existing::OtherPayload { recorded } => {
                let ours = attempt.fingerprint().unwrap_or_default();
                let key = message.delivery.key_text();
                // The key is last: a long reason is cut at its end.
                let why = format!("its key was used for another payload (fingerprint {recorded}, not {ours}): {key:?}");
                self.rejected(message, Failure::permanent(why).reason()).await
            }
        }
    }

    /// Dead-letters a message that can never be processed.
    pub(crate) async fn rejected(&self, message: &Message, why: Reason) -> Outcome {
        let dead_lettered = self.is_dead_lettered(message, &why).await;
        Outcome::Rejected { why, dead_lettered }
    }

    /// Dead-letters a message that failed at its last receive, with its last reason. Otherwise the redrive policy would move it,
    /// and no reason would be known.
    ///
    /// Its record stays as the failure left it: released, or a lease that ends by itself. Never is it rejected, so a redriven
    /// message is processed again, under the same key. One that was recorded as done is recognised then, and what was not sent
    /// is sent.
    pub(crate) async fn at_last_receive(&self, message: &Message, outcome: Outcome) -> Outcome {
        match outcome {
            Outcome::Failed { delay, why, .. } if self.is_last_receive(message) => Outcome::Failed {
                delay,
                dead_lettered: self.is_dead_lettered(message, &why).await,
                why,
            },
            other => other,
        }
    }

    fn is_last_receive(&self, message: &Message) -> bool {
        let last = self.services.max_receive_count;
        last.is_some_and(|last| message.delivery.receive_count() >= last.get())
    }

    /// Sends the dead letter of a message, unless there is no dead-letter queue or its group is held. `false`: it is not
    /// confirmed.
    async fn is_dead_lettered(&self, message: &Message, why: &Reason) -> bool {
        let is_held = self.ordered && H::HOLD_GROUP;
        let Some(url) = self.services.dead_letter_queue.as_ref().filter(|_| !is_held) else {
            return false;
        };
        let limits = self.services.queues.limits(url);
        let dead_letter = dead_letter::of(H::NAMESPACE, message, why, &limits);
        self.dead_letter(url, dead_letter).await.is_ok()
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
