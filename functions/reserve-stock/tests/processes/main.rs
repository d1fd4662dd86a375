//! What reserve-stock promises, checked on its real processes, which the local stack starts, feeds and kills.

#![expect(clippy::unwrap_used, reason = "all of this is tests")]

mod effects;
mod kills;
mod order;
mod samples;
mod stage;
mod start;
