//! The promises of send-notification, tested on real processes that the local stack starts, invokes and kills.

#![expect(clippy::unwrap_used, reason = "all of this is tests")]

mod answers;
mod interrupted;
mod receiver;
mod samples;
mod stack;
mod start;
