//! What happens to a message in its queue, and when it is redelivered.

use std::time::Duration;

use idempotency::Timestamp;

use crate::outcome::{Delay, Outcome};
use crate::{Budget, RetryDelays};

/// What happens to a message in its queue. Each host acts on it as its queue allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Its work is recorded as done and its outgoing messages are sent: acknowledge it.
    Done,
    /// It can never be processed, or failed at its last receive, and its dead letter is confirmed: acknowledge it.
    Rejected,
    /// It stays in the queue.
    Retry {
        /// When it should be redelivered; `None`: after the queue's own visibility timeout. A queue may limit the delay.
        at: Option<Timestamp>,
    },
}

impl Verdict {
    /// The verdict on a message that is not proven done.
    pub(crate) const UNKNOWN: Self = Self::Retry { at: None };

    /// Whether the message is acknowledged, that is, leaves the queue.
    pub fn is_acknowledged(self) -> bool {
        !matches!(self, Self::Retry { .. })
    }
}

/// Spreads messages that wait for the end of one lease, so that they are not redelivered all at once.
const LEASE_JITTER: Duration = Duration::from_secs(1);

/// The verdict on a message that was received this often.
pub(crate) fn verdict(outcome: &Outcome, receives: u32, delays: &RetryDelays, budget: &Budget) -> Verdict {
    let now = budget.now();
    let backoff = || now.plus(full_jitter(receives, delays, budget.total()));
    let at = match outcome {
        Outcome::Done | Outcome::Duplicate => return Verdict::Done,
        Outcome::Rejected {
            dead_lettered: true, ..
        }
        | Outcome::Failed {
            dead_lettered: true, ..
        } => return Verdict::Rejected,
        Outcome::InProgress { until, .. } => until.plus(random(LEASE_JITTER)),
        Outcome::Failed { delay, .. } => match delay {
            Delay::Backoff => backoff(),
            Delay::Stated(delay) => now.plus(*delay),
            Delay::LeaseEnd(end) => end.plus(random(LEASE_JITTER)),
        },
        // The redrive policy counts receives. Without a policy, frequent receives would cost invocations.
        Outcome::Rejected { .. } => backoff(),
        Outcome::NotStarted => now,
    };
    Verdict::Retry { at: Some(at) }
}

/// A delay that doubles: the first one, doubled this many times, up to the longest.
pub fn doubled(first: Duration, times: u32, longest: Duration) -> Duration {
    let doubled = 2_u32.checked_pow(times).and_then(|factor| first.checked_mul(factor));
    doubled.unwrap_or(longest).min(longest)
}

fn full_jitter(receives: u32, delays: &RetryDelays, total: Duration) -> Duration {
    let first = delays.first.unwrap_or(total);
    random(doubled(first, receives.saturating_sub(1), delays.longest))
}

fn random(up_to: Duration) -> Duration {
    up_to.mul_f64(fastrand::f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    /// The longest of many random delays.
    fn longest(receives: u32, delays: RetryDelays) -> Duration {
        (0..2000)
            .map(|_| full_jitter(receives, &delays, seconds(30)))
            .max()
            .unwrap()
    }

    #[test]
    fn the_bound_of_random_delays_doubles_with_each_receive() {
        let delays = RetryDelays::default();
        for (receives, bound) in [(0, 30), (1, 30), (2, 60), (5, 480), (6, 900), (4_000_000_000, 900)] {
            let longest = longest(receives, delays);
            assert!(
                longest <= seconds(bound) && longest > seconds(bound) * 9 / 10,
                "{receives}: {longest:?}"
            );
        }
    }

    #[test]
    fn the_bounds_of_delays_are_configured() {
        let delays = RetryDelays {
            first: Some(seconds(2)),
            longest: seconds(7),
        };
        assert!(longest(1, delays) <= seconds(2) && longest(3, delays) <= seconds(7));
        assert!(longest(2, delays) > seconds(2) && longest(3, delays) > seconds(6));
    }

    #[tokio::test(start_paused = true)]
    async fn each_outcome_has_its_verdict_and_delay() {
        let budget = Budget::new(NOW, NOW.plus(seconds(10))).with_reserved(seconds(1));
        let verdict = |outcome| verdict(&outcome, 1, &RetryDelays::default(), &budget);
        let at = |outcome| match verdict(outcome) {
            Verdict::Retry { at } => at,
            acknowledged => panic!("{acknowledged:?}"),
        };
        let why = || String::new().into();
        let failed = |delay| Outcome::Failed {
            delay,
            why: why(),
            dead_lettered: false,
        };
        let dead_lettered = Outcome::Failed {
            delay: Delay::LeaseEnd(NOW),
            why: why(),
            dead_lettered: true,
        };
        let rejected = |dead_lettered| Outcome::Rejected {
            why: why(),
            dead_lettered,
        };
        assert_eq!(verdict(Outcome::Done), Verdict::Done);
        assert_eq!(verdict(Outcome::Duplicate), Verdict::Done);
        assert_eq!(verdict(rejected(true)), Verdict::Rejected);
        assert_eq!(verdict(dead_lettered), Verdict::Rejected);
        assert_eq!(at(Outcome::NotStarted), Some(NOW));
        assert_eq!(at(failed(Delay::Stated(seconds(77)))), Some(NOW.plus(seconds(77))));
        let between = |at: Option<Timestamp>, from: u64, to: u64| {
            let wait = NOW.until(at.unwrap());
            assert!(seconds(from) <= wait && wait <= seconds(to), "{wait:?}");
        };
        between(
            at(Outcome::InProgress {
                until: NOW.plus(seconds(60)),
                owner: None,
            }),
            60,
            61,
        );
        between(at(failed(Delay::LeaseEnd(NOW.plus(seconds(11))))), 11, 12);
        between(at(failed(Delay::Backoff)), 0, 10);
        between(at(rejected(false)), 0, 10);
    }
}
