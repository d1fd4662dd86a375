//! What place-order promises, checked on its real processes: started, fed, starved and killed by the local stack.

#![expect(clippy::unwrap_used, reason = "all of this is tests")]

mod confirmations;
mod effects;
mod faults;
mod kills;
mod metrics;
mod proxy;
mod samples;
mod stage;
mod start;
