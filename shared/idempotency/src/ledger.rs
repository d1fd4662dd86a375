//! The one trait that a store of records implements, and what is asked of it.

use std::future::Future;

use crate::{
    Attempt, Change, Completion, Condition, Decision, Lease, OutgoingMessage, OwnerToken, Record, Refusal, Timestamp,
    Write,
};

/// Where keys are recorded.
///
/// A store implements [`change`](Self::change); the protocol is the rest, and the same over every store. Each method is
/// one conditional request.
///
/// # Errors
///
/// After a [`LedgerError`] nobody knows whether the request was applied, or will be. Whoever spent a lease on it can't
/// release or reject it any more, by construction, but only report the message as failed.
pub trait Ledger: Send + Sync + 'static {
    /// Makes one change, if its condition holds: the record and all writes, or nothing.
    ///
    /// A change sent again must find itself applied, as [`decide`](crate::decide) defines it.
    fn change(&self, change: Change<'_>) -> impl Future<Output = Result<Answer, LedgerError>> + Send;

    /// Claims a key before its work.
    fn claim(&self, attempt: &Attempt) -> impl Future<Output = Result<Claim, LedgerError>> + Send {
        async move {
            let record = Record::claimed(attempt);
            match self.change(take(attempt, record, &[])).await? {
                Answer::NotFree(standing) => Ok(Claim::Refused(standing)),
                Answer::Applied => Ok(Claim::Granted(Lease::of(attempt.clone()))),
                answer => Err(answer.out_of_place(attempt)),
            }
        }
    }

    /// Records claimed work as done, and commits its writes with it.
    fn complete(
        &self,
        lease: Lease,
        completion: &Completion,
    ) -> impl Future<Output = Result<Completed, LedgerError>> + Send {
        async move {
            let record = Record::completed(lease.attempt(), completion);
            match self
                .change(settle(lease.attempt(), Some(record), completion.writes()))
                .await?
            {
                Answer::Applied => Ok(Completed::Done),
                Answer::Lost => Ok(Completed::Lost),
                Answer::WriteRefused(refusal) => Ok(Completed::Refused(lease, refusal)),
                Answer::Conflict => Ok(Completed::Conflict(lease)),
                answer @ Answer::NotFree(_) => Err(answer.out_of_place(lease.attempt())),
            }
        }
    }

    /// Records work as done and commits its writes in one step, without a claim.
    fn commit(
        &self,
        attempt: &Attempt,
        completion: &Completion,
    ) -> impl Future<Output = Result<Committed, LedgerError>> + Send {
        async move {
            let record = Record::completed(attempt, completion);
            match self.change(take(attempt, record, completion.writes())).await? {
                Answer::Applied => Ok(Committed::Done),
                Answer::NotFree(standing) => Ok(Committed::NotFree(standing)),
                Answer::WriteRefused(refusal) => Ok(Committed::Refused(refusal)),
                Answer::Conflict => Ok(Committed::Conflict),
                answer @ Answer::Lost => Err(answer.out_of_place(attempt)),
            }
        }
    }

    /// Frees a key whose work failed.
    fn release(&self, lease: Lease) -> impl Future<Output = Result<Settled, LedgerError>> + Send {
        async move {
            self.change(settle(lease.attempt(), None, &[]))
                .await?
                .settled(lease.attempt())
        }
    }

    /// Moves the end of a lease, for work that takes longer than it was granted. `Ok(None)`: the lease was lost.
    fn extend(
        &self,
        lease: Lease,
        lease_end: Timestamp,
    ) -> impl Future<Output = Result<Option<Lease>, LedgerError>> + Send {
        async move {
            let lease = lease.until(lease_end);
            let record = Record::claimed(lease.attempt());
            let answer = self.change(settle(lease.attempt(), Some(record), &[])).await?;
            Ok(match answer.settled(lease.attempt())? {
                Settled::Done => Some(lease),
                Settled::Lost => None,
            })
        }
    }

    /// Records that claimed work can never be done: later claims are answered with the reason.
    fn reject(&self, lease: Lease, reason: &str) -> impl Future<Output = Result<Settled, LedgerError>> + Send {
        async move {
            let record = Record::rejected(lease.attempt(), reason);
            self.change(settle(lease.attempt(), Some(record), &[]))
                .await?
                .settled(lease.attempt())
        }
    }

    /// The same without a claim. `Ok(Some(_))`: not recorded, the key was not free.
    fn reject_unclaimed(
        &self,
        attempt: &Attempt,
        reason: &str,
    ) -> impl Future<Output = Result<Option<Standing>, LedgerError>> + Send {
        async move {
            let record = Record::rejected(attempt, reason);
            match self.change(take(attempt, record, &[])).await? {
                Answer::Applied => Ok(None),
                Answer::NotFree(standing) => Ok(Some(standing)),
                answer => Err(answer.out_of_place(attempt)),
            }
        }
    }
}

fn take<'a>(attempt: &'a Attempt, record: Record, writes: &'a [Write]) -> Change<'a> {
    Change {
        key: attempt.key(),
        condition: Condition::Free(attempt),
        record: Some(record),
        writes,
    }
}

fn settle<'a>(attempt: &'a Attempt, record: Option<Record>, writes: &'a [Write]) -> Change<'a> {
    Change {
        key: attempt.key(),
        condition: Condition::Held(attempt.owner()),
        record,
        writes,
    }
}

/// A store's answer to a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The record and all writes are as asked, by this request or by an earlier copy of it.
    Applied,
    /// Nothing was applied: the key is not free.
    NotFree(Standing),
    /// Nothing was applied: the record is not, or no longer, a claim of the owner's.
    Lost,
    /// Nothing was applied, because of a write's own condition.
    WriteRefused(Refusal),
    /// Nothing was applied, because another request is at one of the items just now, or too many are: try again.
    Conflict,
}

impl Answer {
    /// The answer that a decision other than "apply" is.
    pub(crate) fn to(decision: Decision) -> Option<Self> {
        match decision {
            Decision::Apply => None,
            Decision::AlreadyApplied => Some(Self::Applied),
            Decision::NotFree(standing) => Some(Self::NotFree(standing)),
            Decision::Lost => Some(Self::Lost),
        }
    }

    fn settled(self, attempt: &Attempt) -> Result<Settled, LedgerError> {
        match self {
            Self::Applied => Ok(Settled::Done),
            Self::Lost => Ok(Settled::Lost),
            answer => Err(answer.out_of_place(attempt)),
        }
    }

    /// An answer that has no place in the caller's.
    fn out_of_place(&self, attempt: &Attempt) -> LedgerError {
        let id = attempt.key().record_id().to_owned();
        match self {
            Self::Conflict => LedgerError::Conflict { id },
            answer => LedgerError::Inconsistent {
                id,
                why: format!("unexpected {answer:?}"),
            },
        }
    }
}

/// The answer to a claim.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub enum Claim {
    /// The work is the claimer's, until the lease ends.
    Granted(Lease),
    /// It is not.
    Refused(Standing),
}

/// Why a key is not free: what another attempt has made of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// Done before.
    Completed {
        /// The result, if the handler gave one.
        data: Option<String>,
        /// What has to be sent again before the message is acknowledged: nobody knows whether it was.
        outgoing: Vec<OutgoingMessage>,
    },
    /// Found impossible before, for this reason.
    Rejected(String),
    /// Somebody works on it.
    InProgress {
        /// For no longer than until then.
        until: Timestamp,
        /// The token of their attempt, unless Powertools wrote the record.
        owner: Option<OwnerToken>,
    },
    /// The key was used for a payload with another fingerprint, which is an error of the producer's.
    OtherPayload {
        /// The fingerprint in the record.
        recorded: String,
    },
}

/// The answer to a completion.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub enum Completed {
    /// Recorded, and all writes are committed.
    Done,
    /// Nothing was committed: another attempt has taken the key over.
    Lost,
    /// Nothing was committed, because of a write's own condition. The lease still holds.
    Refused(Lease, Refusal),
    /// Nothing was committed, because another request is at one of the items just now. The lease still holds.
    Conflict(Lease),
}

/// The answer to a commit in one step.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Committed {
    /// Recorded, and all writes are committed.
    Done,
    /// Nothing was committed: the key was not free.
    NotFree(Standing),
    /// Nothing was committed, because of a write's own condition.
    Refused(Refusal),
    /// Nothing was committed, because another request is at one of the items just now.
    Conflict,
}

/// The answer to a release or a rejection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settled {
    /// It is as asked.
    Done,
    /// Nothing was changed: another attempt has taken the key over, or this one had completed it after all.
    Lost,
}

/// The ledger gave no usable answer: unless a variant says otherwise, the request may have been applied, or may yet be.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LedgerError {
    /// No answer came: the table could not be reached, or broke off, or took too long.
    #[error("the ledger did not answer")]
    NoAnswer(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The table gets more requests than it can take: it may answer later.
    #[error("the ledger is throttled")]
    Throttled(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Another transaction is at the record just now: nothing was applied, try again.
    #[error("another transaction is at record {id}")]
    Conflict {
        /// The record's partition key.
        id: String,
    },
    /// The store refused the request itself, and would again: no such table, no permission, too large.
    #[error("the ledger refused the request")]
    Refused(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The key's record is neither ours nor Powertools': somebody else writes to this table.
    #[error("record {id} can't be read: attribute {attribute} is missing or of the wrong type")]
    Unreadable {
        /// The record's partition key.
        id: String,
        /// The attribute that should be there.
        attribute: &'static str,
    },
    /// The store contradicts itself: it refused a change that the record it showed allows, or showed none (as some
    /// emulators do), or answered what was not asked.
    #[error("the ledger's answer for record {id} makes no sense: {why}")]
    Inconsistent {
        /// The record's partition key.
        id: String,
        /// What does not fit.
        why: String,
    },
}
