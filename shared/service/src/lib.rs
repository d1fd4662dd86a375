#![doc = include_str!("../README.md")]

mod arguments;
mod host;
mod ledger;
mod log_file;
mod metrics;
mod process;
mod run;
mod settings;
mod signals;
mod store;
pub mod supervisor;

pub use arguments::Program;
pub use host::{Host, run, run_on_dynamodb, run_on_postgresql};
pub use ledger::{LedgerStore, ledger_store};
pub use metrics::{Metrics, QueueMetrics};
pub use process::Observed;
pub use run::{StartError, stopping};
pub use settings::{DEFAULT_CONCURRENCY, concurrency, flag, services};
pub use signals::stop_signal;
pub use store::aws_config;
