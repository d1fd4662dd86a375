//! The state of the process for systemd, where it runs under it
//! ([sd_notify](https://www.freedesktop.org/software/systemd/man/latest/sd_notify.html)). Elsewhere nothing happens.

use std::time::Duration;

use sd_notify::NotifyState;
use tokio::time::Instant;

/// The process takes messages.
pub fn ready() {
    notify(NotifyState::Ready);
}

/// It takes no more, and ends within this time, which the unit knows.
pub fn stopping(_within: Duration) {
    notify(NotifyState::Stopping);
}

/// Nothing is reported: the queue has not answered.
pub(crate) fn started() {}

/// Nothing is reported: systemd reads the exit code itself.
pub(crate) fn ended(_code: u8) {}

/// A service of systemd has a standard output, which is its log.
pub(crate) fn is_service() -> bool {
    false
}

/// Restarts the process if it is not fed in time.
#[derive(Debug)]
pub struct Watchdog {
    /// Half of the time that systemd waits.
    every: Option<Duration>,
    fed: Option<Instant>,
}

impl Watchdog {
    /// What systemd has set for this process.
    pub fn from_env() -> Self {
        Self {
            every: sd_notify::watchdog_enabled().map(|timeout| timeout / 2),
            fed: None,
        }
    }

    /// Feeds it, unless it was fed just before.
    pub fn feed(&mut self, now: Instant) {
        let is_due = |every| self.fed.is_none_or(|fed| now.saturating_duration_since(fed) >= every);
        if self.every.is_some_and(is_due) {
            self.fed = Some(now);
            notify(NotifyState::Watchdog);
        }
    }
}

fn notify(state: NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(&[state]) {
        tracing::warn!("systemd could not be notified: {error}");
    }
}
