//! Points in time and durations as text.

use std::time::Duration;

use aws_sdk_sqs::primitives::{DateTime, DateTimeFormat};
use idempotency::Timestamp;

/// A point in time, absolute and relative to `now`: `2026-01-02T03:04:05Z, in 3 min 20 s`.
pub(crate) fn point(at: Timestamp, now: Timestamp) -> String {
    let relative = match at >= now {
        true => format!("in {}", length(now.until(at))),
        false => format!("{} ago", length(at.until(now))),
    };
    let absolute = i64::try_from(at.millis()).map(DateTime::from_millis);
    match absolute.map(|at| at.fmt(DateTimeFormat::DateTime)) {
        Ok(Ok(absolute)) => format!("{absolute}, {relative}"),
        // After the year 9999.
        _ => relative,
    }
}

/// A duration in its two largest units, the second rounded down.
pub(crate) fn length(time: Duration) -> String {
    let seconds = time.as_secs();
    let units = [("d", 86_400, 3600, "h"), ("h", 3600, 60, "min"), ("min", 60, 1, "s")];
    for (unit, size, next, smaller) in units {
        if seconds >= size {
            let rest = seconds % size / next;
            return match rest {
                0 => format!("{} {unit}", seconds / size),
                rest => format!("{} {unit} {rest} {smaller}", seconds / size),
            };
        }
    }
    format!("{seconds} s")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_has_its_two_largest_units() {
        for (seconds, text) in [
            (0, "0 s"),
            (59, "59 s"),
            (60, "1 min"),
            (200, "3 min 20 s"),
            (3_660, "1 h 1 min"),
            (15 * 86_400 + 3_599, "15 d"),
            (90_000, "1 d 1 h"),
        ] {
            assert_eq!(length(Duration::from_secs(seconds)), text);
        }
    }

    #[test]
    fn a_point_in_time_is_absolute_and_relative() {
        let at = Timestamp::from_millis(1_700_000_000_000);
        let minute = Duration::from_secs(60);
        assert_eq!(point(at, at.plus(minute)), "2023-11-14T22:13:20Z, 1 min ago");
        assert_eq!(point(at.plus(minute), at), "2023-11-14T22:14:20Z, in 1 min");
        assert!(point(Timestamp::from_millis(u64::MAX), at).starts_with("in "));
    }
}
