//! The work of one message, from its key to its outcome.

use std::sync::Arc;

use idempotency::{Attempt, Claim, Completion, Ledger, LedgerError, Standing};
use tokio::task::JoinSet;
use tracing::Instrument;

use crate::delivery::Message;
use crate::failure::{Chain, Failure};
use crate::outcome::{Again, Outcome};
use crate::prepare::{Prepared, panicked};
use crate::summary::Tally;
use crate::{Budget, Handler, Mode, Queues, Services};

/// A batch under way: what the work of each of its messages shares.
pub(crate) struct Batch<'a, H, L, Q> {
    pub(crate) handler: &'a Arc<H>,
    pub(crate) services: &'a Services<L, Q>,
    pub(crate) budget: &'a Budget,
    pub(crate) ordered: bool,
    pub(crate) tally: Tally,
}

enum Handled {
    Completed(Completion),
    Failed(Failure),
    /// For this reason.
    Cancelled(String),
}

impl<H: Handler, L: Ledger, Q: Queues> Batch<'_, H, L, Q> {
    /// Works on one message.
    pub(crate) async fn work(&self, message: &Message, prepared: Prepared<H::Message>) -> Outcome {
        let key = message.delivery.key().clone();
        let attempt = Attempt::new(key, self.budget.now(), self.budget.lease_end());
        let attempt = match prepared.fingerprint {
            Some(fingerprint) => attempt.with_fingerprint(fingerprint),
            None => attempt,
        };
        let outcome = match (prepared.content, H::MODE) {
            (Err(failure), Mode::Natural) => Ok(self.failed_naturally(message, &failure).await),
            (Err(failure), _) => self.failed_unclaimed(message, &attempt, &failure).await,
            (Ok(content), Mode::ClaimThenComplete) => self.claimed(message, attempt, content).await,
            (Ok(content), Mode::OneStep) => self.one_step(message, attempt, content).await,
            (Ok(content), Mode::Natural) => Ok(self.natural(message, content).await),
        };
        outcome.unwrap_or_else(|error| Outcome::failed(Chain(&error).to_string()))
    }

    /// Claim, handle, complete; and after a failure, release or reject.
    async fn claimed(&self, message: &Message, attempt: Attempt, content: H::Message) -> Result<Outcome, LedgerError> {
        let lease = match self.claim(&attempt).await {
            None => return Ok(Outcome::failed("the claim was neither granted nor refused in time")),
            Some(claim) => match claim? {
                Claim::Refused(standing) => return Ok(self.standing(message, &attempt, standing).await),
                Claim::Granted(lease) => lease,
            },
        };
        message.span.record("owner", lease.attempt().owner().as_str());
        match self.handle(message, content).await {
            Handled::Completed(completion) => match self.check(&attempt, &completion) {
                Ok(()) => self.complete(message, lease, completion).await,
                Err(failure) => self.give_up(message, lease, failure).await,
            },
            Handled::Failed(failure) => self.give_up(message, lease, failure).await,
            // Its effects may have happened, or be under way: the lease is left to end by itself.
            Handled::Cancelled(why) => Ok(Outcome::Failed {
                again: Again::AtLeaseEnd,
                why,
            }),
        }
    }

    /// The answer to a claim. Granted after the time for handlers it would be of no use: the lease is then left to end.
    async fn claim(&self, attempt: &Attempt) -> Option<Result<Claim, LedgerError>> {
        let claimed = self.persist(|| self.services.ledger.claim(attempt));
        self.tally.asking(self.budget.for_handlers(claimed)).await
    }

    /// Handle, then put the completed record with the writes.
    async fn one_step(&self, message: &Message, attempt: Attempt, content: H::Message) -> Result<Outcome, LedgerError> {
        match self.handle(message, content).await {
            Handled::Completed(completion) => match self.check(&attempt, &completion) {
                Ok(()) => self.commit(message, &attempt, completion).await,
                Err(failure) => self.failed_unclaimed(message, &attempt, &failure).await,
            },
            Handled::Failed(failure) => self.failed_unclaimed(message, &attempt, &failure).await,
            Handled::Cancelled(why) => Ok(Outcome::failed(why)),
        }
    }

    /// Handle, and send what it says; the ledger is not asked.
    async fn natural(&self, message: &Message, content: H::Message) -> Outcome {
        match self.handle(message, content).await {
            // Nothing would apply them. That is for the author to mend, so the message waits.
            Handled::Completed(completion) if completion.has_writes() => {
                Outcome::failed("a handler in natural mode can't have writes committed: let it be Mode::OneStep")
            }
            Handled::Completed(completion) => {
                let outgoing = completion.outgoing(message.delivery.key());
                match crate::send::check(&outgoing) {
                    Ok(()) => self.send_then(message, outgoing, Outcome::Done).await,
                    Err(failure) => self.failed_naturally(message, &failure).await,
                }
            }
            Handled::Failed(failure) => self.failed_naturally(message, &failure).await,
            Handled::Cancelled(why) => Outcome::failed(why),
        }
    }

    async fn failed_naturally(&self, message: &Message, failure: &Failure) -> Outcome {
        match failure.is_permanent() {
            true => self.rejected(message, failure.to_string()).await,
            false => Outcome::from(failure),
        }
    }

    /// What the work of a key means for a message that finds it in somebody else's hands.
    pub(crate) async fn standing(&self, message: &Message, attempt: &Attempt, standing: Standing) -> Outcome {
        match standing {
            Standing::Completed { outgoing, .. } => self.send_then(message, outgoing, Outcome::Duplicate).await,
            Standing::InProgress { until, owner } => Outcome::InProgress { until, owner },
            // Under the queue's own key it is this message that was.
            Standing::Rejected(why) if attempt.fingerprint().is_none() => self.rejected(message, why).await,
            Standing::Rejected(why) => {
                self.rejected(message, format!("its key was rejected before: {why}"))
                    .await
            }
            Standing::OtherPayload { recorded } => {
                let ours = attempt.fingerprint().unwrap_or_default();
                let key = message.delivery.key_text();
                // The key last: it may be so long that it is cut.
                let why =
                    format!("its key was used for another payload (fingerprint {recorded}, and not {ours}): {key:?}");
                self.rejected(message, Failure::permanent(why).to_string()).await
            }
        }
    }

    /// Whether what the handler hands back can be recorded and sent. If not, nothing of it may be committed.
    fn check(&self, attempt: &Attempt, completion: &Completion) -> Result<(), Failure> {
        completion.check(attempt).map_err(Failure::permanent)?;
        crate::send::check(&completion.outgoing(attempt.key()))
    }

    /// Runs the handler in a task of its own, which isolates a panic and can be cancelled.
    async fn handle(&self, message: &Message, content: H::Message) -> Handled {
        let (handler, delivery) = (Arc::clone(self.handler), message.delivery.clone());
        // A set of one: dropping it aborts the task.
        let mut task = JoinSet::new();
        task.spawn(async move { handler.handle(content, &delivery).await }.in_current_span());
        let joined = self.budget.for_handler(H::TIMEOUT, task.join_next());
        match self.tally.handling(joined).await {
            Some(Some(Ok(Ok(completion)))) => Handled::Completed(completion),
            Some(Some(Ok(Err(failure)))) => Handled::Failed(failure),
            Some(Some(Err(error))) => match error.try_into_panic() {
                Ok(panic) => Handled::Failed(panicked(&*panic)),
                Err(_) => self.cancelled(),
            },
            Some(None) | None => self.cancelled(),
        }
    }

    fn cancelled(&self) -> Handled {
        Handled::Cancelled(match H::TIMEOUT {
            Some(limit) if !self.budget.is_spent() => {
                format!("the handler was cancelled: its own TIMEOUT, {limit:?}, was over")
            }
            _ => "the handler was cancelled: the invocation's time was up".to_owned(),
        })
    }
}
