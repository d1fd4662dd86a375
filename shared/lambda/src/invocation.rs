//! The time budget of one invocation.

use std::sync::Arc;
use std::time::Duration;

use consumer::{Budget, is_trace_header};
use idempotency::Timestamp;
use tokio::time::Instant;

/// The time of an invocation whose deadline is implausible: `cargo lambda watch` sends the constant 600000 for each.
const DEFAULT: Duration = Duration::from_secs(30);

/// The longest that an invocation can last
/// ([Lambda quotas](https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html)).
const LONGEST: Duration = Duration::from_secs(15 * 60);

/// The time until an invocation's deadline, divided: first for the messages, then for the delays of those that stay in the
/// queue, last for the response.
#[derive(Debug)]
pub(crate) struct Invocation {
    pub(crate) budget: Budget,
    /// The delays must be set by then.
    pub(crate) delays_end: Instant,
    /// Lambda's own trace of the invocation.
    pub(crate) trace: Option<Arc<str>>,
}

impl Invocation {
    /// An invocation that starts `now` and that Lambda ends at `deadline`.
    ///
    /// A deadline more than 15 minutes away, in either direction, is implausible: the invocation then gets 30 seconds.
    pub(crate) fn new(now: Timestamp, deadline: Timestamp) -> Self {
        let plausible = now.until(deadline).max(deadline.until(now)) <= LONGEST;
        let total = if plausible { now.until(deadline) } else { DEFAULT };
        let for_response = (total / 20).min(Duration::from_millis(500));
        let for_delays = (total / 20).min(Duration::from_secs(1));
        Self {
            budget: Budget::new(now, now.plus(total)).with_reserved(for_delays + for_response),
            delays_end: Instant::now() + total.saturating_sub(for_response),
            trace: None,
        }
    }

    /// The same with the trace that Lambda states for it. One that is no X-Ray trace is left out: SQS would refuse messages
    /// that carry it.
    pub(crate) fn with_trace(self, header: Option<&str>) -> Self {
        let header = header.filter(|header| is_trace_header(header));
        Self {
            trace: header.map(Arc::from),
            ..self
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    /// The time until the delays must be set.
    fn time(deadline: Timestamp) -> Duration {
        Invocation::new(NOW, deadline).delays_end - Instant::now()
    }

    #[tokio::test(start_paused = true)]
    async fn an_implausible_deadline_gives_thirty_seconds() {
        for implausible in [
            Timestamp::from_millis(600_000),
            Timestamp::from_millis(0),
            Timestamp::from_millis(u64::MAX),
        ] {
            assert_eq!(time(implausible), Duration::from_millis(29_500));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn only_a_trace_of_x_ray_is_passed_on() {
        let trace = |header| Invocation::new(NOW, NOW.plus(LONGEST)).with_trace(header).trace;
        let header = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=0;Lineage=1:a1b2c3d4:0";
        assert_eq!(trace(Some(header)).as_deref(), Some(header));
        for none in [
            "",
            "a trace of something else",
            "Root=",
            "Root=1",
            "Root=1-5759e988-x",
            "Root=1-5759e988-bd86;",
        ] {
            let none = Some(none);
            assert_eq!(trace(none), None);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_response_has_five_percent_at_most_half_a_second() {
        assert_eq!(time(NOW.plus(LONGEST)), LONGEST - Duration::from_millis(500));
        assert_eq!(time(NOW.plus(Duration::from_secs(1))), Duration::from_millis(950));
        assert_eq!(time(Timestamp::from_millis(NOW.millis() - 1000)), Duration::ZERO);
    }
}
