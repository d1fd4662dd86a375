//! The time budget of a batch.

use std::future::Future;
use std::time::Duration;

use idempotency::Timestamp;
use tokio::time::{Instant, timeout_at};

/// How far apart the clocks of two machines may be. A lease ends this much later than the deadline.
pub const CLOCK_MARGIN: Duration = Duration::from_secs(1);

/// The time until a deadline, divided: first for handlers, then for the ledger and the queues, last what the host reserves.
///
/// ```text
/// now ------------ handlers ------------|-- ledger --|-- reserved --|deadline
///                               handlers_end     ledger_end
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Budget {
    started: Instant,
    started_at: Timestamp,
    total: Duration,
    lease_end: Timestamp,
    handlers_end: Instant,
    ledger_end: Instant,
}

impl Budget {
    /// The budget of messages received `now` by a host that can't process them beyond `deadline`.
    ///
    /// The verdicts are returned by the deadline. A deadline in the past leaves no time.
    pub fn new(now: Timestamp, deadline: Timestamp) -> Self {
        let started = Instant::now();
        let total = now.until(deadline);
        Self {
            started,
            started_at: now,
            total,
            lease_end: now.plus(total + CLOCK_MARGIN),
            handlers_end: started,
            ledger_end: started,
        }
        .with_reserved(Duration::ZERO)
    }

    /// The same budget, with the verdicts returned this much earlier: the host needs time to act on them.
    #[must_use]
    pub fn with_reserved(self, reserved: Duration) -> Self {
        let ledger_end = self.total.saturating_sub(reserved);
        let for_ledger = (self.total / 5).min(Duration::from_secs(2));
        Self {
            handlers_end: self.started + ledger_end.saturating_sub(for_ledger),
            ledger_end: self.started + ledger_end,
            ..self
        }
    }

    /// The time of day. It is one reading of the system clock plus the time elapsed since, so it never runs backwards.
    pub fn now(&self) -> Timestamp {
        self.started_at.plus(self.started.elapsed())
    }

    /// The whole time until the deadline.
    pub(crate) fn total(&self) -> Duration {
        self.total
    }

    /// When a lease claimed in this batch ends: no attempt outlives the deadline, but clocks differ.
    pub(crate) fn lease_end(&self) -> Timestamp {
        self.lease_end
    }

    /// Whether there is no time left to start a message.
    pub(crate) fn is_spent(&self) -> bool {
        Instant::now() >= self.handlers_end
    }

    /// Until when a claim that begins now is tried: half of the time left for handlers. A later grant would leave its
    /// handler less time than was waited for it.
    pub(crate) fn claim_end(&self) -> Instant {
        let now = Instant::now();
        now + self.handlers_end.saturating_duration_since(now) / 2
    }

    /// When the time for the ledger and the queues ends.
    pub(crate) fn ledger_end(&self) -> Instant {
        self.ledger_end
    }

    /// The future's output, or `None` if its own limit or the time for handlers ends first.
    pub(crate) async fn for_handler<F: Future>(&self, limit: Option<Duration>, future: F) -> Option<F::Output> {
        let own_end = limit.and_then(|limit| Instant::now().checked_add(limit));
        let end = own_end.map_or(self.handlers_end, |own_end| own_end.min(self.handlers_end));
        timeout_at(end, future).await.ok()
    }

    /// The future's output, or `None` if the time for the ledger and the queues ends first.
    pub(crate) async fn for_ledger<F: Future>(&self, future: F) -> Option<F::Output> {
        timeout_at(self.ledger_end, future).await.ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    fn after(millis: u64) -> Timestamp {
        NOW.plus(Duration::from_millis(millis))
    }

    #[test]
    fn a_deadline_in_the_past_leaves_no_time() {
        for deadline in [NOW, Timestamp::from_millis(NOW.millis() - 1000)] {
            let budget = Budget::new(NOW, deadline);
            assert_eq!(budget.handlers_end, budget.started);
        }
    }

    #[test]
    fn a_short_budget_keeps_a_fifth_for_the_ledger() {
        let budget = Budget::new(NOW, after(1000)).with_reserved(Duration::from_millis(100));
        assert_eq!(budget.handlers_end - budget.started, Duration::from_millis(700));
        assert_eq!(budget.ledger_end - budget.started, Duration::from_millis(900));
    }

    #[test]
    fn a_long_budget_keeps_two_seconds_for_the_ledger() {
        let budget = Budget::new(NOW, after(900_000)).with_reserved(Duration::from_millis(1500));
        assert_eq!(budget.handlers_end - budget.started, Duration::from_millis(896_500));
    }

    #[test]
    fn a_lease_outlasts_its_deadline_by_the_clock_margin() {
        let budget = Budget::new(NOW, after(10_000)).with_reserved(Duration::from_secs(1));
        assert_eq!(budget.lease_end(), after(10_000).plus(CLOCK_MARGIN));
    }
}
