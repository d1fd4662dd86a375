//! A queue that a host polls, on the emulated SQS. Its requests stay in this process, so that time can be paused.

#![allow(clippy::unwrap_used, reason = "all of this is tests")]

mod emulated;
mod fifo;
mod limits;
mod opening;
mod suite;
mod trouble;
