//! The whole stack on one machine: queues, tables, event source mapping and Lambda's Runtime API on one loopback port.
//!
//! What runs is read from the SAM template, so that it is what will be deployed. [`Stack`] starts it; the program `local`
//! does so at a developer's desk, and end-to-end tests do so in-process, most of them on a [`testing::Stage`], where they can
//! also make things go wrong: see [`dynamodb::Fault`], [`sqs::Fault`], [`sqs::Sqs::deliver_twice`] and
//! [`lambda::Lambda::kill`].

mod api;
mod aws;
mod build;
mod calls;
mod data;
pub mod dynamodb;
mod fault;
pub mod lambda;
mod options;
mod receiver;
mod server;
pub mod sqs;
mod stack;
pub mod template;
pub mod testing;

pub use api::ApiError;
pub use aws::{CreateError, dynamodb_client, sqs_client};
pub use build::BuildError;
pub use calls::Call;
pub use data::DataError;
pub use options::{Binaries, DEFAULT_PORT, Elsewhere, Options};
pub use receiver::{Notified, Receiver};
pub use stack::{Stack, StackError};
