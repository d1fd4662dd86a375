//! One attempt to receive, at one instant.

use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use super::characters::token;
use super::errors;
use super::fields::Fields;
use super::message::{self, Wanted};
use super::operations::QUEUE_ATTRIBUTES;
use super::queue::{MAX_VISIBILITY_SECONDS, Queue};
use super::receipt::Receipt;
use super::world::{World, queue_name};
use crate::ApiError;

/// A checked `ReceiveMessage` request.
#[derive(Debug)]
pub(crate) struct Receive {
    pub(crate) queue: String,
    max_messages: usize,
    visibility: Option<Duration>,
    /// `None` means the queue's own wait time.
    wait: Option<Duration>,
    wanted: Wanted,
    /// For FIFO queues.
    attempt_id: Option<String>,
}

/// What an attempt found.
#[derive(Debug)]
pub(crate) struct Attempt {
    pub(crate) messages: Vec<Value>,
    /// What arrived in a dead-letter queue, whose receivers may be waiting.
    pub(crate) moved: Vec<Moved>,
    /// When another attempt could find more, if nothing but time changes.
    pub(crate) next_change: Option<Instant>,
}

/// A message that was moved to a dead-letter queue.
#[derive(Debug)]
pub(crate) struct Moved {
    pub(crate) message: String,
    pub(crate) receives: u32,
    pub(crate) from: String,
    pub(crate) to: String,
}

impl Receive {
    pub(crate) fn read(request: &Fields<'_>) -> Result<Self, ApiError> {
        let max_messages = request.integer("MaxNumberOfMessages")?.unwrap_or(1);
        if !(1..=10).contains(&max_messages) {
            let reason = "Must be between 1 and 10, if provided.";
            return Err(errors::invalid_value("MaxNumberOfMessages", max_messages, reason));
        }
        Ok(Self {
            queue: queue_name(request)?.to_owned(),
            max_messages: usize::try_from(max_messages).unwrap_or(1),
            visibility: seconds(request, "VisibilityTimeout", MAX_VISIBILITY_SECONDS)?,
            wait: seconds(request, "WaitTimeSeconds", 20)?,
            wanted: wanted(request)?,
            attempt_id: token(request, "ReceiveRequestAttemptId")?.map(str::to_owned),
        })
    }

    /// How long to wait if nothing is there.
    pub(crate) fn wait(&self, world: &mut World, now: Instant) -> Result<Duration, ApiError> {
        world.run_move_tasks(now);
        let queue = world.queue(&self.queue, now)?;
        Ok(self
            .wait
            .unwrap_or(Duration::from_secs(queue.settings.wait_seconds.into())))
    }

    /// Takes what there is. Messages received too often move to the dead-letter queue instead, whichever attempt finds them.
    pub(crate) fn attempt(&self, world: &mut World, now: Instant) -> Result<Attempt, ApiError> {
        world.run_move_tasks(now);
        let redrive = world.dead_letter_queue(&self.queue);
        let queue = world.queue(&self.queue, now)?;
        if let Some(slots) = self.repeat(queue, now)? {
            let messages = self.describe(world, &slots);
            return Ok(Attempt {
                messages,
                moved: Vec::new(),
                next_change: None,
            });
        }
        let limit = redrive.as_ref().map(|(_, max_receives)| *max_receives);
        let (slots, exhausted) = self.choose(queue, limit);
        self.take(queue, &slots, now);
        let dead = exhausted.iter().filter_map(|slot| queue.messages.remove(*slot));
        let dead: Vec<_> = dead.collect();
        let next_change = queue.next_change();
        count(world, &self.queue, &slots);
        let messages = self.describe(world, &slots);
        let mut moved = Vec::new();
        if let Some((target, _)) = redrive {
            for stored in dead {
                moved.push(Moved {
                    message: stored.message.id.clone(),
                    receives: stored.receives,
                    from: self.queue.clone(),
                    to: target.clone(),
                });
                world.dead_letter(stored, &self.queue, &target, now);
            }
        }
        Ok(Attempt {
            messages,
            moved,
            next_change: next_change.into_iter().chain(world.next_move_at()).min(),
        })
    }

    /// The messages of an earlier attempt with the same ID, hidden anew; `None` if this is a new one.
    fn repeat(&self, queue: &mut Queue, now: Instant) -> Result<Option<Vec<u64>>, ApiError> {
        let Some(id) = self.attempt_id.as_deref() else {
            return Ok(None);
        };
        if !queue.is_fifo() {
            let reason = "The request include parameter that is not valid for this queue type.";
            return Err(errors::invalid_value("ReceiveRequestAttemptId", id, reason));
        }
        let slots = queue.attempts.repeated(id, &queue.messages, now)?;
        if slots.is_empty() {
            return Ok(None);
        }
        let visibility = self.visibility(queue);
        for slot in &slots {
            queue
                .messages
                .update(*slot, |stored| stored.visible_at = now + visibility);
        }
        queue.attempts.remember(id, &slots, &queue.messages, now);
        Ok(Some(slots))
    }

    fn visibility(&self, queue: &Queue) -> Duration {
        self.visibility.unwrap_or(queue.settings.visibility())
    }

    /// The slots to receive, and those found on the way that were received too often.
    fn choose(&self, queue: &Queue, limit: Option<u32>) -> (Vec<u64>, Vec<u64>) {
        let (mut chosen, mut exhausted) = (Vec::new(), Vec::new());
        for slot in queue.receivable() {
            let receives = queue.messages.get(slot).map_or(0, |stored| stored.receives);
            if limit.is_some_and(|limit| receives >= limit) {
                exhausted.push(slot);
            } else {
                chosen.push(slot);
            }
            if chosen.len() == self.max_messages {
                break;
            }
        }
        (chosen, exhausted)
    }

    /// Marks messages received.
    fn take(&self, queue: &mut Queue, slots: &[u64], now: Instant) {
        let visibility = self.visibility(queue);
        for slot in slots {
            queue.messages.update(*slot, |stored| stored.receive(now, visibility));
        }
        if let Some(id) = &self.attempt_id {
            queue.attempts.remember(id, slots, &queue.messages, now);
        }
    }

    fn describe(&self, world: &World, slots: &[u64]) -> Vec<Value> {
        let Some(queue) = world.queues.get(&self.queue) else {
            return Vec::new();
        };
        let stored = slots
            .iter()
            .filter_map(|slot| Some((*slot, queue.messages.get(*slot)?)));
        let describe = |(slot, stored): (u64, &message::Stored)| {
            let receipt = Receipt {
                queue: queue.id,
                slot,
                receive: stored.receives,
            };
            message::to_json(stored, &receipt.handle(), &self.wanted, &world.clock)
        };
        stored.map(describe).collect()
    }
}

/// Counts a receive of each of these messages.
fn count(world: &mut World, queue: &str, slots: &[u64]) {
    let World { queues, deliveries, .. } = world;
    let messages = queues.get(queue).map(|queue| &queue.messages);
    for stored in slots.iter().filter_map(|slot| messages?.get(*slot)) {
        *deliveries.entry(&stored.message.id) += 1;
    }
}

fn seconds(request: &Fields<'_>, name: &str, max: i64) -> Result<Option<Duration>, ApiError> {
    match request.integer(name)? {
        Some(value) if !(0..=max).contains(&value) => Err(errors::out_of_range(name, value, 0, max)),
        value => Ok(value.map(|value| Duration::from_secs(value.unsigned_abs()))),
    }
}

const SYSTEM_ATTRIBUTES: [&str; 10] = [
    "All",
    "SenderId",
    "SentTimestamp",
    "ApproximateReceiveCount",
    "ApproximateFirstReceiveTimestamp",
    "SequenceNumber",
    "MessageDeduplicationId",
    "MessageGroupId",
    "AWSTraceHeader",
    "DeadLetterQueueSourceArn",
];

/// `AttributeNames` is the older name of `MessageSystemAttributeNames`; both count. Its type also has the attributes of queues,
/// which are ignored there.
fn wanted(request: &Fields<'_>) -> Result<Wanted, ApiError> {
    let mut system = request.texts("MessageSystemAttributeNames")?;
    let older = request.texts("AttributeNames")?;
    let of_queues = |name: &&str| *name != "All" && QUEUE_ATTRIBUTES.contains(name);
    system.extend(older.into_iter().filter(|name| !of_queues(name)));
    if let Some(unknown) = system.iter().find(|name| !SYSTEM_ATTRIBUTES.contains(name)) {
        return Err(errors::unknown_attribute(unknown));
    }
    let owned = |names: Vec<&str>| names.into_iter().map(str::to_owned).collect();
    Ok(Wanted {
        system_attributes: owned(system),
        message_attributes: owned(request.texts("MessageAttributeNames")?),
    })
}
