//! How long to wait before a request is sent again.

use std::time::Duration;

use tokio::time::{Instant, sleep};

/// The bound of the first delay: a conflict lasts as long as one transaction, some milliseconds.
const FIRST: Duration = Duration::from_millis(50);

/// The longest bound: long enough for a throttled table, short enough that a busy second costs no redelivery.
const LONGEST: Duration = Duration::from_secs(1);

/// With less time than this left, no request would be answered.
const SHORTEST: Duration = Duration::from_millis(10);

/// The delays between attempts at one request, until its deadline. Each is random, up to a bound that doubles from 50
/// milliseconds to one second ([full jitter](https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/)).
#[derive(Debug)]
pub struct Backoff {
    bound: Duration,
    deadline: Instant,
}

impl Backoff {
    /// Delays that end before this deadline.
    pub fn until(deadline: Instant) -> Self {
        Self { bound: FIRST, deadline }
    }

    /// Waits before another attempt; `false`, at once, if there is no time left for one.
    ///
    /// A delay takes at most half of the time left, so that attempts go on until the deadline.
    pub async fn pause(&mut self) -> bool {
        let left = self.deadline.saturating_duration_since(Instant::now());
        if left < SHORTEST {
            return false;
        }
        let delay = self.bound.mul_f64(fastrand::f64()).min(left / 2);
        self.bound = (self.bound * 2).min(LONGEST);
        sleep(delay).await;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The delays until a deadline this far away, for requests that take no time.
    async fn delays(total: Duration) -> Vec<Duration> {
        let mut backoff = Backoff::until(Instant::now() + total);
        let (mut delays, mut last) = (Vec::new(), Instant::now());
        while backoff.pause().await {
            delays.push(last.elapsed());
            last = Instant::now();
        }
        delays
    }

    #[tokio::test(start_paused = true)]
    async fn delays_are_random_up_to_a_bound_that_doubles() {
        let mut longest = [Duration::ZERO; 7];
        for _ in 0..500 {
            for (longest, delay) in longest.iter_mut().zip(delays(Duration::from_secs(60)).await) {
                *longest = delay.max(*longest);
            }
        }
        for (longest, bound) in longest.into_iter().zip([50, 100, 200, 400, 800, 1000, 1000]) {
            // The timer rounds up to a millisecond.
            let bound = Duration::from_millis(bound + 1);
            assert!(longest <= bound && longest > bound * 8 / 10, "{longest:?} of {bound:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn attempts_go_on_until_shortly_before_the_deadline() {
        for millis in [100, 2000, 30_000] {
            let total = Duration::from_millis(millis);
            let waited: Duration = delays(total).await.iter().sum();
            assert!(waited < total && total - waited < SHORTEST, "{waited:?} of {total:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn without_time_there_is_no_other_attempt() {
        for left in [Duration::ZERO, Duration::from_millis(9)] {
            assert!(delays(left).await.is_empty());
        }
        assert!(!delays(SHORTEST).await.is_empty());
    }
}
