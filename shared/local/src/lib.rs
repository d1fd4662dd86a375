//! The whole stack on one machine: queues, tables, event source mapping and Lambda's Runtime API on one loopback port.

mod api;
pub mod dynamodb;
pub mod lambda;
pub mod sqs;
pub mod template;

pub use api::ApiError;
