//! The entry of a key in the ledger.

use crate::{Attempt, OutgoingMessage, OwnerToken, Timestamp};

/// The state of a key. The first two words are those of Powertools for AWS Lambda.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Claimed: an attempt processes it, or died while it did.
    InProgress,
    /// Done, while the record is retained.
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
/// What Powertools does not write is optional: its tables stay readable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The state of the key.
    pub status: Status,
    /// Token of the attempt that wrote the record.
    pub owner: Option<OwnerToken>,
    /// End of the lease, while in progress.
    pub lease_end: Option<Timestamp>,
    /// When the record expires, in seconds since the epoch, because DynamoDB's TTL requires seconds.
    pub expiration_seconds: u64,
    /// Fingerprint of the payload, for keys other than the message ID.
    pub fingerprint: Option<String>,
    /// The result, if the handler gave one.
    pub data: Option<String>,
    /// The messages to send before the incoming message is acknowledged.
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
    pub(crate) fn completed(attempt: &Attempt, data: Option<String>, outgoing: Vec<OutgoingMessage>) -> Self {
        Self {
            status: Status::Completed,
            lease_end: None,
            data,
            outgoing,
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

    /// Whether the record no longer counts, although it may still exist: TTL deletes days late.
    pub(crate) fn has_expired(&self, now: Timestamp) -> bool {
        self.expiration_seconds < now.seconds()
    }
}
