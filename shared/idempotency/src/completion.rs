//! What a finished handler returns.

use crate::{Key, NoWrites, OutgoingMessage};

/// Finished work: what to commit together with its record, and what to send after it.
#[derive(Debug)]
pub struct Completion<W = NoWrites> {
    writes: Vec<W>,
    messages: Vec<OutgoingMessage>,
    data: Option<String>,
}

impl<W> Default for Completion<W> {
    fn default() -> Self {
        Self {
            writes: Vec::new(),
            messages: Vec::new(),
            data: None,
        }
    }
}

impl<W> Completion<W> {
    /// Nothing to commit but the record.
    pub fn new() -> Self {
        Self::default()
    }

    /// Commit this write in the same transaction as the record: both happen, or neither.
    ///
    /// How many writes fit a transaction is the store's limit.
    #[must_use]
    pub fn write(mut self, write: W) -> Self {
        self.writes.push(write);
        self
    }

    /// Send this message once the record is completed. The record holds it, so that a crash can't lose it.
    ///
    /// Therefore the store limits its size: in DynamoDB, a record with all its messages and its result has at most 400 KB, where
    /// SQS would take 1 MiB for each message. Work whose record is larger is rejected before anything is committed.
    ///
    /// It is sent at least once, each time under the same key. What is not committed is not sent.
    #[must_use]
    pub fn send(mut self, message: OutgoingMessage) -> Self {
        self.messages.push(message);
        self
    }

    /// Keep a small result in the record, for anyone who reads it there: as JSON, like Powertools does.
    ///
    /// ```
    /// # use idempotency::{Completion, NoWrites};
    /// # let charge = "ch-1";
    /// Completion::<NoWrites>::new().data(serde_json::json!({ "charge": charge }));
    /// ```
    #[must_use]
    pub fn data(self, result: serde_json::Value) -> Self {
        Self {
            // The same text as that of `to_string`, without a formatter between. A value can always be written.
            data: Some(serde_json::to_string(&result).unwrap_or_default()),
            ..self
        }
    }

    /// Whether there is anything to commit beside the record.
    pub fn has_writes(&self) -> bool {
        !self.writes.is_empty()
    }

    /// The messages to send after the completion of `key`'s work, each under its key.
    pub fn into_outgoing(self, key: &Key) -> Vec<OutgoingMessage> {
        keyed(self.messages, key)
    }

    /// The parts of the completed record, and the writes.
    pub(crate) fn into_parts(self, key: &Key) -> (Option<String>, Vec<OutgoingMessage>, Vec<W>) {
        (self.data, keyed(self.messages, key), self.writes)
    }
}

fn keyed(messages: Vec<OutgoingMessage>, key: &Key) -> Vec<OutgoingMessage> {
    let messages = messages.into_iter().enumerate();
    messages
        .map(|(position, message)| message.keyed(key, position))
        .collect()
}
