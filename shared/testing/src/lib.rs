#![doc = include_str!("../README.md")]
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a failed test is what a panic is for"
)]

mod dead_letter;
mod event;
mod events;
mod pages;
mod process;
mod samples;
mod sending;
mod stack;

use std::path::{Path, PathBuf};
use std::time::Duration;

pub use dead_letter::DeadLetter;
pub use event::{Message, event, failures};
pub use pages::{Page, commands, pages};
pub use process::{ENVIRONMENT, last_words, programs};
pub use samples::{Sampled, assert_all_samples, namespace, samples};
pub use stack::{Record, TestStack, text};

/// Much longer than anything takes on a busy machine: a wait that lasts so long has failed.
pub const PATIENCE: Duration = Duration::from_secs(300);

/// Where the template and the sample events are.
fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}
