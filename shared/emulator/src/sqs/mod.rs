//! Amazon SQS in memory: standard and FIFO queues behind the JSON protocol's operations.
//!
//! What a consumer can observe is what AWS documents: visibility timeouts, receive counts, redrive, message groups,
//! deduplication, long polling, batch results and errors. Left out on purpose, because state here is consistent at once:
//! the 60 seconds to wait after `DeleteQueue` and between two `PurgeQueue`. Throughput and in-flight quotas are not enforced.

mod attempts;
mod attributes;
mod batch;
mod characters;
mod clock;
mod deduplication;
mod encryption;
mod errors;
mod fault;
mod fields;
mod message;
mod messages;
mod move_task;
mod operations;
mod queue;
mod receipt;
mod receiving;
mod redrive;
mod saved;
mod service;
mod settings;
mod world;

#[cfg(test)]
mod tests;

pub use crate::api::Reply;
pub use crate::fault::AfterApply;
pub use errors::query_error_code;
pub use fault::{Fault, FaultKind};
pub use message::{MessageState, QueuedMessage};
pub use service::Sqs;
