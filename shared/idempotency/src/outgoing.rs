//! A message to send once the work is recorded.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::Key;
use crate::key::hex_digest;

/// A message to send after the work is recorded as done, and before the incoming message is acknowledged (promise 5).
///
/// The completed record holds it, so that a process that dies between the two loses nothing: the next delivery finds
/// the record and sends the message again under the same key, by which its receiver recognises a copy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutgoingMessage {
    queue_url: String,
    body: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    group: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    attributes: BTreeMap<String, String>,
}

impl OutgoingMessage {
    /// A message to the queue of this URL.
    pub fn new(queue_url: impl Into<String>, body: impl Into<String>) -> Self {
        Self {
            queue_url: queue_url.into(),
            body: body.into(),
            key: None,
            group: None,
            attributes: BTreeMap::new(),
        }
    }

    /// A message to the queue of this URL, its body this value as JSON.
    ///
    /// # Errors
    ///
    /// The value can't be written as JSON.
    pub fn json(queue_url: impl Into<String>, body: &impl Serialize) -> Result<Self, serde_json::Error> {
        Ok(Self::new(queue_url, serde_json::to_string(body)?))
    }

    /// The key by which its receiver recognises a copy, such as `confirmation of order o-1`.
    ///
    /// Unless stated, it consists of the incoming message's key and the position among the completion's messages. State
    /// one if several incoming messages can cause the same outgoing message.
    #[must_use]
    pub fn with_key(self, key: impl Into<String>) -> Self {
        Self {
            key: Some(key.into()),
            ..self
        }
    }

    /// The message group, which a FIFO queue requires.
    #[must_use]
    pub fn with_group(self, group: impl Into<String>) -> Self {
        Self {
            group: Some(group.into()),
            ..self
        }
    }

    /// A message attribute of the type String.
    #[must_use]
    pub fn with_attribute(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.attributes.insert(name.into(), value.into());
        self
    }

    /// The same message to the queue of another URL.
    #[must_use]
    pub fn with_queue_url(self, queue_url: impl Into<String>) -> Self {
        Self {
            queue_url: queue_url.into(),
            ..self
        }
    }

    /// The URL of its queue.
    pub fn queue_url(&self) -> &str {
        &self.queue_url
    }

    /// The body.
    pub fn body(&self) -> &str {
        &self.body
    }

    /// The key by which its receiver recognises a copy; `None` before its completion is sealed, unless one is stated.
    pub fn key(&self) -> Option<&str> {
        self.key.as_deref()
    }

    /// The message group.
    pub fn group(&self) -> Option<&str> {
        self.group.as_deref()
    }

    /// The message attributes, all of the type String.
    pub fn attributes(&self) -> &BTreeMap<String, String> {
        &self.attributes
    }

    /// The key as a FIFO queue's deduplication ID: 64 hexadecimal digits, legal whatever the key contains.
    pub fn deduplication_id(&self) -> String {
        hex_digest(self.key().unwrap_or_default())
    }

    /// The same message, under its own key or one that the incoming message gives it.
    pub(crate) fn keyed(mut self, incoming: &Key, position: usize) -> Self {
        self.key
            .get_or_insert_with(|| format!("{}/{position}", incoming.record_id()));
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_states_what_it_was_given() {
        let message = OutgoingMessage::new("queue", "{}");
        assert_eq!((message.queue_url(), message.body()), ("queue", "{}"));
        assert_eq!((message.key(), message.group()), (None, None));
        let message = message.with_key("k").with_group("g").with_attribute("a", "b");
        assert_eq!((message.key(), message.group()), (Some("k"), Some("g")));
        assert_eq!(message.attributes(), &[("a".to_owned(), "b".to_owned())].into());
        assert_eq!(message.deduplication_id(), hex_digest("k"));
        let json = OutgoingMessage::json("queue", &[1, 2]).unwrap();
        assert_eq!(json, OutgoingMessage::new("queue", "[1,2]"));
    }

    #[test]
    fn a_message_to_another_queue_is_otherwise_the_same() {
        let message = |queue| {
            OutgoingMessage::new(queue, "{}")
                .with_key("k")
                .with_group("g")
                .with_attribute("a", "b")
        };
        assert_eq!(message("old").with_queue_url("new"), message("new"));
    }
}
