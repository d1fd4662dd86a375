//! What can go wrong with a request to a queue.

use std::fmt;

use crate::fault::{self, AfterApply, Hook};

/// Something that goes wrong with the next requests it matches.
pub type Fault = fault::Fault<FaultKind>;

/// What happens to a request that a [`Fault`] affects.
pub enum FaultKind {
    /// `RequestThrottled`; nothing is applied.
    Throttle,
    /// The request never arrives: nothing is applied, and no answer comes.
    LoseRequest,
    /// The request is done, but its answer, whatever it is, never comes.
    LoseReply,
    /// The request is done; then this runs with both, and only then the answer is sent. A test can stop a process
    /// between sending a message and what it does next. The queues are unlocked while it runs.
    AfterApply(AfterApply),
}

impl fmt::Debug for FaultKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Throttle => "Throttle",
            Self::LoseRequest => "LoseRequest",
            Self::LoseReply => "LoseReply",
            Self::AfterApply(_) => "AfterApply",
        })
    }
}

/// A fault's effect on one request.
#[derive(Debug, Clone)]
pub(super) enum Effect {
    Throttle,
    LoseRequest,
    LoseReply,
    AfterApply(Hook),
}

impl From<FaultKind> for Effect {
    fn from(kind: FaultKind) -> Self {
        match kind {
            FaultKind::Throttle => Self::Throttle,
            FaultKind::LoseRequest => Self::LoseRequest,
            FaultKind::LoseReply => Self::LoseReply,
            FaultKind::AfterApply(hook) => Self::AfterApply(Hook::new(hook)),
        }
    }
}
