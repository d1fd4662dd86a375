//! Changes of the workspace that holds the template: its functions.

mod remove;

pub use remove::{RemoveError, Removed, remove_samples};
