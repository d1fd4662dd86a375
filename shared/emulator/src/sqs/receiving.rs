//! One attempt to receive, at one instant.

use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use super::errors;
use super::fields::Fields;
use super::message::{self, Wanted};
use super::queue::{MAX_VISIBILITY_SECONDS, Queue};
use super::receipt::Receipt;
use super::world::{World, queue_name};
use crate::ApiError;

/// A checked `ReceiveMessage` request.
#[derive(Debug)]
pub(crate) struct Receive {
    queue: String,
    max_messages: usize,
    visibility: Option<Duration>,
    /// `None` means the queue's own wait time.
    wait: Option<Duration>,
    wanted: Wanted,
}

/// What an attempt found.
#[derive(Debug)]
pub(crate) struct Attempt {
    pub(crate) messages: Vec<Value>,
    /// Something arrived in a dead-letter queue, whose receivers may be waiting.
    pub(crate) moved: bool,
    /// When another attempt could find more, if nothing but time changes.
    pub(crate) next_change: Option<Instant>,
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
        })
    }

    /// How long to wait if nothing is there.
    pub(crate) fn wait(&self, world: &mut World, now: Instant) -> Result<Duration, ApiError> {
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
        let limit = redrive.as_ref().map(|(_, max_receives)| *max_receives);
        let (slots, exhausted) = self.choose(queue, limit, now);
        let received: Vec<String> = slots.iter().filter_map(|slot| self.take(queue, *slot, now)).collect();
        let dead: Vec<_> = exhausted
            .iter()
            .filter_map(|slot| queue.messages.remove(slot))
            .collect();
        let next_change = queue.next_change(now);
        let messages = self.describe(world, &slots, &received);
        let moved = !dead.is_empty();
        if let Some((target, _)) = redrive {
            dead.into_iter()
                .for_each(|stored| world.dead_letter(stored, &self.queue, &target, now));
        }
        Ok(Attempt {
            messages,
            moved,
            next_change: next_change.into_iter().chain(world.next_move_at()).min(),
        })
    }

    /// The slots to receive, and those found on the way that were received too often.
    fn choose(&self, queue: &Queue, limit: Option<u32>, now: Instant) -> (Vec<u64>, Vec<u64>) {
        let (mut chosen, mut exhausted) = (Vec::new(), Vec::new());
        for slot in queue.receivable(now) {
            let receives = queue.messages.get(&slot).map_or(0, |stored| stored.receives);
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

    /// Marks a message received and gives the handle of this receive.
    fn take(&self, queue: &mut Queue, slot: u64, now: Instant) -> Option<String> {
        let visibility = self.visibility.unwrap_or(queue.settings.visibility());
        let stored = queue.messages.get_mut(&slot)?;
        stored.receive(now, visibility);
        Some(
            Receipt {
                queue: queue.id,
                slot,
                receive: stored.receives,
            }
            .handle(),
        )
    }

    fn describe(&self, world: &mut World, slots: &[u64], handles: &[String]) -> Vec<Value> {
        let World {
            queues,
            clock,
            deliveries,
            ..
        } = world;
        let Some(queue) = queues.get(&self.queue) else {
            return Vec::new();
        };
        let stored = slots.iter().filter_map(|slot| queue.messages.get(slot));
        let describe = |(stored, handle): (&message::Stored, &String)| {
            *deliveries.entry(stored.message.id.clone()).or_default() += 1;
            message::to_json(stored, handle, &self.wanted, clock)
        };
        stored.zip(handles).map(describe).collect()
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

/// `AttributeNames` is the older name of `MessageSystemAttributeNames`; both count.
fn wanted(request: &Fields<'_>) -> Result<Wanted, ApiError> {
    let mut system = request.texts("MessageSystemAttributeNames")?;
    system.extend(request.texts("AttributeNames")?);
    if let Some(unknown) = system.iter().find(|name| !SYSTEM_ATTRIBUTES.contains(name)) {
        return Err(errors::unknown_attribute(unknown));
    }
    let owned = |names: Vec<&str>| names.into_iter().map(str::to_owned).collect();
    Ok(Wanted {
        system_attributes: owned(system),
        message_attributes: owned(request.texts("MessageAttributeNames")?),
    })
}
