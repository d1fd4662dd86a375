//! The command line: its errors and exit codes, each a clear line that names what is wrong and the way out; and what it runs.

#![expect(clippy::panic, clippy::unwrap_used, reason = "all of this is tests")]

mod data;
mod endpoint;
mod harness;
mod refusals;
mod running;
mod stopping;
mod usage;
mod watching;
mod workers;
