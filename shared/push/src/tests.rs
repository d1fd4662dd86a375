//! Scenarios of a push host with ledger and queues in memory. Time is paused, except where a test has connections.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "all of this is tests"
)]

mod bench;
mod bounds;
mod callers;
mod garbage;
mod recorded;
mod scenarios;
mod server;
mod shutdown;
mod table;
