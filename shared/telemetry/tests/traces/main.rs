//! What a collector receives of a producer, a queue in memory and a worker.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "all of this is tests"
)]

mod collector;
mod path;
mod process;
mod refused;
