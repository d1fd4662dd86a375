//! Batches from `Incoming` to their verdicts, with ledger and queues in memory. Most files test the source file of their name.

#![allow(clippy::unwrap_used, clippy::panic, reason = "all of this is tests")]

mod attributes;
mod bodies;
mod budget;
mod common;
mod dead_letter;
mod deadline;
mod envelope;
mod extend;
mod identity;
mod known_faults;
mod last_receive;
mod many_queues;
mod natural;
mod order;
mod properties;
mod redrive;
mod repeated;
mod same_key;
mod send;
mod summary;
mod trace;
mod verdict;
mod work;
