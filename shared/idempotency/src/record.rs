//! What the ledger knows of a key.

use crate::{Attempt, Completion, OutgoingMessage, OwnerToken, Timestamp};

/// How far the work of a key has come. The first two words are those of Powertools for AWS Lambda.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Claimed: somebody works on it, or died over it.
    InProgress,
    /// Done, for as long as the record is kept.
    Completed,
    /// It can never be done.
    Rejected,
}

impl Status {
    /// The word in the record's `status` attribute.
    pub const fn word(self) -> &'static str {
        match self {
            Self::InProgress => "INPROGRESS",
            Self::Completed => "COMPLETED",
            Self::Rejected => "REJECTED",
        }
    }

    /// The status of a word, if it is one of the three.
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::InProgress, Self::Completed, Self::Rejected]
            .into_iter()
            .find(|status| status.word() == word)
    }
}

/// One key's record.
///
/// What Powertools would not write is optional: a table that it filled stays readable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// How far the work has come.
    pub status: Status,
    /// Token of the attempt that wrote the record.
    pub owner: Option<OwnerToken>,
    /// End of the lease, while in progress.
    pub lease_end: Option<Timestamp>,
    /// When the record is forgotten, in seconds since the epoch: DynamoDB's TTL wants seconds, and deletes days late.
    pub expiration_seconds: u64,
    /// Fingerprint of the payload, for keys other than the message ID.
    pub fingerprint: Option<String>,
    /// The result, if the handler gave one.
    pub data: Option<String>,
    /// What is to be sent before the message is acknowledged.
    pub outgoing: Vec<OutgoingMessage>,
    /// Why the work was rejected.
    pub reason: Option<String>,
}

impl Record {
    /// The record of a claim.
    pub(crate) fn claimed(attempt: &Attempt) -> Self {
        Self {
            status: Status::InProgress,
            owner: Some(attempt.owner().clone()),
            lease_end: Some(attempt.lease_end()),
            expiration_seconds: attempt.expiration_seconds(),
            fingerprint: attempt.fingerprint().map(str::to_owned),
            data: None,
            outgoing: Vec::new(),
            reason: None,
        }
    }

    /// The record of a completion.
    pub(crate) fn completed(attempt: &Attempt, completion: &Completion) -> Self {
        Self {
            status: Status::Completed,
            lease_end: None,
            data: completion.result().map(str::to_owned),
            outgoing: completion.outgoing(attempt.key()),
            ..Self::claimed(attempt)
        }
    }

    /// The record of a rejection.
    pub(crate) fn rejected(attempt: &Attempt, reason: &str) -> Self {
        Self {
            status: Status::Rejected,
            lease_end: None,
            reason: Some(reason.to_owned()),
            ..Self::claimed(attempt)
        }
    }

    /// Whether the record no longer counts, although it may still be there: TTL deletes days late.
    pub(crate) fn has_expired(&self, now: Timestamp) -> bool {
        self.expiration_seconds < now.seconds()
    }
}
