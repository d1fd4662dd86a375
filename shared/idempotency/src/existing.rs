//! Why a key is not free.

use crate::{OutgoingMessage, OwnerToken, Timestamp};

/// The existing record of a key that is not free: what another attempt has made of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Existing {
    /// Completed before.
    Completed {
        /// The result, if the handler gave one.
        data: Option<String>,
        /// What has to be sent again before the message is acknowledged: it is unknown whether it was.
        outgoing: Vec<OutgoingMessage>,
    },
    /// Rejected before, for this reason.
    Rejected(String),
    /// Another attempt holds the lease.
    InProgress {
        /// When the lease ends at the latest, unless it is extended.
        until: Timestamp,
        /// The owner token of that attempt, unless Powertools wrote the record.
        owner: Option<OwnerToken>,
    },
    /// The key was used for a payload with another fingerprint, which is an error of the producer's.
    OtherPayload {
        /// The fingerprint in the record.
        recorded: String,
    },
}
