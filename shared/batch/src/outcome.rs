//! What happened to a message.

use std::time::Duration;

use idempotency::Timestamp;

/// What happened to a message. Only the first two take it off the queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Its work is recorded as done, by this very attempt.
    Done,
    /// Its work had been done before.
    Duplicate,
    /// Another attempt holds the lease.
    InProgress { until: Timestamp },
    /// Its work was not done, and may be at a later delivery.
    Failed { delay: Option<Duration>, why: String },
    /// Its work can never be done.
    Rejected { why: String },
    /// There was no time for it, or a message of its group failed before it. Nothing of it was touched.
    NotStarted,
}

impl Outcome {
    pub(crate) fn failed(why: impl Into<String>) -> Self {
        Self::Failed {
            delay: None,
            why: why.into(),
        }
    }

    /// Whether the message may leave the queue.
    pub(crate) fn is_acknowledged(&self) -> bool {
        matches!(self, Self::Done | Self::Duplicate)
    }

    /// One line about what did not go well: the volume of the log must not grow with success.
    pub(crate) fn log(&self) {
        match self {
            Self::Done => tracing::debug!("done"),
            Self::Duplicate => tracing::debug!("duplicate: its work was done before"),
            Self::InProgress { until } => tracing::info!(lease_end = until.millis(), "in progress elsewhere"),
            Self::Failed {
                delay: Some(delay),
                why,
            } => {
                tracing::warn!(retry_after_seconds = delay.as_secs(), "failed: {why}");
            }
            Self::Failed { delay: None, why } => tracing::warn!("failed: {why}"),
            Self::Rejected { why } => tracing::error!("rejected: {why}"),
            Self::NotStarted => tracing::info!("not started"),
        }
    }
}
