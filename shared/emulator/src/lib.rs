#![doc = include_str!("../README.md")]

mod api;
mod calls;
pub mod dynamodb;
mod fault;
pub mod lambda;
mod query;
mod receiver;
mod recent;
mod server;
pub mod sqs;

pub use api::{ApiError, Reply};
pub use calls::Call;
pub use receiver::{Answer, Notified, Received, Receiver, Receivers};
pub use server::Services;
/// Properties that fuzz targets check.
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub use server::fuzz;
