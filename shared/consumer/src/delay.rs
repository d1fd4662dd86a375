//! When a message that goes back should become visible again.

use std::time::Duration;

use idempotency::Timestamp;

use crate::outcome::{Again, Outcome};
use crate::{Budget, RetryDelays};

/// A message can stay hidden for at most 12 hours from its receipt
/// ([visibility timeout](https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-visibility-timeout.html)),
/// which was up to a batching window (5 minutes) and an invocation (15 minutes) ago.
const LONGEST: Duration = Duration::from_secs((12 * 60 - 20) * 60);

/// Those who wait for the end of one lease should not all come at once.
const LEASE_JITTER: Duration = Duration::from_secs(1);

/// When the message should become visible, `None` if it does not go back.
pub(crate) fn visible_at(outcome: &Outcome, receives: u32, delays: &RetryDelays, budget: &Budget) -> Option<Timestamp> {
    let now = budget.now();
    let later = || now.plus(full_jitter(receives, delays, budget.total()));
    match outcome {
        Outcome::Done
        | Outcome::Duplicate
        | Outcome::Rejected {
            dead_lettered: true, ..
        } => None,
        Outcome::InProgress { until, .. } => Some(until.plus(random(LEASE_JITTER))),
        Outcome::Failed { again, .. } => Some(match again {
            Again::Later => later(),
            Again::After(delay) => now.plus(*delay),
            Again::AtLeaseEnd => budget.lease_end().plus(random(LEASE_JITTER)),
        }),
        // The redrive policy counts receives; hurrying them would cost invocations if there is no policy.
        Outcome::Rejected { .. } => Some(later()),
        Outcome::NotStarted => Some(now),
    }
}

/// The visibility timeout that ends then: whole seconds, rounded up, and no longer than SQS allows.
pub(crate) fn timeout(now: Timestamp, visible_at: Timestamp) -> Duration {
    let millis = now.until(visible_at).min(LONGEST).as_millis();
    Duration::from_secs(u64::try_from(millis.div_ceil(1000)).unwrap_or(LONGEST.as_secs()))
}

fn full_jitter(receives: u32, delays: &RetryDelays, total: Duration) -> Duration {
    let first = delays.first.unwrap_or(total);
    let doubled = 2_u32
        .checked_pow(receives.saturating_sub(1))
        .and_then(|times| first.checked_mul(times));
    random(doubled.unwrap_or(delays.longest).min(delays.longest))
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

    /// The longest of many.
    fn longest(receives: u32, delays: RetryDelays) -> Duration {
        (0..2000)
            .map(|_| full_jitter(receives, &delays, seconds(30)))
            .max()
            .unwrap()
    }

    #[test]
    fn delays_are_spread_up_to_a_bound_that_doubles_with_each_receive() {
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
    fn bounds_are_as_configured() {
        let delays = RetryDelays {
            first: Some(seconds(2)),
            longest: seconds(7),
        };
        assert!(longest(1, delays) <= seconds(2) && longest(3, delays) <= seconds(7));
        assert!(longest(2, delays) > seconds(2) && longest(3, delays) > seconds(6));
    }

    #[test]
    fn a_timeout_is_in_whole_seconds_never_early_and_never_longer_than_sqs_allows() {
        for (millis, expected) in [(0, 0), (1, 1), (1000, 1), (1001, 2), (100_000_000, 42_000)] {
            assert_eq!(timeout(NOW, NOW.plus(Duration::from_millis(millis))), seconds(expected));
        }
        assert_eq!(timeout(NOW.plus(seconds(5)), NOW), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn each_outcome_comes_back_when_it_makes_sense() {
        let budget = Budget::new(NOW, NOW.plus(seconds(10)));
        let at = |outcome| visible_at(&outcome, 1, &RetryDelays::default(), &budget);
        let failed = |again| Outcome::Failed {
            again,
            why: String::new(),
        };
        let rejected = |dead_lettered| Outcome::Rejected {
            why: String::new(),
            dead_lettered,
        };
        assert_eq!(at(Outcome::Done), None);
        assert_eq!(at(Outcome::Duplicate), None);
        assert_eq!(at(rejected(true)), None);
        assert_eq!(at(Outcome::NotStarted), Some(NOW));
        assert_eq!(at(failed(Again::After(seconds(77)))), Some(NOW.plus(seconds(77))));
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
        between(at(failed(Again::AtLeaseEnd)), 11, 12);
        between(at(failed(Again::Later)), 0, 10);
        between(at(rejected(false)), 0, 10);
    }
}
