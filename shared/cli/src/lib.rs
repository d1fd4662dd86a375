//! What the command lines share: where a service is, stop signals, and output that is safe for a terminal.

mod endpoint;
mod error;
mod escape;
mod output;
mod stop;

pub use endpoint::{endpoint_url, http_url};
pub use error::{causes, innermost};
pub use escape::printable;
pub use stop::{Stop, StopFlag};
