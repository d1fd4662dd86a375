//! The whole stack on one machine: queues, tables, event source mapping and Lambda's Runtime API on one loopback port.
//!
//! What runs is read from the SAM template, so that it is what will be deployed. [`Stack`] starts it: in the program `local`, in
//! the demo, and in end-to-end tests, most of them through the crate `testing`. The crate `emulator` is what it consists of.

mod aws;
mod build;
mod data;
pub mod messages;
mod options;
mod stack;
pub mod watch;

pub use aws::{CreateError, dynamodb_client, no_answer, sqs_client};
pub use build::{BuildError, build};
pub use data::DataError;
pub use options::{Binaries, DEFAULT_PORT, EndpointOverride, Options};
pub use stack::{Stack, StackError};
