//! What tests of functions share: a stack of its own for each test, and what a test does to it and reads from it.
//!
//! ```no_run
//! use local::testing::Stage;
//! use serde_json::json;
//!
//! # async fn test() {
//! // Cargo tells a package's integration tests where its program is: env!("CARGO_BIN_EXE_place-order").
//! let stage = Stage::set(&[("place-order", "target/debug/place-order")], &[("MaxReceiveCount", "2")]).await;
//! let message = stage.send("orders", &json!({ "id": "o-1" })).await;
//! stage.until_settled(&["orders"]).await;
//! assert_eq!(stage.dead_letters("orders"), [message]);
//! # }
//! ```
//!
//! Where anything does not go as it must for a test to make sense, it panics, and says what.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a failed test is what a panic is for"
)]

mod dead_letter;
mod event;
mod pages;
mod process;
mod samples;
mod sending;
mod stage;

use std::path::{Path, PathBuf};
use std::time::Duration;

pub use dead_letter::DeadLetter;
pub use event::{Message, event, failures};
pub use pages::{Page, commands, pages};
pub use process::{last_words, programs};
pub use samples::samples;
pub use stage::{Record, Stage, text};

/// Much longer than anything takes on a busy machine; who waits so long waits in vain.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// For events that a test hands to the function itself: time enough, however busy the machine.
pub const UNHURRIED: [(&str, &str); 2] = [("FunctionTimeout", "20"), ("VisibilityTimeout", "20")];

/// Where the template and the sample events are.
fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}
