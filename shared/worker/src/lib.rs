#![doc = include_str!("../README.md")]

mod backoff;
mod groups;
mod health;
mod metrics;
mod poll;
mod process;
mod queue;
mod receipts;
mod signals;
mod systemd;
mod worker;

pub use health::ServeError;
pub use queue::Queue;
pub use signals::stop_signal;
pub use worker::{DEFAULT_DRAIN, Worker, WorkerError};
