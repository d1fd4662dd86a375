//! SQS, DynamoDB and Lambda on one machine, as far as functions triggered by SQS need them.
//!
//! Each answers as AWS documents; an operation that isn't emulated is refused by name. Tests make things go wrong: see
//! [`dynamodb::Fault`], [`sqs::Fault`], [`sqs::Sqs::deliver_twice`] and [`lambda::Lambda::kill`].
//!
//! [`Services`] serves SQS and DynamoDB on one port and records the calls of each function. What runs there is composed by the
//! crate `local` from a template.

mod api;
mod calls;
pub mod dynamodb;
mod fault;
pub mod lambda;
mod receiver;
mod server;
pub mod sqs;

pub use api::{ApiError, Reply};
pub use calls::Call;
pub use receiver::{Notified, Receiver};
pub use server::Services;
