//! How long to wait before a request to a queue is repeated.

use std::time::Duration;

use consumer::doubled;

/// The bound of the first delay.
const FIRST: Duration = Duration::from_secs(1);

/// The longest bound: short enough that work goes on soon after an outage.
const LONGEST: Duration = Duration::from_secs(30);

/// A random delay after this many failures, up to a bound that doubles from one second to thirty
/// ([full jitter](https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/)). At least a tenth of a second, so that
/// no failure repeats in a hot loop.
pub(crate) fn jittered(failures: u32) -> Duration {
    let bound = doubled(FIRST, failures.saturating_sub(1), LONGEST);
    bound.mul_f64(fastrand::f64()).max(Duration::from_millis(100))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_are_random_up_to_a_bound_that_doubles() {
        for (failures, bound) in [(0, 1), (1, 1), (2, 2), (5, 16), (6, 30), (u32::MAX, 30)] {
            let delays: Vec<_> = (0..2000).map(|_| jittered(failures)).collect();
            let (bound, longest) = (Duration::from_secs(bound), *delays.iter().max().unwrap());
            assert!(longest <= bound && longest > bound * 9 / 10, "{failures}: {longest:?}");
            assert!(delays.iter().all(|delay| *delay >= Duration::from_millis(100)));
        }
    }
}
