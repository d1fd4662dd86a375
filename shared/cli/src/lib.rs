#![doc = include_str!("../README.md")]

mod endpoint;
mod error;
mod escape;
mod output;
mod similar;
mod stop;

pub use endpoint::{endpoint_url, http_url};
pub use error::{causes, innermost};
pub use escape::printable;
pub use similar::{did_you_mean, similar};
pub use stop::{Stop, StopFlag};
