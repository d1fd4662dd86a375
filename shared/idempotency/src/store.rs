//! The one trait that a store of records implements: one conditional change at a time.

use std::error::Error;
use std::future::Future;

use crate::{Attempt, Existing, Key, OwnerToken, Record, Refusal, Timestamp, Write};

/// The database behind a [`Ledger`](crate::Ledger).
///
/// A store makes single changes, each under a condition. What changes the protocol consists of is the ledger's part,
/// and the same over every store.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a store of records",
    note = "use `DynamoDbStore` on a host, or `MemoryStore` in a test"
)]
pub trait Store: Send + Sync + 'static {
    /// The writes that this store can commit together with a record.
    type Write: Write;

    /// Makes one change if its condition holds: the record and all writes, or nothing.
    ///
    /// A change that is sent again must find itself applied, as [`decide`](crate::decide) defines it (promise 4).
    ///
    /// # Errors
    ///
    /// [`StoreError`]: unless a variant states otherwise, the change may have been applied, or may yet be.
    fn change(&self, change: Change<'_, Self::Write>) -> impl Future<Output = Result<Answer, StoreError>> + Send;

    /// Whether a record and its writes fit this store. Called before anything is committed, without a request.
    ///
    /// # Errors
    ///
    /// [`TooLarge`]: the store would refuse the change, each time that it is sent.
    fn check(&self, key: &Key, record: &Record, writes: &[Self::Write]) -> Result<(), TooLarge>;
}

/// One conditional request to a store: everything in it happens, or nothing.
#[derive(Debug)]
pub struct Change<'a, W> {
    /// Whose record is changed.
    pub key: &'a Key,
    /// What must hold for the existing record.
    pub condition: Condition<'a>,
    /// The record that replaces it; `None`: it is deleted.
    pub record: Option<&'a Record>,
    /// What is committed together with it.
    pub writes: &'a [W],
}

/// What must hold for a record to be changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition<'a> {
    /// The key is free for this attempt: there is no record, or it has expired, or it is a claim whose lease is over
    /// and whose fingerprint, where one is kept, is the same.
    Free(&'a Attempt),
    /// The record is a claim of this owner's. Time plays no part: a holder whose lease is over but was not taken may
    /// still settle it, because refusing it would only repeat its effects.
    Held(&'a OwnerToken),
    /// The same, and its lease ends at this time or earlier: no extension moves an end backwards.
    HeldUntil(&'a OwnerToken, Timestamp),
}

impl<'a> Condition<'a> {
    /// The owner token of the attempt that requests the change.
    pub fn owner(&self) -> &'a OwnerToken {
        match self {
            Self::Free(attempt) => attempt.owner(),
            Self::Held(owner) | Self::HeldUntil(owner, _) => owner,
        }
    }
}

/// A store's answer to a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The record and all writes are as requested, by this request or by an earlier copy of it.
    Applied,
    /// Nothing was applied: the key is not free.
    NotFree(Existing),
    /// Nothing was applied: the record is not, or no longer, a claim of the owner's.
    Lost,
    /// Nothing was applied, because of a write's own condition.
    WriteRefused(Refusal),
}

/// A record or a transaction that exceeds its store's limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TooLarge {
    /// The record: usually its result or its outgoing messages.
    #[error("the completed record, with its result and outgoing messages, would take {bytes} bytes of at most {most}")]
    Record {
        /// What the record would take.
        bytes: usize,
        /// What the store allows.
        most: usize,
    },
    /// The writes of the completion.
    #[error("the completion has {writes} writes of at most {most}")]
    Writes {
        /// How many writes there are.
        writes: usize,
        /// How many the store allows beside the record.
        most: usize,
    },
}

/// The store gave no usable answer: unless a variant states otherwise, the change may have been applied, or may yet be.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// No answer came: the store could not be reached, or closed the connection, or took too long.
    #[error("the ledger did not answer")]
    NoAnswer(#[source] Box<dyn Error + Send + Sync>),
    /// The store gets more requests than it can take: it may answer later.
    #[error("the ledger is throttled")]
    Throttled(#[source] Box<dyn Error + Send + Sync>),
    /// Another request changes the record or an item of its writes just now, or too many do: nothing was applied.
    #[error("transaction conflict at record {id}")]
    Conflict {
        /// The record's ID.
        id: String,
    },
    /// The store refused the request itself, and would again: no such table, no permission, too large.
    #[error("the ledger refused the request")]
    Refused(#[source] Box<dyn Error + Send + Sync>),
    /// The key's record is neither ours nor Powertools': something else writes to this table.
    #[error("record {id} can't be read: attribute {attribute} is missing or of the wrong type")]
    Unreadable {
        /// The record's ID.
        id: String,
        /// The attribute that is missing.
        attribute: &'static str,
    },
    /// The store contradicts itself: it refused a change that the record it returned allows, or returned none (as some
    /// emulators do), or gave an answer that does not fit the request.
    #[error("the ledger's answer for record {id} makes no sense: {why}")]
    Inconsistent {
        /// The record's ID.
        id: String,
        /// What does not fit.
        why: String,
    },
}

impl StoreError {
    /// Whether the same request may succeed if it is sent again soon.
    pub(crate) fn is_transient(&self) -> bool {
        matches!(self, Self::NoAnswer(_) | Self::Throttled(_) | Self::Conflict { .. })
    }
}
