//! Scenarios of a worker on a queue in memory. Time is paused.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "all of this is tests"
)]

mod bench;
mod broken;
mod groups;
mod heartbeat;
mod held;
mod history;
pub(crate) mod http;
mod live;
mod log;
mod many;
#[path = "../../service/src/metrics/open_metrics.rs"]
mod open_metrics;
mod poll;
mod probe;
mod rate;
mod settle;
mod shutdown;
