//! The rows of the outcome table. Each test has its own stack, with real processes of a function that does what its messages
//! instruct.

#![expect(clippy::unwrap_used, reason = "all of this is tests")]

mod done;
mod failing;
mod groups;
mod in_progress;
mod keys;
mod out_of_time;
mod outgoing;
mod poison;
mod rejected;
mod stack;
