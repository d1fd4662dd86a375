#![doc = include_str!("../README.md")]

mod aws;
mod build;
mod data;
pub mod messages;
mod new;
mod options;
mod stack;
pub mod watch;

pub use aws::{CreateError, dynamodb_client, no_answer, sqs_client};
pub use build::{BuildError, build};
pub use data::DataError;
pub use new::{RemoveError, Removed, remove_samples};
pub use options::{Binaries, DEFAULT_PORT, EndpointOverride, Options};
pub use stack::{Stack, StackError};
