#![doc = include_str!("../README.md")]

mod account;
mod client;
mod credentials;
mod encoding;
mod fault;
mod identity;
mod incoming;
mod limits;
mod operations;
mod queues;
mod shared_key;
mod source;
mod trigger;
mod undecodable;
mod url;
mod xml;

pub use credentials::{Credentials, InvalidCredentials};
pub use queues::AzureQueues;
pub use source::{AzureQueueReceipt, AzureQueueSource, DEFAULT_MAX_RECEIVE_COUNT};
pub use url::{AzureQueueUrl, InvalidUrl, check_destination};
