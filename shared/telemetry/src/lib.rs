#![doc = include_str!("../README.md")]

mod collector;
mod context;
mod endpoint;
mod name;
mod process;
mod send;
mod traces;

pub use endpoint::EndpointError;
pub use process::ProcessSpan;
pub use send::TracedQueues;
pub use traces::{Traces, start_logging, start_logging_to};
