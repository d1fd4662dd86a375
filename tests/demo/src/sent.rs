//! A message that was sent, and its subject.

use idempotency::Key;
use serde_json::Value;

use crate::cases::{Expected, Sample};
use local::messages::Message;

/// A message that was sent.
pub(crate) struct Sent {
    pub(crate) id: String,
    pub(crate) queue: &'static str,
    pub(crate) file: &'static str,
    pub(crate) expected: Expected,
    pub(crate) doubled: bool,
    pub(crate) body: Value,
}

impl Sent {
    pub(crate) fn new(id: String, sample: &Sample, message: &Message) -> Self {
        let Sample {
            queue,
            file,
            expected,
            doubled,
        } = *sample;
        Self {
            id,
            queue,
            file,
            expected,
            doubled,
            body: body(message),
        }
    }

    /// The key under which its function records it.
    pub(crate) fn key(&self) -> Option<Key> {
        let namespace = self.file.split('/').next().unwrap_or_default();
        let key = match namespace {
            // The business key of a reservation.
            "reserve-stock" => format!(
                "{:?} for order {:?}",
                text(&self.body, "sku"),
                text(&self.body, "order")
            ),
            _ => self.id.clone(),
        };
        Key::new(namespace, &key).ok()
    }

    pub(crate) fn dead_letter_queue(&self) -> String {
        match self.queue.strip_suffix(".fifo") {
            Some(name) => format!("{name}-dlq.fifo"),
            None => format!("{}-dlq", self.queue),
        }
    }

    /// The subject of the message, in a word.
    pub(crate) fn subject(&self) -> String {
        let named = |name| Some(text(&self.body, name)).filter(|value| !value.is_empty());
        named("id")
            .or_else(|| named("to"))
            .or_else(|| named("order"))
            .unwrap_or_else(|| "?".to_owned())
    }
}

pub(crate) fn body(message: &Message) -> Value {
    serde_json::from_str(&message.body).unwrap_or_default()
}

pub(crate) fn text(value: &Value, name: &str) -> String {
    value[name].as_str().unwrap_or_default().to_owned()
}
