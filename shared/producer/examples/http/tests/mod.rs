//! The router in process, on queues and a ledger in memory; its shutdown; and once with SQS and DynamoDB of the emulator.

#![allow(clippy::unwrap_used, clippy::panic, reason = "all of this is tests")]

mod cloud_tasks;
mod consume;
mod emulated;
mod harness;
mod place;
mod show;
mod shutdown;
