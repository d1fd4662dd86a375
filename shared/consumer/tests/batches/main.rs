//! What becomes of a batch's messages, with ledger and queues in memory.

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
