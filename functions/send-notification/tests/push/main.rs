//! The promises of send-notification behind HTTP, tested on real processes that are killed and stopped, on each platform.

#![allow(clippy::unwrap_used, clippy::panic, reason = "all of this is tests")]

mod copies;
mod emulator;
mod platform;
mod process;
#[path = "../processes/receiver.rs"]
#[allow(dead_code, reason = "of the other tests")]
mod receiver;
mod scenarios;
mod start;
