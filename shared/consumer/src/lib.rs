#![doc = include_str!("../README.md")]

mod batch;
mod body;
mod budget;
mod cloud_event;
pub mod dead_letter;
mod delivery;
mod envelope;
mod extend;
mod failure;
/// Properties that fuzz targets check.
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzz;
mod handler;
mod identity;
mod incoming;
mod limits;
mod metrics;
mod order;
mod outcome;
mod prepare;
mod process;
#[cfg(test)]
#[path = "../tests/fixtures/published.rs"]
mod published;
mod queue_message;
mod queues;
mod reason;
mod send;
mod services;
mod settle;
mod source;
mod summary;
mod trace;
mod unidentified;
mod verdict;
mod work;

pub use body::{Body, RawBody};
pub use budget::{Budget, CLOCK_MARGIN, Stop};
pub use cloud_event::{from_cloud_event, rfc3339, to_cloud_event};
pub use delivery::{Delivery, Received};
pub use envelope::{Envelope, Origin};
pub use failure::{Chain, Failure};
pub use handler::{Handler, Mode};
pub use identity::IdempotencyKey;
pub use incoming::{Attribute, Incoming, MessageId};
pub use limits::Limits;
pub use metrics::{Metric, Metrics, Unit};
pub use process::{CONCURRENCY, Report, process_batch, process_one};
pub use queue_message::QueueMessage;
pub use queues::{MemoryQueues, QueueError, QueueFault, Queues};
pub use services::{RetryDelays, Services};
pub use source::{
    InjectedFault, MemoryReceipt, MemorySource, QueueOrder, Source, SourceAction, SourceError, SourceFault,
    SourceOperation, SourceQueue, SourceRecord, StoredMessage,
};
pub use summary::Summary;
pub use trace::{TraceContext, is_trace_header, trace_id};
pub use unidentified::Unidentified;
pub use verdict::{Verdict, doubled};
