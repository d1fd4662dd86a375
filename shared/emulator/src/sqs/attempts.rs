//! What a FIFO queue remembers of receives that named a `ReceiveRequestAttemptId`.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use super::errors;
use super::messages::Messages;
use crate::ApiError;

/// How long an attempt can be repeated, see
/// [ReceiveMessage](https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ReceiveMessage.html#API_ReceiveMessage_RequestSyntax).
const INTERVAL: Duration = Duration::from_secs(5 * 60);

/// By attempt ID.
#[derive(Debug, Default)]
pub(crate) struct Attempts(HashMap<String, Attempt>);

#[derive(Debug)]
struct Attempt {
    at: Instant,
    received: Vec<Received>,
}

/// A message as an attempt left it.
#[derive(Debug)]
struct Received {
    slot: u64,
    receives: u32,
    visible_at: Instant,
}

impl Received {
    fn is_unchanged(&self, messages: &Messages) -> bool {
        let stored = messages.get(self.slot);
        stored.is_some_and(|stored| stored.receives == self.receives && stored.visible_at == self.visible_at)
    }
}

impl Attempts {
    /// The messages of the earlier attempt with this ID, to be received again; none if there was no such attempt within five
    /// minutes, or its visibility timeout has ended and nothing else happened to them.
    ///
    /// # Errors
    /// One of them was deleted, received again, or had its visibility changed: such an attempt can't be repeated.
    pub(crate) fn repeated(&mut self, id: &str, messages: &Messages, now: Instant) -> Result<Vec<u64>, ApiError> {
        self.0.retain(|_, attempt| now < attempt.at + INTERVAL);
        let Some(Attempt { received, .. }) = self.0.get(id) else {
            return Ok(Vec::new());
        };
        if !received.iter().all(|received| received.is_unchanged(messages)) {
            let reason = "A message of this attempt was deleted, received again, or had its visibility changed.";
            return Err(errors::invalid_value("ReceiveRequestAttemptId", id, reason));
        }
        let hidden = received.iter().all(|received| now < received.visible_at);
        let slots = received.iter().map(|received| received.slot);
        Ok(slots.filter(|_| hidden).collect())
    }

    /// Remembers what an attempt received. A repetition doesn't renew the five minutes.
    pub(crate) fn remember(&mut self, id: &str, slots: &[u64], messages: &Messages, now: Instant) {
        let received = slots.iter().filter_map(|slot| {
            messages.get(*slot).map(|stored| Received {
                slot: *slot,
                receives: stored.receives,
                visible_at: stored.visible_at,
            })
        });
        let received: Vec<_> = received.collect();
        let at = self.0.get(id).map_or(now, |earlier| earlier.at);
        if !received.is_empty() {
            self.0.insert(id.to_owned(), Attempt { at, received });
        }
    }
}
