//! Changes that share a request: the same promises, and how many requests they take.

mod faults;
mod promises;
mod requests;
