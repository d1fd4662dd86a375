//! The suite for queues: the queue in memory keeps every promise, and a queue that breaks one fails its test.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "all of this is tests"
)]

mod broken;
mod defects;
mod memory;
