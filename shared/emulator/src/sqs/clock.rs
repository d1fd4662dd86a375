//! Wall-clock time derived from tokio's clock, so that tests can pause and advance it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

/// Reads the wall clock once; from then on time passes by tokio's clock.
#[derive(Debug, Clone)]
pub(crate) struct Clock {
    began: Instant,
    began_since_epoch: Duration,
}

impl Clock {
    pub(crate) fn start() -> Self {
        Self {
            began: Instant::now(),
            began_since_epoch: SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default(),
        }
    }

    pub(crate) fn epoch_seconds(&self, at: Instant) -> u64 {
        self.since_epoch(at).as_secs()
    }

    pub(crate) fn epoch_millis(&self, at: Instant) -> u128 {
        self.since_epoch(at).as_millis()
    }

    /// The instant of a time in milliseconds since the epoch. It may lie before this clock's start, but not before all instants.
    pub(crate) fn instant(&self, epoch_millis: u64) -> Instant {
        let at = Duration::from_millis(epoch_millis);
        let instant = match at.checked_sub(self.began_since_epoch) {
            Some(later) => self.began.checked_add(later),
            None => self.began.checked_sub(self.began_since_epoch - at),
        };
        instant.unwrap_or(self.began)
    }

    fn since_epoch(&self, at: Instant) -> Duration {
        let before = self.began.saturating_duration_since(at);
        (self.began_since_epoch + at.saturating_duration_since(self.began)).saturating_sub(before)
    }
}
