//! What becomes of a message, row by row: each on a stack of its own, with real processes of a function that does what its
//! messages say.

#![expect(clippy::unwrap_used, reason = "all of this is tests")]

mod done;
mod failing;
mod groups;
mod keys;
mod out_of_time;
mod outgoing;
mod poison;
mod rejected;
mod stage;
mod taken;
