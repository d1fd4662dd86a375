//! Delays. A message can only wait in a queue whose messages all wait equally long, because RabbitMQ looks at the head of a
//! queue only when it expires messages.

use std::time::Duration;

use idempotency::Timestamp;

/// The wait queues: the end of the name, and how long each message waits, in seconds.
pub(crate) const WAIT_QUEUES: [(&str, u32); 5] = [("1s", 1), ("5s", 5), ("30s", 30), ("2m", 120), ("15m", 900)];
/// A message that has to wait this much longer is delivered: a further wait queue would be less precise.
const PRECISION: Duration = Duration::from_millis(500);
/// The longest delay, which is that of SQS. A time that a message states and that is further away is ignored.
const LONGEST: Duration = Duration::from_secs(12 * 60 * 60);

/// The wait queue of a message that should be redelivered after this time, as a position: the longest that is at most a tenth
/// too long. From there the message goes to a further one if it has to. Never none: it would be redelivered in a loop.
pub(crate) fn wait_queue(remaining: Duration) -> usize {
    let at_most = remaining + (remaining / 10).max(PRECISION);
    let fits = |(_, seconds): &(&str, u32)| Duration::from_secs((*seconds).into()) <= at_most;
    WAIT_QUEUES.iter().rposition(fits).unwrap_or(0)
}

/// How long a message still has to wait; `None`: deliver it.
pub(crate) fn remaining(now: Timestamp, not_before: Option<Timestamp>) -> Option<Duration> {
    let remaining = now.until(not_before?);
    (PRECISION < remaining && remaining <= LONGEST).then_some(remaining)
}

/// The time at which a message should be redelivered, as the message can state it.
pub(crate) fn not_before(now: Timestamp, at: Option<Timestamp>) -> Timestamp {
    let shortest = Duration::from_secs(WAIT_QUEUES[0].1.into());
    now.plus(at.map_or(shortest, |at| now.until(at)).min(LONGEST))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn the_wait_queue_is_the_longest_that_is_not_too_long() {
        for (wanted, name) in [
            (0, "1s"),
            (1_000, "1s"),
            (4_000, "1s"),
            (4_600, "5s"),
            (29_000, "30s"),
            (100_000, "30s"),
            (110_000, "2m"),
            (800_000, "2m"),
            (900_000, "15m"),
            (43_200_000, "15m"),
        ] {
            assert_eq!(WAIT_QUEUES[wait_queue(millis(wanted))].0, name, "{wanted}");
        }
    }

    /// As a message waits, a few milliseconds late at each queue.
    #[test]
    fn a_delay_of_several_wait_queues_is_precise() {
        for wanted in [1, 7, 25, 59, 90, 119, 600, 899, 1234, 43_200] {
            let end = NOW.plus(Duration::from_secs(wanted));
            let (mut now, mut hops) = (NOW, 0);
            while let Some(remaining) = remaining(now, Some(end)) {
                now = now.plus(Duration::from_secs(WAIT_QUEUES[wait_queue(remaining)].1.into()) + millis(5));
                hops += 1;
            }
            let (early, late) = (now.until(end), end.until(now));
            assert!(
                early <= PRECISION && late <= Duration::from_secs(wanted / 10) + millis(700),
                "{wanted}"
            );
            assert!(hops <= 48 + 18, "{wanted}: {hops}");
        }
    }

    #[test]
    fn a_message_never_waits_longer_than_twelve_hours() {
        let far = NOW.plus(LONGEST * 3);
        assert_eq!(not_before(NOW, Some(far)), NOW.plus(LONGEST));
        assert_eq!(remaining(NOW, Some(far)), None, "no consumer states such a time");
        assert_eq!(remaining(NOW, Some(NOW.plus(LONGEST))), Some(LONGEST));
    }

    #[test]
    fn a_time_that_is_over_is_now() {
        let past = Timestamp::from_millis(NOW.millis() - 1);
        assert_eq!(not_before(NOW, Some(past)), NOW);
        assert_eq!((remaining(NOW, Some(past)), remaining(NOW, None)), (None, None));
    }
}
