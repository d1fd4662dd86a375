#![doc = include_str!("../README.md")]

mod backoff;
mod groups;
mod health;
mod poll;
mod process;
mod protection;
mod queue;
mod receipts;
mod run;
mod settings;
#[cfg(test)]
mod tests;
mod worker;

pub use health::ServeError;
pub use queue::Queue;
pub use run::{run, run_on_dynamodb, run_on_postgresql};
pub use service::{LedgerStore, ledger_store, stop_signal};
pub use worker::{DEFAULT_DRAIN, Worker, WorkerError};
