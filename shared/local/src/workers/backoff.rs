//! How long a worker that has ended is not started again.

use std::time::Duration;

const FIRST: Duration = Duration::from_secs(1);

/// Short enough for someone who watches, long enough for a screen that stays readable.
const LONGEST: Duration = Duration::from_secs(30);

/// A worker that ran so long did start: its next end is a first one.
const STEADY: Duration = Duration::from_secs(60);

/// One second, doubled at each end up to thirty seconds.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    last: Option<Duration>,
}

impl Backoff {
    /// The delay after a worker that ran for this long.
    pub(super) fn after(&mut self, ran: Duration) -> Duration {
        let delay = match self.last {
            Some(last) if ran < STEADY => (last * 2).min(LONGEST),
            _ => FIRST,
        };
        self.last = Some(delay);
        delay
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_up_to_thirty_seconds() {
        let mut backoff = Backoff::default();
        let delays: Vec<_> = (0..7).map(|_| backoff.after(Duration::ZERO).as_secs()).collect();
        assert_eq!(delays, [1, 2, 4, 8, 16, 30, 30]);
    }

    #[test]
    fn a_worker_that_ran_for_a_minute_starts_again_soon() {
        let mut backoff = Backoff::default();
        backoff.after(Duration::ZERO);
        assert_eq!(backoff.after(Duration::from_secs(59)), Duration::from_secs(2));
        assert_eq!(backoff.after(STEADY), FIRST);
    }
}
