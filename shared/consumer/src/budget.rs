//! The time that a batch has.

use std::future::Future;
use std::time::Duration;

use idempotency::Timestamp;
use tokio::time::{Instant, timeout_at};

/// What a batch gets when its deadline can't be true: `cargo lambda watch` sends the constant 600000 for each.
pub const DEFAULT_BUDGET: Duration = Duration::from_secs(30);

/// How far apart the clocks of two machines may be: a lease lasts this much longer than its invocation.
pub const CLOCK_MARGIN: Duration = Duration::from_secs(1);

/// The longest that an invocation can last
/// ([Lambda quotas](https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html)).
const LONGEST_INVOCATION: Duration = Duration::from_secs(15 * 60);

/// How the time until an invocation's deadline is spent: first on handlers, then on recording and sending what they did,
/// then on the delays of what goes back, the end on the response.
///
/// ```text
/// now ────────── handlers ──────────┤── ledger ──┤── queue ──┤─ response ─┤deadline
///                            handlers_end   ledger_end   queue_end
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Budget {
    started: Instant,
    started_at: Timestamp,
    total: Duration,
    lease_end: Timestamp,
    handlers_end: Instant,
    ledger_end: Instant,
    queue_end: Instant,
}

impl Budget {
    /// The budget of an invocation that starts `now` and is ended at `deadline`.
    ///
    /// A deadline more than 15 minutes away, in either direction, can't be true: the invocation then gets
    /// [`DEFAULT_BUDGET`].
    pub fn new(now: Timestamp, deadline: Timestamp) -> Self {
        let plausible = now.until(deadline).max(deadline.until(now)) <= LONGEST_INVOCATION;
        let total = if plausible { now.until(deadline) } else { DEFAULT_BUDGET };
        let started = Instant::now();
        let for_response = share(total, 20, Duration::from_millis(500));
        let for_queue = share(total, 20, Duration::from_secs(1));
        let for_ledger = share(total, 5, Duration::from_secs(2));
        let queue_end = total.saturating_sub(for_response);
        let ledger_end = queue_end.saturating_sub(for_queue);
        Self {
            started,
            started_at: now,
            total,
            lease_end: now.plus(total + CLOCK_MARGIN),
            handlers_end: started + ledger_end.saturating_sub(for_ledger),
            ledger_end: started + ledger_end,
            queue_end: started + queue_end,
        }
    }

    /// The time of day. Elapsed time is added to one reading of the system's clock, so that it never runs backwards.
    pub(crate) fn now(&self) -> Timestamp {
        self.started_at.plus(self.started.elapsed())
    }

    /// How long the invocation may last.
    pub(crate) fn total(&self) -> Duration {
        self.total
    }

    /// When a lease taken in this batch ends: the process may not outlive the deadline, but clocks differ.
    pub(crate) fn lease_end(&self) -> Timestamp {
        self.lease_end
    }

    /// Whether there is no time left to start a message.
    pub(crate) fn is_spent(&self) -> bool {
        Instant::now() >= self.handlers_end
    }

    /// What the future gives, unless the time for handlers ends first.
    pub(crate) async fn for_handlers<F: Future>(&self, future: F) -> Option<F::Output> {
        timeout_at(self.handlers_end, future).await.ok()
    }

    /// What the future gives, unless its own time, if it has one, or the time for handlers ends first.
    pub(crate) async fn for_handler<F: Future>(&self, limit: Option<Duration>, future: F) -> Option<F::Output> {
        let own_end = limit.and_then(|limit| Instant::now().checked_add(limit));
        let end = own_end.map_or(self.handlers_end, |own_end| own_end.min(self.handlers_end));
        timeout_at(end, future).await.ok()
    }

    /// What the future gives, unless the time for recording and sending ends first.
    pub(crate) async fn for_ledger<F: Future>(&self, future: F) -> Option<F::Output> {
        timeout_at(self.ledger_end, future).await.ok()
    }

    /// What the future gives, unless the time for delaying messages ends first.
    pub(crate) async fn for_queue<F: Future>(&self, future: F) -> Option<F::Output> {
        timeout_at(self.queue_end, future).await.ok()
    }
}

/// A part of the total, at most `most`.
fn share(total: Duration, parts: u32, most: Duration) -> Duration {
    (total / parts).min(most)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    fn handler_time(deadline: Timestamp) -> Duration {
        let budget = Budget::new(NOW, deadline);
        budget.handlers_end - budget.started
    }

    #[test]
    fn a_deadline_that_cannot_be_true_gives_the_default_budget() {
        let default = handler_time(NOW.plus(DEFAULT_BUDGET));
        for nonsense in [
            Timestamp::from_millis(600_000),
            Timestamp::from_millis(0),
            Timestamp::from_millis(u64::MAX),
        ] {
            assert_eq!(handler_time(nonsense), default);
        }
        assert_eq!(
            handler_time(NOW.plus(LONGEST_INVOCATION)),
            LONGEST_INVOCATION - Duration::from_millis(3500)
        );
    }

    #[test]
    fn a_deadline_that_has_just_passed_leaves_no_time() {
        assert_eq!(handler_time(NOW), Duration::ZERO);
        assert_eq!(
            handler_time(Timestamp::from_millis(NOW.millis() - 1000)),
            Duration::ZERO
        );
    }

    #[test]
    fn a_short_invocation_keeps_time_for_ledger_queue_and_response() {
        let budget = Budget::new(NOW, NOW.plus(Duration::from_secs(1)));
        assert_eq!(budget.handlers_end - budget.started, Duration::from_millis(700));
        assert_eq!(budget.ledger_end - budget.started, Duration::from_millis(900));
        assert_eq!(budget.queue_end - budget.started, Duration::from_millis(950));
    }

    #[test]
    fn a_lease_outlasts_its_invocation() {
        let deadline = NOW.plus(Duration::from_secs(10));
        assert_eq!(Budget::new(NOW, deadline).lease_end(), deadline.plus(CLOCK_MARGIN));
    }
}
