//! Batches from `Incoming` to their verdicts, with ledger and queues in memory. A file tests the source file of its name.

#![allow(clippy::unwrap_used, clippy::panic, reason = "all of this is tests")]

mod budget;
mod common;
mod dead_letters;
mod delays;
mod envelopes;
mod keys;
mod messages;
mod natural;
mod outgoing;
mod properties;
mod redriven;
mod summary;
mod time;
