#![doc = include_str!("../README.md")]

mod error;
mod message;
mod pending;
mod producer;

pub use error::{SendError, Unconfirmed};
pub use message::Message;
pub use producer::{DEFAULT_TIME_LIMIT, Producer};
