//! What is to be said, and to whom.

use serde::{Deserialize, Serialize};

/// A notification, posted to the receiver as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notification {
    /// Whom it is for: whatever the receiver understands, such as an e-mail address.
    pub to: String,
    /// What it is about.
    pub subject: String,
    /// What it says.
    pub text: String,
}

impl Notification {
    /// Whether it can be delivered at all.
    pub(crate) fn check(&self) -> Result<(), &'static str> {
        match self.to.trim() {
            "" => Err("the notification is for nobody: `to` is empty"),
            _ => Ok(()),
        }
    }
}
