//! What send-notification promises, checked on its real processes, which the local stack starts, feeds and kills.

#![expect(clippy::unwrap_used, reason = "all of this is tests")]

mod answers;
mod interrupted;
mod receiver;
mod samples;
mod stage;
mod start;
