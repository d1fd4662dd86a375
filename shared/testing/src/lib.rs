//! Test support for functions: a stack of its own for each test, faults for it, and what it holds afterwards.
//!
//! ```no_run
//! use testing::TestStack;
//! use serde_json::json;
//!
//! # async fn test() {
//! // Cargo gives a package's integration tests the path of its program: env!("CARGO_BIN_EXE_place-order").
//! let stack = TestStack::start(&[("place-order", "target/debug/place-order")], &[("MaxReceiveCount", "2")]).await;
//! let message = stack.send("orders", &json!({ "id": "o-1" })).await;
//! stack.until_settled(&["orders"]).await;
//! assert_eq!(stack.dead_letters("orders"), [message]);
//! # }
//! ```
//!
//! If something fails that a test depends on, it panics with the reason.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a failed test is what a panic is for"
)]

mod dead_letter;
mod event;
mod process;
mod samples;
mod sending;
mod stack;

use std::path::{Path, PathBuf};
use std::time::Duration;

pub use dead_letter::DeadLetter;
pub use event::{Message, event, failures};
pub use process::{last_words, programs};
pub use samples::samples;
pub use stack::{Record, TestStack, text};

/// Much longer than anything takes on a busy machine: a wait that lasts so long has failed.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// For events that a test invokes the function with: time enough, however busy the machine.
pub const UNHURRIED: [(&str, &str); 2] = [("FunctionTimeout", "20"), ("VisibilityTimeout", "20")];

/// Where the template and the sample events are.
fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}
