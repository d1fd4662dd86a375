//! Lambda on one machine: function processes, their Runtime API, the Invoke API, and the event source mapping from SQS.
//!
//! ```text
//! Invoke API ─┐                       ┌─ process (Runtime API: next, response, error)
//!             ├─> Lambda::invoke ──>  ├─ process
//! mapping   ──┘                       └─ …
//! ```
//!
//! What is left out: retries and destinations of asynchronous invocations, versions and aliases, reserved
//! concurrency, layers, extensions, response streaming, and the limits of CPU and memory.

mod child;
mod environment;
mod function;
mod invocation;
mod invoke_api;
mod json;
mod lock;
mod logs;
mod mapping;
mod observer;
mod process;
mod router;
mod runtime_api;
mod service;
mod trace;

#[cfg(test)]
mod tests;

pub use child::run_child;
pub use function::Function;
pub use invocation::{Invocation, InvokeError};
pub use mapping::{InvalidMapping, Mapping, run_mapping};
pub use observer::{Event, Observer};
pub use process::Signal;
pub use service::Lambda;
