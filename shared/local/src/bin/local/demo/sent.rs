//! A message that was sent, and what it is about.

use idempotency::Key;
use serde_json::Value;

use super::cast::{Fate, Sample};
use crate::send::Message;

/// A message that was sent.
pub(super) struct Sent {
    pub(super) id: String,
    pub(super) queue: &'static str,
    pub(super) file: &'static str,
    pub(super) fate: Fate,
    pub(super) doubled: bool,
    pub(super) body: Value,
}

impl Sent {
    pub(super) fn new(id: String, sample: &Sample, message: &Message) -> Self {
        let Sample {
            queue,
            file,
            fate,
            doubled,
        } = *sample;
        Self {
            id,
            queue,
            file,
            fate,
            doubled,
            body: body(message),
        }
    }

    /// The key under which its function records it.
    pub(super) fn key(&self) -> Option<Key> {
        let namespace = self.file.split('/').next().unwrap_or_default();
        let key = match namespace {
            // A reservation is known by what it is for.
            "reserve-stock" => format!(
                "{:?} for order {:?}",
                text(&self.body, "sku"),
                text(&self.body, "order")
            ),
            _ => self.id.clone(),
        };
        Key::new(namespace, &key).ok()
    }

    pub(super) fn dead_letter_queue(&self) -> String {
        match self.queue.strip_suffix(".fifo") {
            Some(name) => format!("{name}-dlq.fifo"),
            None => format!("{}-dlq", self.queue),
        }
    }

    /// What the message is about, in a word.
    pub(super) fn subject(&self) -> String {
        let named = |name| Some(text(&self.body, name)).filter(|value| !value.is_empty());
        named("id")
            .or_else(|| named("to"))
            .or_else(|| named("order"))
            .unwrap_or_else(|| "?".to_owned())
    }
}

pub(super) fn body(message: &Message) -> Value {
    serde_json::from_str(&message.body).unwrap_or_default()
}

pub(super) fn text(value: &Value, name: &str) -> String {
    value[name].as_str().unwrap_or_default().to_owned()
}
