#![doc = include_str!("../README.md")]

mod endpoint;
mod error;
mod escape;
mod output;
mod stop;

pub use endpoint::{endpoint_url, http_url};
pub use error::{causes, innermost};
pub use escape::printable;
pub use stop::{Stop, StopFlag};
