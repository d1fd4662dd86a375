//! The protocol over a store.

use tokio::time::{Instant, timeout_at};

use crate::{
    Answer, Attempt, Backoff, Change, Completion, Condition, Existing, Hold, Lease, Record, Refusal, Sealed, Store,
    StoreError, Timestamp, TooLarge,
};

/// Where keys are recorded: the protocol, the same over every [`Store`].
///
/// Each method is at most one conditional request. One that is throttled, in conflict or not answered is sent again, with
/// [growing delays](Backoff), until it is answered or `until` has come: it recognises itself (promise 4). What is in
/// flight then is given up; a request that it shares with other changes goes on.
///
/// # Errors
///
/// After a [`StoreError`] it is unknown whether the request was applied, or will be. An attempt that spent its hold on
/// it can't release or reject it any more, by construction, but only report its message as failed. An error that no other
/// try can fix is returned at once.
#[derive(Debug, Clone)]
pub struct Ledger<S> {
    store: S,
}

impl<S: Store> Ledger<S> {
    /// The ledger in this store.
    pub fn new(store: S) -> Self {
        Self { store }
    }

    /// The store.
    pub fn store(&self) -> &S {
        &self.store
    }

    /// Claims a key before its work (promise 1).
    ///
    /// # Errors
    ///
    /// [`StoreError`]. The same attempt may be claimed again: if this claim was granted, so is that one (promise 4).
    pub async fn claim(&self, attempt: &Attempt, until: Instant) -> Result<Claim, StoreError> {
        let record = Record::claimed(attempt);
        let condition = Condition::Free(attempt);
        match self.change(attempt, condition, Some(&record), &[], until).await? {
            Answer::Applied => Ok(Claim::Granted(Lease::of(attempt.clone()))),
            Answer::NotFree(existing) => Ok(Claim::NotFree(existing)),
            answer => Err(unexpected(attempt, &answer)),
        }
    }

    /// Makes a completion ready to commit: keys for its messages, its record, and a check that the store has room.
    ///
    /// # Errors
    ///
    /// [`Unsealed`]: no request was made, and the hold is returned to reject the work.
    #[expect(
        clippy::result_large_err,
        reason = "the error returns the hold, which the value contains too"
    )]
    pub fn seal(&self, hold: impl Into<Hold>, completion: Completion<S::Write>) -> Result<Sealed<S::Write>, Unsealed> {
        let sealed = Sealed::of(hold.into(), completion);
        match self
            .store
            .check(sealed.attempt().key(), sealed.record(), sealed.writes())
        {
            Ok(()) => Ok(sealed),
            Err(why) => Err(Unsealed {
                hold: sealed.into_hold(),
                why,
            }),
        }
    }

    /// Records work as done, and commits its writes with it (promise 6).
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn complete(
        &self,
        sealed: Sealed<S::Write>,
        until: Instant,
    ) -> Result<Settled<Sealed<S::Write>>, StoreError> {
        let record = Some(sealed.record());
        let answer = self.settle(sealed.hold(), record, sealed.writes(), until).await?;
        Ok(Settled::of(answer, sealed))
    }

    /// Records that work can never be done: later attempts are answered with the reason.
    ///
    /// # Errors
    ///
    /// [`StoreError`].
    pub async fn reject(
        &self,
        hold: impl Into<Hold>,
        reason: &str,
        until: Instant,
    ) -> Result<Settled<Hold>, StoreError> {
        let hold = hold.into();
        let record = Record::rejected(hold.attempt(), reason);
        let answer = self.settle(&hold, Some(&record), &[], until).await?;
        Ok(Settled::of(answer, hold))
    }

    /// Frees a key whose work failed. Without a claim nothing was taken: there is no request.
    ///
    /// # Errors
    ///
    /// [`StoreError`]. The key is then held until the lease ends.
    pub async fn release(&self, hold: impl Into<Hold>, until: Instant) -> Result<Settled<Hold>, StoreError> {
        let hold = hold.into();
        if matches!(hold, Hold::Unclaimed(_)) {
            return Ok(Settled::Done);
        }
        let answer = self.settle(&hold, None, &[], until).await?;
        Ok(Settled::of(answer, hold))
    }

    /// Moves the end of a lease to a later time, for work that takes longer than its claim assumed.
    ///
    /// `false`: another attempt has taken the key over. An earlier end than the lease has changes nothing, nor does a
    /// request that is overtaken by one with a later end.
    ///
    /// # Errors
    ///
    /// [`StoreError`]. The lease stays usable, and lasts at least to the end that it states.
    pub async fn extend(&self, lease: &mut Lease, end: Timestamp, until: Instant) -> Result<bool, StoreError> {
        let end = end.max(lease.end());
        let extended = lease.attempt().clone().with_lease_end(end);
        let record = Record::claimed(&extended);
        let condition = Condition::HeldUntil(extended.owner(), end);
        match self.change(&extended, condition, Some(&record), &[], until).await? {
            Answer::Applied => {
                lease.extended_to(extended);
                Ok(true)
            }
            Answer::Lost => Ok(false),
            answer => Err(unexpected(&extended, &answer)),
        }
    }

    async fn settle(
        &self,
        hold: &Hold,
        record: Option<&Record>,
        writes: &[S::Write],
        until: Instant,
    ) -> Result<Answer, StoreError> {
        let attempt = hold.attempt();
        let condition = match hold {
            Hold::Lease(_) => Condition::Held(attempt.owner()),
            Hold::Unclaimed(_) => Condition::Free(attempt),
        };
        self.change(attempt, condition, record, writes, until).await
    }

    /// Sends a change until it is answered, or the time for it is up.
    async fn change(
        &self,
        attempt: &Attempt,
        condition: Condition<'_>,
        record: Option<&Record>,
        writes: &[S::Write],
        until: Instant,
    ) -> Result<Answer, StoreError> {
        let key = attempt.key();
        let (mut backoff, mut before) = (Backoff::until(until), None);
        loop {
            let change = Change {
                key,
                condition,
                record,
                writes,
            };
            // On the heap: the request of a cloud's client takes tens of kilobytes, and all that awaits this would contain it.
            let changed = Box::pin(self.store.change(change));
            let error = match timeout_at(until, changed).await {
                Ok(Ok(answer)) => return Ok(answer),
                Ok(Err(error)) => error,
                Err(_) => return Err(out_of_time(before)),
            };
            if !error.is_transient() || !backoff.pause().await {
                return Err(error);
            }
            before = Some(error);
        }
    }
}

/// The answer to a claim.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub enum Claim {
    /// The claimer processes the key, until the lease ends.
    Granted(Lease),
    /// It does not.
    NotFree(Existing),
}

/// The answer to a completion, a rejection or a release. What was not applied is returned, to be tried again or given
/// up.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub enum Settled<H> {
    /// Recorded, and all writes are committed.
    Done,
    /// Nothing was changed: another attempt has taken the lease over, or this one had settled the key before.
    Lost,
    /// Nothing was changed: the attempt had no claim, and the key is not free.
    NotFree(H, Existing),
    /// Nothing was changed, because of a write's own condition.
    Refused(H, Refusal),
}

/// A completion that the store has no room for.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct Unsealed {
    /// What it would have been committed under.
    pub hold: Hold,
    /// The limit that it exceeds.
    pub why: TooLarge,
}

impl<H> Settled<H> {
    fn of(answer: Answer, hold: H) -> Self {
        match answer {
            Answer::Applied => Self::Done,
            Answer::Lost => Self::Lost,
            Answer::NotFree(existing) => Self::NotFree(hold, existing),
            Answer::WriteRefused(refusal) => Self::Refused(hold, refusal),
        }
    }
}

/// The error of a request that was in flight at its deadline: what came `before` states more than that.
fn out_of_time(before: Option<StoreError>) -> StoreError {
    match before {
        Some(error @ StoreError::NoAnswer(_)) => error,
        Some(error) => StoreError::NoAnswer(error.into()),
        None => StoreError::NoAnswer("deadline exceeded".into()),
    }
}

/// An answer that the request has no place for.
fn unexpected(attempt: &Attempt, answer: &Answer) -> StoreError {
    StoreError::Inconsistent {
        id: attempt.key().record_id().to_owned(),
        why: format!("unexpected {answer:?}"),
    }
}
