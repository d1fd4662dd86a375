//! One queue: what it stores, and what a receipt handle may do to it.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;
use uuid::Uuid;

use super::attempts::Attempts;
use super::deduplication::Deduplication;
use super::errors;
use super::message::MessageState;
use super::messages::Messages;
use super::receipt::Receipt;
use super::settings::Settings;
use crate::ApiError;

/// The most a message may stay in flight, counted from its receive:
/// [visibility timeout](https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-visibility-timeout.html).
pub(crate) const MAX_VISIBILITY_SECONDS: i64 = 43_200;

#[derive(Debug)]
pub(crate) struct Queue {
    pub(crate) id: Uuid,
    pub(crate) settings: Settings,
    pub(crate) tags: BTreeMap<String, String>,
    pub(crate) created_at: Instant,
    pub(crate) modified_at: Instant,
    pub(crate) messages: Messages,
    pub(crate) deduplication: Deduplication,
    pub(crate) attempts: Attempts,
    /// The IDs of messages that consumers deleted and that are not reported yet; `None`: it reports none.
    pub(crate) deleted: Option<Vec<String>>,
    /// How often waiting receives were ended.
    pub(crate) waits_ended: u64,
}

impl Queue {
    pub(crate) fn new(settings: Settings, now: Instant) -> Self {
        Self {
            id: Uuid::new_v4(),
            settings,
            tags: BTreeMap::new(),
            created_at: now,
            modified_at: now,
            messages: Messages::default(),
            deduplication: Deduplication::default(),
            attempts: Attempts::default(),
            deleted: None,
            waits_ended: 0,
        }
    }

    pub(crate) fn is_fifo(&self) -> bool {
        self.settings.fifo.is_some()
    }

    /// Drops what is older than the retention period, and makes visible what is due.
    pub(crate) fn advance(&mut self, now: Instant) {
        self.messages.advance(now, self.settings.retention());
    }

    /// Applies new settings. On a FIFO queue a new delay holds for what is already stored and not yet received:
    /// [delay queues](https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-delay-queues.html).
    pub(crate) fn reconfigure(&mut self, settings: Settings, now: Instant) {
        if self.is_fifo() && settings.delay_seconds != self.settings.delay_seconds {
            let delay = Duration::from_secs(settings.delay_seconds.into());
            self.messages.update_all(|stored| {
                if stored.receive_count() == 0 {
                    stored.visible_at = stored.enqueued_at + delay;
                }
            });
        }
        self.settings = settings;
        self.modified_at = now;
    }

    /// The slots that a receive may take, in the order to take them.
    pub(crate) fn receivable(&self) -> Box<dyn Iterator<Item = u64> + '_> {
        match self.is_fifo() {
            true => Box::new(self.messages.receivable_by_group()),
            false => Box::new(self.messages.receivable()),
        }
    }

    /// When time alone could make something receivable.
    pub(crate) fn next_change(&self) -> Option<Instant> {
        self.messages.next_change(self.settings.retention())
    }

    /// Deletes by receipt handle.
    ///
    /// On a standard queue a handle that is not the latest succeeds without deleting, see
    /// [DeleteMessage](https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_DeleteMessage.html); so does one
    /// whose message is gone. The latest handle deletes even after its visibility timeout, but not on a FIFO queue.
    pub(crate) fn delete(&mut self, handle: &str, now: Instant) -> Result<(), ApiError> {
        let receipt = self.receipt(handle)?;
        let fifo = self.is_fifo();
        let Some(stored) = self.messages.get(receipt.slot) else {
            return Ok(());
        };
        let latest = stored.receives == receipt.receive;
        if fifo && !(latest && stored.state(now) == MessageState::InFlight) {
            return Err(errors::invalid_value(
                "ReceiptHandle",
                handle,
                "The receipt handle has expired.",
            ));
        }
        if latest
            && let Some(removed) = self.messages.remove(receipt.slot)
            && let Some(deleted) = &mut self.deleted
        {
            deleted.push(removed.message.id.clone());
        }
        Ok(())
    }

    pub(crate) fn change_visibility(&mut self, handle: &str, seconds: i64, now: Instant) -> Result<(), ApiError> {
        let receipt = self.receipt(handle)?;
        if !(0..=MAX_VISIBILITY_SECONDS).contains(&seconds) {
            return Err(errors::out_of_range(
                "VisibilityTimeout",
                seconds,
                0,
                MAX_VISIBILITY_SECONDS,
            ));
        }
        let stored = self
            .messages
            .get(receipt.slot)
            .filter(|stored| stored.receives == receipt.receive);
        let stored = stored.ok_or_else(|| {
            let reason = "Message does not exist or is not available for visibility timeout change.";
            errors::invalid_value("ReceiptHandle", handle, reason)
        })?;
        if stored.state(now) != MessageState::InFlight {
            return Err(errors::sqs(
                "MessageNotInflight",
                "The specified message isn't in flight.",
            ));
        }
        let visible_at = now + Duration::from_secs(seconds.unsigned_abs());
        let limit = Duration::from_secs(MAX_VISIBILITY_SECONDS.unsigned_abs());
        if stored
            .last_received_at
            .is_some_and(|received_at| visible_at > received_at + limit)
        {
            let reason = "Total VisibilityTimeout for the message is beyond the limit [43200 seconds]";
            return Err(errors::invalid_value("VisibilityTimeout", seconds, reason));
        }
        self.messages
            .update(receipt.slot, |stored| stored.visible_at = visible_at);
        Ok(())
    }

    fn receipt(&self, handle: &str) -> Result<Receipt, ApiError> {
        let receipt = Receipt::parse(handle).filter(|receipt| receipt.queue == self.id && receipt.receive > 0);
        receipt.ok_or_else(|| {
            let message = format!("The input receipt handle \"{handle}\" is not a valid receipt handle.");
            errors::sqs("ReceiptHandleIsInvalid", message)
        })
    }
}
