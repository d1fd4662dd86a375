//! The work of one message, from its body to its outcome.

use std::any::Any;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use idempotency::{
    Attempt, Claim, Committed, Completed, Completion, Lease, Ledger, LedgerError, Refusal, Settled, Standing,
};
use tokio::task::JoinSet;
use tracing::Instrument;

use crate::failure::{Chain, Failure};
use crate::message::Message;
use crate::outcome::Outcome;
use crate::{Budget, Handler, Mode, body};

/// Between two attempts at a transaction that met another: conflicts last as long as one transaction, some milliseconds.
const CONFLICT_DELAY: Duration = Duration::from_millis(10);
/// Doubling stops here.
const LONGEST_CONFLICT_DELAY: Duration = Duration::from_millis(200);

/// Works on one message.
pub(crate) async fn work<H: Handler, L: Ledger>(
    handler: &Arc<H>,
    ledger: &L,
    message: &Message,
    budget: &Budget,
) -> Outcome {
    let attempt = Attempt::new(message.delivery.key().clone(), budget.now(), budget.lease_end());
    let decoded = body::decode(&message.body);
    let outcome = match (decoded, H::MODE) {
        (Err(why), _) => reject(ledger, &attempt, why, budget).await,
        (Ok(decoded), Mode::ClaimThenComplete) => claimed(handler, ledger, attempt, decoded, message, budget).await,
        (Ok(decoded), Mode::OneStep) => one_step(handler, ledger, attempt, decoded, message, budget).await,
    };
    outcome.unwrap_or_else(|error| Outcome::failed(Chain(&error).to_string()))
}

/// Claim, handle, complete; and after a failure, release or reject.
async fn claimed<H: Handler, L: Ledger>(
    handler: &Arc<H>,
    ledger: &L,
    attempt: Attempt,
    decoded: H::Message,
    message: &Message,
    budget: &Budget,
) -> Result<Outcome, LedgerError> {
    // Granted later than this, it would leave no time for the handler: the lease is left to end.
    let lease = match budget.for_handlers(persist(budget, || ledger.claim(&attempt))).await {
        None => return Ok(Outcome::failed("the claim was not answered in time")),
        Some(claim) => match claim? {
            Claim::Refused(standing) => return Ok(standing_outcome(standing)),
            Claim::Granted(lease) => lease,
        },
    };
    match handle(handler, decoded, message, budget).await {
        Handled::Completed(completion) => complete(ledger, lease, completion, budget).await,
        Handled::Failed(failure) => give_up(ledger, lease, failure, budget).await,
        // Its effects may have happened, or be under way: the lease is left to end by itself.
        Handled::Cancelled => Ok(Outcome::failed("the handler was cancelled: its time was up")),
    }
}

/// Handle, then put the completed record with the writes.
async fn one_step<H: Handler, L: Ledger>(
    handler: &Arc<H>,
    ledger: &L,
    attempt: Attempt,
    decoded: H::Message,
    message: &Message,
    budget: &Budget,
) -> Result<Outcome, LedgerError> {
    match handle(handler, decoded, message, budget).await {
        Handled::Completed(completion) => commit(ledger, &attempt, completion, budget).await,
        Handled::Failed(failure) if failure.is_permanent() => {
            reject(ledger, &attempt, failure.to_string(), budget).await
        }
        Handled::Failed(failure) => Ok(failed(&failure)),
        Handled::Cancelled => Ok(Outcome::failed("the handler was cancelled: its time was up")),
    }
}

enum Handled {
    Completed(Completion),
    Failed(Failure),
    Cancelled,
}

/// Runs the handler in a task of its own, which isolates a panic and can be cancelled.
async fn handle<H: Handler>(handler: &Arc<H>, decoded: H::Message, message: &Message, budget: &Budget) -> Handled {
    let (handler, delivery) = (Arc::clone(handler), message.delivery.clone());
    // A set of one: dropping it aborts the task.
    let mut task = JoinSet::new();
    task.spawn(async move { handler.handle(decoded, &delivery).await }.in_current_span());
    match budget.for_handlers(task.join_next()).await {
        Some(Some(Ok(Ok(completion)))) => Handled::Completed(completion),
        Some(Some(Ok(Err(failure)))) => Handled::Failed(failure),
        Some(Some(Err(error))) => match error.try_into_panic() {
            Ok(panic) => Handled::Failed(Failure::retry(format!("the handler panicked: {}", text_of(&*panic)))),
            Err(_) => Handled::Cancelled,
        },
        Some(None) | None => Handled::Cancelled,
    }
}

/// After a panic that no task has isolated: whether a request was under way, nobody knows.
pub(crate) fn panicked(panic: &(dyn Any + Send)) -> Outcome {
    failed(&Failure::retry(format!("panic: {}", text_of(panic))))
}

fn text_of(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("(no message)")
}

async fn complete<L: Ledger>(
    ledger: &L,
    mut lease: Lease,
    mut completion: Completion,
    budget: &Budget,
) -> Result<Outcome, LedgerError> {
    let mut delays = conflict_delays();
    loop {
        match in_time(budget, ledger.complete(lease, &completion)).await? {
            Completed::Done => return Ok(Outcome::Done),
            Completed::Lost => {
                return Ok(Outcome::failed(
                    "another attempt took the lease over before this one was done",
                ));
            }
            Completed::Refused(held, Refusal::AlreadyDone) => {
                (lease, completion) = (held, completion.without_writes());
            }
            Completed::Refused(held, Refusal::Permanent(why)) => {
                return give_up(ledger, held, Failure::permanent(why), budget).await;
            }
            Completed::Refused(held, Refusal::Retry(why)) => {
                return give_up(ledger, held, Failure::retry(why), budget).await;
            }
            Completed::Conflict(held) => {
                if !pause(&mut delays, budget).await {
                    return give_up(ledger, held, Failure::retry(CONFLICTS), budget).await;
                }
                lease = held;
            }
        }
    }
}

async fn commit<L: Ledger>(
    ledger: &L,
    attempt: &Attempt,
    mut completion: Completion,
    budget: &Budget,
) -> Result<Outcome, LedgerError> {
    let mut delays = conflict_delays();
    loop {
        match in_time(budget, ledger.commit(attempt, &completion)).await? {
            Committed::Done => return Ok(Outcome::Done),
            Committed::NotFree(standing) => return Ok(standing_outcome(standing)),
            Committed::Refused(Refusal::AlreadyDone) => completion = completion.without_writes(),
            Committed::Refused(Refusal::Permanent(why)) => {
                return reject(ledger, attempt, Failure::permanent(why).to_string(), budget).await;
            }
            Committed::Refused(Refusal::Retry(why)) => return Ok(failed(&Failure::retry(why))),
            Committed::Conflict => {
                if !pause(&mut delays, budget).await {
                    return Ok(Outcome::failed(CONFLICTS));
                }
            }
        }
    }
}

/// Makes a request again for as long as it meets other transactions at its record.
async fn persist<T, F>(budget: &Budget, request: impl Fn() -> F) -> Result<T, LedgerError>
where
    F: Future<Output = Result<T, LedgerError>>,
{
    let mut delays = conflict_delays();
    loop {
        match request().await {
            Err(LedgerError::Conflict { .. }) if pause(&mut delays, budget).await => {}
            answer => return answer,
        }
    }
}

const CONFLICTS: &str = "its transaction met others at the same items until the time was up";

/// After a failure of claimed work: the key is free at once, or closed for good.
async fn give_up<L: Ledger>(
    ledger: &L,
    lease: Lease,
    failure: Failure,
    budget: &Budget,
) -> Result<Outcome, LedgerError> {
    let why = failure.to_string();
    if failure.is_permanent() {
        return Ok(match in_time(budget, ledger.reject(lease, &why)).await? {
            Settled::Done => Outcome::Rejected { why },
            Settled::Lost => Outcome::failed(format!("{why} (and another attempt took the lease over)")),
        });
    }
    // Whether the release succeeds changes nothing for the message: without it, the lease ends by itself.
    if let Err(error) = in_time(budget, ledger.release(lease)).await {
        tracing::warn!("the key was not released: {}", Chain(&error));
    }
    Ok(failed(&failure))
}

/// Closes an unclaimed key for good.
async fn reject<L: Ledger>(
    ledger: &L,
    attempt: &Attempt,
    why: String,
    budget: &Budget,
) -> Result<Outcome, LedgerError> {
    let rejected = persist(budget, || ledger.reject_unclaimed(attempt, &why));
    Ok(match in_time(budget, rejected).await? {
        None => Outcome::Rejected { why },
        Some(standing) => standing_outcome(standing),
    })
}

fn failed(failure: &Failure) -> Outcome {
    Outcome::Failed {
        delay: failure.delay(),
        why: failure.to_string(),
    }
}

fn standing_outcome(standing: Standing) -> Outcome {
    match standing {
        Standing::Completed(_) => Outcome::Duplicate,
        Standing::InProgress(until) => Outcome::InProgress { until },
        Standing::Rejected(why) => Outcome::Rejected { why },
        Standing::OtherPayload { recorded } => Outcome::Rejected {
            why: format!("its key was used for another payload (fingerprint {recorded})"),
        },
    }
}

/// The ledger's answer, if it comes before the time for it ends.
async fn in_time<T>(budget: &Budget, request: impl Future<Output = Result<T, LedgerError>>) -> Result<T, LedgerError> {
    budget
        .for_ledger(request)
        .await
        .unwrap_or_else(|| Err(LedgerError::NoAnswer("its time was up".into())))
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
