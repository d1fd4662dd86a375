//! The messages of all queues as JSON, to be there again in another process.
//!
//! Settings are not saved: the queues are created before their messages are restored. Receipt handles end with the process, so a
//! message that was in flight becomes visible when its visibility timeout ends.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::attributes::Attributes;
use super::clock::Clock;
use super::deduplication::{Answered, SendKey};
use super::message::{Message, Stored};
use super::queue::Queue;
use super::world::World;

/// Milliseconds since the epoch.
type Millis = u64;

/// By queue name.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Saved(BTreeMap<String, SavedQueue>);

#[derive(Debug, Clone, Serialize, Deserialize)]
struct SavedQueue {
    messages: Vec<SavedMessage>,
    /// What a FIFO queue remembers of sends, the earliest first.
    sends: Vec<(SendKey, Answered, Millis)>,
    /// How many sequence numbers it has given.
    sequence: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct SavedMessage {
    id: String,
    body: String,
    attributes: Attributes,
    trace_header: Option<String>,
    group: Option<String>,
    deduplication_id: Option<String>,
    sequence_number: Option<String>,
    sent_at: Millis,
    enqueued_at: Millis,
    visible_at: Millis,
    receives: u32,
    receives_elsewhere: u32,
    first_received_at: Option<Millis>,
    last_received_at: Option<Millis>,
    source: Option<String>,
}

impl Saved {
    pub(crate) fn of(world: &World) -> Self {
        let queue = |(name, queue): (&String, &Queue)| (name.clone(), SavedQueue::of(queue, &world.clock));
        let mut saved = world.unclaimed.0.clone();
        for (name, queue) in world.queues.iter().map(queue) {
            let unclaimed = saved.remove(&name);
            saved.insert(name, queue.after(unclaimed));
        }
        Self(saved)
    }

    /// Adds the messages to the queues of the same names, and returns the names of those that have messages, but don't exist.
    /// Their messages are saved again.
    pub(crate) fn restore(self, world: &mut World) -> Vec<String> {
        let mut missing = Vec::new();
        for (name, saved) in self.0 {
            let clock = world.clock.clone();
            let Some(queue) = world.queues.get_mut(&name) else {
                if !saved.messages.is_empty() {
                    missing.push(name.clone());
                    world.unclaimed.0.insert(name, saved);
                }
                continue;
            };
            let sends = saved.sends.into_iter();
            let sends = sends.map(|(key, answered, at)| (key, answered, clock.instant(at)));
            queue.deduplication.restore(sends, saved.sequence);
            for message in saved.messages {
                world.store(&name, message.stored(&clock));
            }
        }
        missing
    }
}

impl SavedQueue {
    fn of(queue: &Queue, clock: &Clock) -> Self {
        let sends = queue.deduplication.remembered();
        Self {
            messages: queue
                .messages
                .values()
                .map(|stored| SavedMessage::of(stored, clock))
                .collect(),
            sends: sends
                .map(|(key, answered, at)| (key.clone(), answered.clone(), millis(clock, at)))
                .collect(),
            sequence: queue.deduplication.sequence(),
        }
    }

    /// With the messages of an earlier queue of the same name, which were not restored because the queue didn't exist yet.
    fn after(mut self, earlier: Option<Self>) -> Self {
        if let Some(mut earlier) = earlier {
            self.messages.splice(0..0, earlier.messages);
            earlier.sends.append(&mut self.sends);
            self.sends = earlier.sends;
            self.sequence = self.sequence.max(earlier.sequence);
        }
        self
    }
}

impl SavedMessage {
    fn of(stored: &Stored, clock: &Clock) -> Self {
        let message = stored.message.as_ref().clone();
        let millis = |at| millis(clock, at);
        Self {
            id: message.id,
            body: message.body,
            attributes: message.attributes,
            trace_header: message.trace_header,
            group: message.group,
            deduplication_id: message.deduplication_id,
            sequence_number: message.sequence_number,
            sent_at: millis(message.sent_at),
            enqueued_at: millis(stored.enqueued_at),
            visible_at: millis(stored.visible_at),
            receives: stored.receives,
            receives_elsewhere: stored.receives_elsewhere,
            first_received_at: stored.first_received_at.map(millis),
            last_received_at: stored.last_received_at.map(millis),
            source: stored.source.clone(),
        }
    }

    fn stored(self, clock: &Clock) -> Stored {
        let instant = |millis| clock.instant(millis);
        let message = Message {
            id: self.id,
            body: self.body,
            attributes: self.attributes,
            trace_header: self.trace_header,
            group: self.group,
            deduplication_id: self.deduplication_id,
            sequence_number: self.sequence_number,
            sent_at: instant(self.sent_at),
        };
        Stored {
            message: Arc::new(message),
            enqueued_at: instant(self.enqueued_at),
            visible_at: instant(self.visible_at),
            receives: self.receives,
            receives_elsewhere: self.receives_elsewhere,
            first_received_at: self.first_received_at.map(instant),
            last_received_at: self.last_received_at.map(instant),
            source: self.source,
        }
    }
}

fn millis(clock: &Clock, at: Instant) -> Millis {
    u64::try_from(clock.epoch_millis(at)).unwrap_or(u64::MAX)
}
