//! How the work of a message ends in the ledger.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use idempotency::{Attempt, Committed, Completed, Completion, Lease, Ledger, LedgerError, Refusal, Settled};

use crate::dead_letter;
use crate::delivery::Message;
use crate::failure::{Chain, Failure};
use crate::outcome::Outcome;
use crate::work::Batch;
use crate::{Budget, Handler, Queues};

/// Between two attempts at a transaction that met another: conflicts last as long as one transaction, some milliseconds.
const CONFLICT_DELAY: Duration = Duration::from_millis(10);
/// Doubling stops here.
const LONGEST_CONFLICT_DELAY: Duration = Duration::from_millis(200);

const CONFLICTS: &str = "its transaction met others at the same items until the time was up";

impl<H: Handler, L: Ledger, Q: Queues> Batch<'_, H, L, Q> {
    pub(crate) async fn complete(
        &self,
        message: &Message,
        mut lease: Lease,
        mut completion: Completion,
    ) -> Result<Outcome, LedgerError> {
        let outgoing = completion.outgoing(message.delivery.key());
        let mut delays = conflict_delays();
        loop {
            match self.in_time(self.services.ledger.complete(lease, &completion)).await? {
                Completed::Done => return Ok(self.send_then(message, outgoing, Outcome::Done).await),
                Completed::Lost => {
                    self.tally.lost_lease();
                    return Ok(Outcome::failed(
                        "another attempt took the lease over before this one was done",
                    ));
                }
                Completed::Refused(held, Refusal::AlreadyDone) => {
                    (lease, completion) = (held, completion.without_writes());
                }
                Completed::Refused(held, Refusal::Permanent(why)) => {
                    return self.give_up(message, held, Failure::permanent(why)).await;
                }
                Completed::Refused(held, Refusal::Retry(why)) => {
                    return self.give_up(message, held, Failure::retry(why)).await;
                }
                Completed::Conflict(held) => {
                    if !pause(&mut delays, self.budget).await {
                        return self.give_up(message, held, Failure::retry(CONFLICTS)).await;
                    }
                    lease = held;
                }
            }
        }
    }

    pub(crate) async fn commit(
        &self,
        message: &Message,
        attempt: &Attempt,
        mut completion: Completion,
    ) -> Result<Outcome, LedgerError> {
        let outgoing = completion.outgoing(message.delivery.key());
        let mut delays = conflict_delays();
        loop {
            match self.in_time(self.services.ledger.commit(attempt, &completion)).await? {
                Committed::Done => return Ok(self.send_then(message, outgoing, Outcome::Done).await),
                Committed::NotFree(standing) => return Ok(self.standing(message, attempt, standing).await),
                Committed::Refused(Refusal::AlreadyDone) => completion = completion.without_writes(),
                Committed::Refused(Refusal::Permanent(why)) => {
                    return self.failed_unclaimed(message, attempt, &Failure::permanent(why)).await;
                }
                Committed::Refused(Refusal::Retry(why)) => return Ok(Outcome::from(&Failure::retry(why))),
                Committed::Conflict => {
                    if !pause(&mut delays, self.budget).await {
                        return Ok(Outcome::failed(CONFLICTS));
                    }
                }
            }
        }
    }

    /// After a failure of claimed work: the key is free at once, or closed for good.
    pub(crate) async fn give_up(
        &self,
        message: &Message,
        lease: Lease,
        failure: Failure,
    ) -> Result<Outcome, LedgerError> {
        let why = failure.to_string();
        if failure.is_permanent() {
            return Ok(match self.in_time(self.services.ledger.reject(lease, &why)).await? {
                Settled::Done => self.rejected(message, why).await,
                Settled::Lost => {
                    self.tally.lost_lease();
                    Outcome::failed(format!("{why} (and another attempt took the lease over)"))
                }
            });
        }
        // Whether the release succeeds changes nothing for the message: without it, the lease ends by itself.
        match self.in_time(self.services.ledger.release(lease)).await {
            Ok(Settled::Done) => {}
            Ok(Settled::Lost) => {
                self.tally.lost_lease();
                tracing::warn!("another attempt took the lease over before this one failed");
            }
            Err(error) => tracing::warn!(
                "the key was not released, and is held until its lease ends: {}",
                Chain(&error)
            ),
        }
        Ok(Outcome::from(&failure))
    }

    /// After a failure of unclaimed work: the key stays free, or is closed for good.
    pub(crate) async fn failed_unclaimed(
        &self,
        message: &Message,
        attempt: &Attempt,
        failure: &Failure,
    ) -> Result<Outcome, LedgerError> {
        if !failure.is_permanent() {
            return Ok(Outcome::from(failure));
        }
        let why = failure.to_string();
        let rejected = self.persist(|| self.services.ledger.reject_unclaimed(attempt, &why));
        Ok(match self.in_time(rejected).await? {
            None => self.rejected(message, why).await,
            Some(standing) => self.standing(message, attempt, standing).await,
        })
    }

    /// Hands a message that can never be worked to the dead-letter queue, if there is one, and if it may leave its group.
    pub(crate) async fn rejected(&self, message: &Message, why: String) -> Outcome {
        let held = self.ordered && H::HOLD_GROUP;
        let dead_lettered = match &self.services.dead_letter_queue {
            Some(url) if !held => match dead_letter::letter(H::NAMESPACE, message, &why) {
                Some(letter) => self.dead_letter(url, letter).await,
                None => {
                    tracing::warn!(
                        "no queue would take its dead letter, for lack of room or for its text: the redrive policy will move it"
                    );
                    false
                }
            },
            _ => false,
        };
        Outcome::Rejected { why, dead_lettered }
    }

    async fn dead_letter(&self, url: &str, letter: crate::QueueMessage) -> bool {
        match self.send(url, vec![letter]).await {
            Ok(()) => true,
            Err(error) => {
                tracing::warn!("it was not dead-lettered: {}", Chain(&error));
                false
            }
        }
    }

    /// Makes a request again for as long as it meets other transactions at its record.
    pub(crate) async fn persist<T, F>(&self, request: impl Fn() -> F) -> Result<T, LedgerError>
    where
        F: Future<Output = Result<T, LedgerError>>,
    {
        let mut delays = conflict_delays();
        loop {
            match request().await {
                Err(LedgerError::Conflict { .. }) if pause(&mut delays, self.budget).await => {}
                answer => return answer,
            }
        }
    }

    /// The ledger's answer, if it comes before the time for it ends.
    async fn in_time<T>(&self, request: impl Future<Output = Result<T, LedgerError>>) -> Result<T, LedgerError> {
        self.tally
            .asking(self.budget.for_ledger(request))
            .await
            .unwrap_or_else(|| Err(LedgerError::NoAnswer("its time was up".into())))
    }
}

/// Endless, and with jitter: those who met once would meet again.
fn conflict_delays() -> impl Iterator<Item = Duration> {
    ExponentialBuilder::new()
        .with_min_delay(CONFLICT_DELAY)
        .with_max_delay(LONGEST_CONFLICT_DELAY)
        .without_max_times()
        .with_jitter()
        .build()
}

/// Waits before another attempt; `false`: there is no time for one.
async fn pause(delays: &mut impl Iterator<Item = Duration>, budget: &Budget) -> bool {
    let delay = delays.next().unwrap_or(LONGEST_CONFLICT_DELAY);
    budget.for_ledger(tokio::time::sleep(delay)).await.is_some()
}
