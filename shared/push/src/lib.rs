#![doc = include_str!("../README.md")]

mod access;
mod answer;
mod destinations;
mod dialect;
mod push;
mod run;
mod server;
mod settings;
#[cfg(test)]
mod tests;

pub use run::{run, run_on_dynamodb, run_on_postgresql};
pub use service::{LedgerStore, ledger_store};
