//! Message move tasks: redrive by SQS itself, as far as time has come.
//!
//! Documented in
//! [StartMessageMoveTask](https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_StartMessageMoveTask.html) and
//! [dead-letter queue redrive](https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-configure-dead-letter-queue-redrive.html).
//! What is not documented, and so decided here: without a rate all visible messages move at once; with a rate of n the first
//! moves at once and the others 1/n seconds apart; a task ends when it finds no visible message; a cancelled task stops at once.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use uuid::Uuid;

use super::deduplication::{Answered, SendKey};
use super::message::{Message, Stored};
use super::world::World;
use crate::ApiError;

/// A task that moves messages out of a dead-letter queue.
#[derive(Debug)]
pub(crate) struct MoveTask {
    pub(crate) id: Uuid,
    /// The dead-letter queue's name.
    pub(crate) source: String,
    /// The queue's name; `None`: each message goes to the queue that it came from.
    pub(crate) destination: Option<String>,
    /// Messages per second; `None`: all at once.
    pub(crate) rate: Option<u32>,
    pub(crate) started_at: Instant,
    /// Visible messages at the start.
    pub(crate) to_move: usize,
    pub(crate) moved: u32,
    pub(crate) status: Status,
}

/// Where a task stands. `CANCELLING` is never observed here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    Running,
    Completed,
    Cancelled,
    /// With its `FailureReason`.
    Failed(&'static str),
}

/// The reason when the destination was deleted. AWS documents no list of reasons.
const NO_QUEUE: &str = "AWS.SimpleQueueService.NonExistentQueue";
/// The reason for a message that SQS has not moved to the dead-letter queue, if the task has no destination. Not confirmed on
/// AWS.
const NO_SOURCE: &str = "CouldNotDetermineMessageSource";

impl MoveTask {
    pub(crate) fn is_running(&self) -> bool {
        self.status == Status::Running
    }

    /// When it moves its next message.
    fn next_at(&self) -> Option<Instant> {
        let after = |rate| Duration::from_secs(self.moved.into()) / rate;
        self.is_running()
            .then(|| self.started_at + self.rate.map_or(Duration::ZERO, after))
    }
}

impl World {
    /// Moves what the running tasks move until now, in the order of time. Receivers that wait look again at that time.
    pub(crate) fn run_move_tasks(&mut self, now: Instant) {
        while let Some((index, at)) = self.next_move().filter(|(_, at)| *at <= now) {
            let moved = self.move_next(index, at);
            let more = self.has_more(index, at);
            let task = &mut self.move_tasks[index];
            task.moved += u32::from(moved == Ok(true));
            task.status = match moved {
                Ok(true) if more => Status::Running,
                Ok(_) => Status::Completed,
                Err(reason) => Status::Failed(reason),
            };
        }
    }

    /// When a task moves a message next, if nothing but time changes.
    pub(crate) fn next_move_at(&self) -> Option<Instant> {
        self.next_move().map(|(_, at)| at)
    }

    fn next_move(&self) -> Option<(usize, Instant)> {
        let tasks = self.move_tasks.iter().enumerate();
        let due = tasks.filter_map(|(index, task)| Some((index, task.next_at()?)));
        due.min_by_key(|(_, at)| *at)
    }

    fn has_more(&mut self, index: usize, now: Instant) -> bool {
        let source = self.move_tasks[index].source.clone();
        self.queue(&source, now)
            .is_ok_and(|queue| queue.receivable().next().is_some())
    }

    /// Moves the oldest message that a receive could get; false if there is none. An error is the task's `FailureReason`.
    fn move_next(&mut self, index: usize, now: Instant) -> Result<bool, &'static str> {
        let MoveTask {
            source, destination, ..
        } = &self.move_tasks[index];
        let (source, destination) = (source.clone(), destination.clone());
        let queue = self.queue(&source, now).map_err(|_| NO_QUEUE)?;
        let Some(slot) = queue.receivable().next() else {
            return Ok(false);
        };
        let came_from = queue.messages.get(slot).and_then(|stored| stored.source.clone());
        let came_from = came_from.as_deref().and_then(|arn| self.name_of_arn(arn));
        let destination = destination.or_else(|| came_from.map(str::to_owned)).ok_or(NO_SOURCE)?;
        self.queue(&destination, now).map_err(|_| NO_QUEUE)?;
        let stored = self
            .queues
            .get_mut(&source)
            .and_then(|queue| queue.messages.remove(slot));
        if let Some(stored) = stored {
            self.send_again(&stored.message, &destination, now)
                .map_err(|_| NO_QUEUE)?;
        }
        Ok(true)
    }

    /// Sends a message as a new one. A FIFO queue drops it if it deduplicates it, as it does with any other.
    fn send_again(&mut self, message: &Message, name: &str, now: Instant) -> Result<(), ApiError> {
        let queue = self.queue(name, now)?;
        let key = SendKey::of(
            message.group.as_deref(),
            message.deduplication_id.as_deref(),
            &queue.settings,
        );
        if key
            .as_ref()
            .is_some_and(|key| queue.deduplication.answered(key, now).is_some())
        {
            return Ok(());
        }
        let sequence_number = key.as_ref().map(|_| queue.deduplication.next_sequence_number());
        let message = message.sent_again(sequence_number.clone(), now);
        if let Some((key, sequence_number)) = key.zip(sequence_number) {
            let message_id = message.id.clone();
            let answered = Answered {
                message_id,
                sequence_number,
            };
            queue.deduplication.remember(key, answered, now);
        }
        let delay = Duration::from_secs(queue.settings.delay_seconds.into());
        self.store(name, Stored::new(Arc::new(message), now, delay));
        Ok(())
    }
}
