//! The real program against the local stack.

#![allow(clippy::unwrap_used, clippy::panic, reason = "all of this is tests")]

mod again;
mod endpoint;
mod fifo;
mod harness;
mod interrupted;
mod ledger;
mod list;
mod nothing;
mod outgoing;
mod permissions;
mod postgresql;
mod proxy;
mod redrive;
mod rejecting;
mod target;
mod usage;
