#![doc = include_str!("../README.md")]

mod failed;
mod limits;
mod queues;
mod source;
mod visibility;

pub use queues::{MAX_ENTRIES, Sqs};
pub use source::{SqsReceipt, SqsSource};
pub use visibility::{VisibilityChange, visibility_timeout};
