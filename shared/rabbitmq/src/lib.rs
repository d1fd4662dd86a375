#![doc = include_str!("../README.md")]

mod connection;
mod copy;
mod dead_letter;
mod delays;
mod fault;
mod headers;
mod incoming;
mod limits;
mod properties;
mod publisher;
mod query;
mod queues;
mod receipt;
mod session;
mod size;
mod source;
mod topology;
mod url;

pub use headers::{GROUP, TRACE};
pub use queues::RabbitMq;
pub use receipt::RabbitMqReceipt;
pub use source::{DEFAULT_MAX_RECEIVE_COUNT, RabbitMqSource};
pub use url::{InvalidUrl, RabbitMqUrl};
