//! The promises of reserve-stock, tested on real processes that the local stack starts, invokes and kills.

#![expect(clippy::unwrap_used, reason = "all of this is tests")]

mod effects;
mod kills;
mod order;
mod samples;
mod stack;
mod start;
