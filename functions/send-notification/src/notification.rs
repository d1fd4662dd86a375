//! Notifications and their validation.

use serde::{Deserialize, Serialize};

/// A notification. It is posted to the receiver unchanged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notification {
    /// The recipient, in a form that the receiver understands, such as an e-mail address.
    pub to: String,
    /// The subject.
    pub subject: String,
    /// The text.
    pub text: String,
}

impl Notification {
    /// Validates the notification. The error is a reason for a permanent failure.
    pub(crate) fn check(&self) -> Result<(), &'static str> {
        match self.to.trim() {
            "" => Err("the notification has no recipient: `to` is empty"),
            _ => Ok(()),
        }
    }
}
