//! The time budget of a batch, or of one message.

mod stop;

use std::future::Future;
use std::time::Duration;

use idempotency::Timestamp;
use tokio::time::{Instant, sleep_until, timeout_at};

pub use stop::Stop;
use stop::Stopping;

/// How far apart the clocks of two machines may be. A lease ends this much later than the deadline.
pub const CLOCK_MARGIN: Duration = Duration::from_secs(1);

/// The time until a deadline, divided: first for handlers, then for the ledger and the queues, last what the host reserves.
///
/// ```text
/// now ------------ handlers ------------|-- ledger --|-- reserved --|deadline
///                               handlers_end     ledger_end
/// ```
///
/// The deadline is [fixed](Self::new), or it is [renewed](Self::renewable) while a handler runs.
#[derive(Debug, Clone)]
pub struct Budget {
    started: Instant,
    started_at: Timestamp,
    /// Until the deadline; of a renewable budget, from one renewal to the deadline that it sets.
    total: Duration,
    ends: Ends,
}

#[derive(Debug, Clone)]
enum Ends {
    Fixed {
        lease_end: Timestamp,
        handlers_end: Instant,
        ledger_end: Instant,
    },
    Renewable {
        longest_end: Option<Instant>,
        stop: Stopping,
    },
}

impl Budget {
    /// The budget of messages received `now` by a host that can't process them beyond `deadline`.
    ///
    /// The verdicts are returned by the deadline. A deadline in the past leaves no time.
    pub fn new(now: Timestamp, deadline: Timestamp) -> Self {
        let started = Instant::now();
        let total = now.until(deadline);
        let ends = Ends::Fixed {
            lease_end: now.plus(total + CLOCK_MARGIN),
            handlers_end: started,
            ledger_end: started,
        };
        Self {
            started,
            started_at: now,
            total,
            ends,
        }
        .with_reserved(Duration::ZERO)
    }

    /// The budget of a message received `now` by a host that can keep it hidden for longer.
    ///
    /// A lease lasts `window`, and is extended at half of it while the handler runs. The host extends the message's visibility
    /// itself. The handler is cancelled after `longest`, if there is a limit, or when the host [stops](Stop). The verdict is
    /// returned up to two seconds after that.
    pub fn renewable(now: Timestamp, window: Duration, longest: Option<Duration>, stop: &Stop) -> Self {
        let started = Instant::now();
        Self {
            started,
            started_at: now,
            total: window,
            ends: Ends::Renewable {
                longest_end: longest.and_then(|longest| started.checked_add(longest)),
                stop: stop.observed(),
            },
        }
    }

    /// The same budget, with the verdicts returned this much earlier: the host needs time to act on them. A renewable budget
    /// has no deadline to reserve time before.
    #[must_use]
    pub fn with_reserved(mut self, reserved: Duration) -> Self {
        let for_ledger = self.for_last_requests();
        if let Ends::Fixed {
            handlers_end,
            ledger_end,
            ..
        } = &mut self.ends
        {
            let until_ledger_end = self.total.saturating_sub(reserved);
            *handlers_end = self.started + until_ledger_end.saturating_sub(for_ledger);
            *ledger_end = self.started + until_ledger_end;
        }
        self
    }

    /// The time of day. It is one reading of the system clock plus the time elapsed since, so it never runs backwards.
    pub fn now(&self) -> Timestamp {
        self.started_at.plus(self.started.elapsed())
    }

    /// The whole time until the deadline; of a renewable budget, how long a lease lasts.
    pub(crate) fn total(&self) -> Duration {
        self.total
    }

    /// When a lease claimed or extended now ends: no attempt outlives the deadline, but clocks differ.
    pub(crate) fn lease_end(&self) -> Timestamp {
        match self.ends {
            Ends::Fixed { lease_end, .. } => lease_end,
            Ends::Renewable { .. } => self.now().plus(self.total + CLOCK_MARGIN),
        }
    }

    /// When a lease with this end is to be extended: at half of the time that it lasts. `None`: the deadline is fixed.
    pub(crate) fn extension(&self, lease_end: Timestamp) -> Option<Instant> {
        match self.ends {
            Ends::Fixed { .. } => None,
            Ends::Renewable { .. } => {
                let left = self.now().until(lease_end);
                Some(Instant::now() + left.saturating_sub(self.total / 2 + CLOCK_MARGIN))
            }
        }
    }

    /// Whether there is no time left to start a message.
    pub(crate) fn is_spent(&self) -> bool {
        self.handlers_end().is_some_and(|end| Instant::now() >= end)
    }

    /// Until when a claim that begins now is tried: half of the time left for handlers. A later grant would leave its
    /// handler less time than was waited for it.
    pub(crate) fn claim_end(&self) -> Instant {
        let now = Instant::now();
        let renewed = now + self.total;
        let end = self.handlers_end().map_or(renewed, |end| match self.ends {
            Ends::Fixed { .. } => end,
            Ends::Renewable { .. } => end.min(renewed),
        });
        now + end.saturating_duration_since(now) / 2
    }

    /// When the time ends for a request to the ledger or the queues that begins now.
    ///
    /// A lease that is extended at half of its time lasts at least as long as its other half.
    pub(crate) fn ledger_end(&self) -> Instant {
        match self.ends {
            Ends::Fixed { ledger_end, .. } => ledger_end,
            Ends::Renewable { .. } => {
                let end = Instant::now() + self.total / 2;
                self.last_end().map_or(end, |last| last.min(end))
            }
        }
    }

    /// The future's output, or `None` if its own limit or the time for handlers ends first.
    pub(crate) async fn for_handler<F: Future>(&self, limit: Option<Duration>, future: F) -> Option<F::Output> {
        let own_end = limit.and_then(|limit| Instant::now().checked_add(limit));
        let future = async {
            match own_end {
                Some(end) => timeout_at(end, future).await.ok(),
                None => Some(future.await),
            }
        };
        self.until_end(future, Self::handlers_end).await.flatten()
    }

    /// The future's output, or `None` if the time for the ledger and the queues ends first.
    pub(crate) async fn for_ledger<F: Future>(&self, future: F) -> Option<F::Output> {
        self.until_end(future, Self::last_end).await
    }

    /// When handlers are cancelled, as far as that is known.
    fn handlers_end(&self) -> Option<Instant> {
        match &self.ends {
            Ends::Fixed { handlers_end, .. } => Some(*handlers_end),
            Ends::Renewable { longest_end, stop } => longest_end.iter().copied().chain(stop.end()).min(),
        }
    }

    /// When the last request to the ledger and the queues ends, as far as that is known.
    fn last_end(&self) -> Option<Instant> {
        match self.ends {
            Ends::Fixed { ledger_end, .. } => Some(ledger_end),
            Ends::Renewable { .. } => self.handlers_end().map(|end| end + self.for_last_requests()),
        }
    }

    /// The time after the end of handlers, for the ledger and the queues.
    fn for_last_requests(&self) -> Duration {
        (self.total / 5).min(Duration::from_secs(2))
    }

    /// The future's output, or `None` if this end comes first. The end of a renewable budget can move when the host stops.
    async fn until_end<F: Future>(&self, future: F, end: impl Fn(&Self) -> Option<Instant>) -> Option<F::Output> {
        let mut future = std::pin::pin!(future);
        loop {
            // Read before the end is: a stop between the two is not missed.
            let stop = match &self.ends {
                Ends::Fixed { .. } => None,
                Ends::Renewable { stop, .. } => Some((stop, stop.end())),
            };
            let moved = async {
                match stop {
                    Some((stop, before)) => stop.moved(before).await,
                    None => std::future::pending().await,
                }
            };
            let end = end(self);
            let over = async {
                match end {
                    Some(end) => sleep_until(end).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                output = &mut future => return Some(output),
                () = over => return None,
                () = moved => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    fn after(millis: u64) -> Timestamp {
        NOW.plus(Duration::from_millis(millis))
    }

    /// The ends of handlers and of the ledger, from the start.
    fn ends(budget: &Budget) -> (Duration, Duration) {
        let [handlers, ledger] = [budget.handlers_end(), budget.last_end()].map(|end| end.unwrap() - budget.started);
        (handlers, ledger)
    }

    #[test]
    fn a_deadline_in_the_past_leaves_no_time() {
        for deadline in [NOW, Timestamp::from_millis(NOW.millis() - 1000)] {
            let budget = Budget::new(NOW, deadline);
            assert_eq!(ends(&budget).0, Duration::ZERO);
        }
    }

    #[test]
    fn a_short_budget_keeps_a_fifth_for_the_ledger() {
        let budget = Budget::new(NOW, after(1000)).with_reserved(Duration::from_millis(100));
        assert_eq!(ends(&budget), (Duration::from_millis(700), Duration::from_millis(900)));
    }

    #[test]
    fn a_long_budget_keeps_two_seconds_for_the_ledger() {
        let budget = Budget::new(NOW, after(900_000)).with_reserved(Duration::from_millis(1500));
        assert_eq!(ends(&budget).0, Duration::from_millis(896_500));
    }

    #[test]
    fn a_lease_outlasts_its_deadline_by_the_clock_margin() {
        let budget = Budget::new(NOW, after(10_000)).with_reserved(Duration::from_secs(1));
        assert_eq!(budget.lease_end(), after(10_000).plus(CLOCK_MARGIN));
    }

    const WINDOW: Duration = Duration::from_secs(30);

    fn renewable(longest: Option<Duration>, stop: &Stop) -> Budget {
        Budget::renewable(NOW, WINDOW, longest, stop)
    }

    #[tokio::test(start_paused = true)]
    async fn a_renewable_lease_is_extended_at_half_its_time() {
        let budget = renewable(None, &Stop::new());
        for _ in 0..3 {
            let end = budget.lease_end();
            assert_eq!(end, budget.now().plus(WINDOW + CLOCK_MARGIN));
            assert_eq!(budget.extension(end), Some(Instant::now() + WINDOW / 2));
            tokio::time::advance(WINDOW / 2).await;
            assert_eq!(budget.extension(end), Some(Instant::now()));
            assert_eq!(budget.ledger_end(), Instant::now() + WINDOW / 2);
            assert_eq!(budget.claim_end(), Instant::now() + WINDOW / 2);
        }
        assert_eq!(Budget::new(NOW, after(10_000)).extension(after(11_000)), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_stop_ends_the_time_of_running_handlers() {
        let stop = Stop::new();
        let budget = renewable(Some(Duration::from_secs(3600)), &stop);
        assert_eq!(ends(&budget), (Duration::from_secs(3600), Duration::from_secs(3602)));
        let (after_20, started) = (Instant::now() + Duration::from_secs(20), Instant::now());
        let end = async {
            tokio::time::sleep(Duration::from_secs(10)).await;
            stop.at(after_20);
            stop.at(after_20 + WINDOW);
        };
        let (cancelled, ()) = tokio::join!(budget.for_handler(None, std::future::pending::<()>()), end);
        assert_eq!((cancelled, started.elapsed()), (None, Duration::from_secs(20)));
        assert!(budget.is_spent());
        assert_eq!(budget.ledger_end(), after_20 + Duration::from_secs(2));
    }

    #[tokio::test(start_paused = true)]
    async fn a_renewable_budget_ends_after_its_longest_time() {
        let budget = renewable(Some(Duration::from_secs(100)), &Stop::new());
        let started = Instant::now();
        assert_eq!(budget.for_handler(None, std::future::pending::<()>()).await, None);
        assert_eq!(started.elapsed(), Duration::from_secs(100));
        assert_eq!(budget.for_ledger(std::future::pending::<()>()).await, None);
        assert_eq!(started.elapsed(), Duration::from_secs(102));
    }
}
