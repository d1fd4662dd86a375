#![doc = include_str!("../README.md")]

mod access_token;
mod client;
mod copy;
mod create;
mod headers;
mod incoming;
mod jwt;
mod keys;
mod limits;
mod malformed;
mod pubsub;
mod queues;
mod task;
mod url;
mod verifier;

pub use incoming::{TaskReceipt, task};
pub use malformed::Malformed;
pub use pubsub::pubsub;
pub use queues::CloudTasks;
pub use url::{is_url, queue_name};
pub use verifier::{Unverified, Verifier};
