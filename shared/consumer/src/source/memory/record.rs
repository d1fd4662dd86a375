//! What was requested of a queue in memory, for tests to look at.

use std::time::Duration;

use idempotency::Timestamp;

use crate::{Incoming, MessageId, SourceFault, Verdict};

/// What was requested about one message of a [`MemorySource`](crate::MemorySource).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceRecord {
    /// When, on the clock of the queue.
    pub at: Timestamp,
    /// About which message.
    pub message: MessageId,
    /// What was requested.
    pub action: SourceAction,
    /// The error that the host saw; `None`: the request succeeded.
    pub fault: Option<SourceFault>,
}

impl SourceRecord {
    pub(super) fn received(at: Timestamp, message: &Incoming, fault: Option<SourceFault>) -> Self {
        let receive_count = message.receive_count;
        Self {
            at,
            message: message.id.clone(),
            action: SourceAction::Received { receive_count },
            fault,
        }
    }
}

/// What a host requests about one message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SourceAction {
    /// It received the message.
    Received {
        /// The receive count that the message stated.
        receive_count: u32,
    },
    /// It hid the message for longer.
    Extended {
        /// From the request on.
        by: Duration,
    },
    /// It settled the message.
    Settled(Verdict),
}
