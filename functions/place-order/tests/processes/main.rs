//! The promises of place-order, tested on real processes that the local stack starts, invokes and kills.

#![expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "all of this is tests")]

mod confirmations;
mod effects;
mod faults;
mod kills;
mod metrics;
mod proxy;
mod samples;
mod stack;
mod start;
mod traces;
