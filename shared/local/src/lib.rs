#![doc = include_str!("../README.md")]

mod aws;
mod binaries;
mod build;
mod data;
mod functions;
mod group;
pub mod messages;
mod new;
mod on_premises;
mod options;
mod sources;
mod stack;
mod warnings;
pub mod watch;
mod workers;

pub use aws::{CreateError, dynamodb_client, no_answer, sqs_client};
pub use build::{BuildError, build};
pub use data::DataError;
pub use new::{NewError, NewFunction, NewMode, RemoveError, Removed, Written, remove_samples};
pub use on_premises::{OnPremises, OnPremisesError, ServerError};
pub use options::{Binaries, DEFAULT_PORT, EndpointOverride, Options};
pub use sources::Sources;
pub use stack::{Stack, StackError};
pub use warnings::warnings;
pub use workers::{Worker, WorkerError, Workers};
