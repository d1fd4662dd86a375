//! One message, from its key to its outcome.

use std::sync::Arc;

use idempotency::{Attempt, Claim, Completion, Hold, Lease, Store, StoreError};
use tokio::task::JoinSet;
use tracing::Instrument;

use crate::batch::Batch;
use crate::delivery::Message;
use crate::failure::Failure;
use crate::outcome::{Delay, Outcome};
use crate::prepare::{Prepared, panicked};
use crate::send::Outgoing;
use crate::{Handler, Mode, Queues};

enum Handled<W> {
    Completed(Completion<W>),
    Failed(Failure),
    /// With the reason.
    Cancelled(String),
    /// It was cancelled because another attempt has taken its lease over.
    LostLease,
}

impl<H: Handler, S: Store<Write = H::Write>, Q: Queues> Batch<'_, H, S, Q> {
    /// Processes one message.
    ///
    /// # Errors
    ///
    /// The ledger, where the mode uses one, gave no answer about the message. Then it is not acknowledged (promise 7).
    pub(crate) async fn process(
        &self,
        message: &Message,
        prepared: Prepared<H::Message>,
    ) -> Result<Outcome, StoreError> {
        if H::MODE == Mode::Natural {
            return Ok(self.natural(message, prepared.content).await);
        }
        let key = message.delivery.key().clone();
        let attempt = Attempt::new(key, self.budget.now(), self.budget.lease_end());
        let attempt = attempt.with_retention(self.services.retention);
        let attempt = match prepared.fingerprint {
            Some(fingerprint) => attempt.with_fingerprint(fingerprint),
            None => attempt,
        };
        match prepared.content {
            Ok(content) => self.recorded(message, attempt, content).await,
            Err(failure) => self.give_up(message, attempt.into(), &failure).await,
        }
    }

    /// Claims the key if the mode requires it, handles the message, and records the result.
    async fn recorded(&self, message: &Message, attempt: Attempt, content: H::Message) -> Result<Outcome, StoreError> {
        let hold = match H::MODE {
            Mode::ClaimThenComplete => {
                // A lease that is granted after the end of the claim ends by itself.
                let claimed = self.services.ledger.claim(&attempt, self.budget.claim_end());
                match self.counters.time_ledger(claimed).await? {
                    Claim::NotFree(existing) => return Ok(self.existing(message, &attempt, existing).await),
                    Claim::Granted(lease) => Hold::Lease(lease),
                }
            }
            Mode::OneStep | Mode::Natural => Hold::Unclaimed(attempt),
        };
        if let Hold::Lease(lease) = &hold {
            message.span.record("owner", lease.attempt().owner().as_str());
        }
        self.settled(message, hold, content).await
    }

    /// Handles the message, and records the result.
    async fn settled(&self, message: &Message, mut hold: Hold, content: H::Message) -> Result<Outcome, StoreError> {
        let lease = match &mut hold {
            Hold::Lease(lease) => Some(lease),
            Hold::Unclaimed(_) => None,
        };
        match (self.handle(message, content, lease).await, hold) {
            (Handled::Completed(completion), hold) => self.complete(message, hold, completion).await,
            (Handled::Failed(failure), hold) => self.give_up(message, hold, &failure).await,
            // Its effects may have happened, so the lease is not released: it ends by itself.
            (Handled::Cancelled(why), Hold::Lease(lease)) => Ok(Outcome::Failed {
                delay: Delay::LeaseEnd(lease.end()),
                why: why.into(),
                dead_lettered: false,
            }),
            (Handled::Cancelled(why), hold) => self.give_up(message, hold, &Failure::retry(why)).await,
            (Handled::LostLease, _) => {
                self.counters.lost_lease();
                Ok(Outcome::failed(
                    "the handler was cancelled: another attempt took the lease over",
                ))
            }
        }
    }

    /// Handles the message and sends the completion's messages, without the ledger.
    async fn natural(&self, message: &Message, content: Result<H::Message, Failure>) -> Outcome {
        let handled = match content {
            Ok(content) => self.handle(message, content, None).await,
            Err(failure) => Handled::Failed(failure),
        };
        let failure = match handled {
            // Nothing would commit the writes. Only the author can fix that, so the message stays in the queue.
            Handled::Completed(completion) if completion.has_writes() => {
                return Outcome::failed("writes can't be committed in Mode::Natural: use Mode::OneStep");
            }
            Handled::Completed(completion) => {
                let outgoing = completion.into_outgoing(message.delivery.key());
                match Outgoing::checked(&outgoing, message, &self.services.queues) {
                    Ok(outgoing) => return self.send_then(outgoing, Outcome::Done).await,
                    Err(failure) => failure,
                }
            }
            Handled::Failed(failure) => failure,
            Handled::Cancelled(why) => return Outcome::failed(why),
            // Without a ledger there is no lease.
            Handled::LostLease => return Outcome::NotStarted,
        };
        match failure.is_permanent() {
            true => self.rejected(message, failure.reason()).await,
            false => Outcome::from(&failure),
        }
    }

    /// Runs the handler in a task of its own, which isolates a panic and can be cancelled. Meanwhile its lease is extended.
    async fn handle(&self, message: &Message, content: H::Message, lease: Option<&mut Lease>) -> Handled<H::Write> {
        let (handler, delivery) = (Arc::clone(self.handler), message.delivery.clone());
        // A set of one: dropping it aborts the task.
        let mut task = JoinSet::new();
        let handling = async move { handler.handle(content, &delivery).await };
        task.spawn(handling.in_current_span().instrument(message.host_span.clone()));
        let joined = self.budget.for_handler(H::TIMEOUT, task.join_next());
        let joined = self.counters.time_handler(self.extended_while(joined, lease)).await;
        // What a cancelled handler cleans up is done before its message can be redelivered.
        self.budget.for_ledger(task.shutdown()).await;
        match joined {
            Some(Some(Some(Ok(Ok(completion))))) => Handled::Completed(completion),
            Some(Some(Some(Ok(Err(failure))))) => Handled::Failed(failure),
            Some(Some(Some(Err(error)))) => match error.try_into_panic() {
                Ok(panic) => Handled::Failed(panicked(&*panic)),
                Err(_) => self.cancelled(),
            },
            Some(Some(None) | None) => self.cancelled(),
            None => Handled::LostLease,
        }
    }

    fn cancelled(&self) -> Handled<H::Write> {
        Handled::Cancelled(match H::TIMEOUT {
            Some(limit) if !self.budget.is_spent() => {
                format!("the handler was cancelled after its TIMEOUT of {limit:?}")
            }
            _ => "the handler was cancelled at the deadline".to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use idempotency::{NoWrites, Timestamp};

    use super::*;
    use crate::prepare::prepare;
    use crate::summary::Counters;
    use crate::{Budget, Delivery, Incoming, MessageId, Metrics, Services};

    /// Never ends, and may take this many seconds.
    struct Endless<const SECONDS: u64>;

    impl<const SECONDS: u64> Handler for Endless<SECONDS> {
        type Message = u8;
        type Write = NoWrites;
        const NAMESPACE: &'static str = "endless";
        const TIMEOUT: Option<Duration> = Some(Duration::from_secs(SECONDS));

        async fn handle(&self, _: u8, _: &Delivery) -> Result<Completion, Failure> {
            std::future::pending().await
        }
    }

    /// Why a message fails that has ten seconds.
    async fn why<const SECONDS: u64>() -> String {
        let (handler, services) = (Arc::new(Endless::<SECONDS>), Services::in_memory());
        let now = Timestamp::from_millis(1_700_000_000_000);
        let batch = Batch {
            handler: &handler,
            services: &services,
            budget: &Budget::new(now, now.plus(Duration::from_secs(10))),
            ordered: false,
            counters: Counters::default(),
        };
        let incoming = Incoming::new(MessageId::new("m-1").unwrap(), "1");
        let (message, prepared) = prepare(&*handler, incoming, &Metrics::default());
        match batch.process(&message, prepared).await.unwrap() {
            Outcome::Failed { why, .. } => why.text,
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_cancellation_states_which_limit_was_reached() {
        assert_eq!(why::<2>().await, "the handler was cancelled after its TIMEOUT of 2s");
        assert_eq!(why::<60>().await, "the handler was cancelled at the deadline");
    }
}
