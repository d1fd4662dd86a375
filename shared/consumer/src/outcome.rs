//! What happened to a message.

use std::time::Duration;

use idempotency::{OwnerToken, Timestamp};

use crate::Failure;
use crate::reason::Reason;

/// What happened to a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// This attempt processed it, and recorded that.
    Done,
    /// It was processed before.
    Duplicate,
    /// Another attempt holds the lease.
    InProgress {
        until: Timestamp,
        owner: Option<OwnerToken>,
    },
    /// It was not processed, and may be at a later delivery, or when an operator redrives it from the dead-letter queue.
    Failed {
        delay: Delay,
        why: Reason,
        dead_lettered: bool,
    },
    /// It can never be processed.
    Rejected { why: Reason, dead_lettered: bool },
    /// There was no time for it, or a message of its group failed before it. Nothing was done for it.
    NotStarted,
}

/// When a failed message should be redelivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Delay {
    /// After a random delay that grows with each receive.
    Backoff,
    /// After the delay that the handler stated.
    Stated(Duration),
    /// When the lease that it holds has ended.
    LeaseEnd(Timestamp),
}

impl Outcome {
    pub(crate) fn failed(why: impl Into<String>) -> Self {
        Self::Failed {
            delay: Delay::Backoff,
            why: why.into().into(),
            dead_lettered: false,
        }
    }

    /// Logs a line above debug level only if something went wrong: the volume of the log must not grow with success.
    pub(crate) fn log(&self) {
        match self {
            Self::Done => tracing::debug!("done"),
            Self::Duplicate => tracing::debug!("duplicate: processed before"),
            Self::InProgress { until, owner } => tracing::info!(
                leaseEnd = until.millis(),
                owner = owner.as_ref().map(OwnerToken::as_str),
                "in progress: another attempt holds the lease"
            ),
            Self::Failed {
                why,
                dead_lettered: true,
                ..
            } => tracing::error!(
                code = why.code(),
                deadLettered = true,
                "failed at its last receive: {why}"
            ),
            Self::Failed {
                delay: Delay::Stated(delay),
                why,
                ..
            } => tracing::warn!(code = why.code(), retryAfterSeconds = delay.as_secs(), "failed: {why}"),
            Self::Failed { why, .. } => tracing::warn!(code = why.code(), "failed: {why}"),
            Self::Rejected { why, dead_lettered } => {
                tracing::error!(code = why.code(), deadLettered = dead_lettered, "rejected: {why}");
            }
            Self::NotStarted => tracing::debug!("not started"),
        }
    }
}

/// A failure that is not permanent.
impl From<&Failure> for Outcome {
    fn from(failure: &Failure) -> Self {
        Self::Failed {
            delay: failure.delay().map_or(Delay::Backoff, Delay::Stated),
            why: failure.reason(),
            dead_lettered: false,
        }
    }
}
