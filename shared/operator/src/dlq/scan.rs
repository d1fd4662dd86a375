//! Reading a queue without deleting its messages.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use aws_sdk_sqs::types::{BatchResultErrorEntry, ChangeMessageVisibilityBatchRequestEntry, MessageSystemAttributeName};

use super::dead_letter::DeadLetter;
use crate::queue::{Queue, State};
use crate::time;

/// SQS allows this many messages in one request.
const BATCH: usize = 10;

/// Long polling queries all servers of SQS, so that an empty response means an empty queue; short polling queries a few.
const WAIT_SECONDS: i32 = 1;

/// The visibility timeout of an empty queue. It has to last for the whole scan: a message that became visible meanwhile would
/// be received twice.
const VISIBILITY_TIMEOUT: Duration = Duration::from_secs(120);
/// What each message adds to it.
const VISIBILITY_PER_MESSAGE: Duration = Duration::from_millis(200);
/// SQS's limit.
const MAX_VISIBILITY_TIMEOUT: Duration = Duration::from_secs(12 * 60 * 60);

/// Keeps every message that it has received in flight, until [`release`](Self::release), or until the message is deleted.
///
/// If the process is killed, or the reply to a receive is lost, the messages become visible after the visibility timeout.
pub(super) struct Scan<'a> {
    queue: &'a Queue,
    visibility_timeout: Duration,
    /// IDs of all messages received.
    seen: HashSet<String>,
    /// Receipt handle by message ID.
    in_flight: HashMap<String, String>,
    /// By ARN, whether a queue that messages were moved from is a dead-letter queue.
    dead_letter_queues: HashMap<String, bool>,
}

impl<'a> Scan<'a> {
    /// Of a queue in this state, with a caller that takes `each` for a message.
    pub(super) fn new(queue: &'a Queue, state: &State, each: Duration) -> Self {
        let messages = u32::try_from(state.visible).unwrap_or(u32::MAX);
        let all = (each + VISIBILITY_PER_MESSAGE).saturating_mul(messages);
        Self {
            queue,
            visibility_timeout: all.saturating_add(VISIBILITY_TIMEOUT).min(MAX_VISIBILITY_TIMEOUT),
            seen: HashSet::new(),
            in_flight: HashMap::new(),
            dead_letter_queues: HashMap::new(),
        }
    }

    /// How many different messages were received.
    pub(super) fn seen(&self) -> usize {
        self.seen.len()
    }

    /// Some messages that were not received before; none means that all visible ones are seen.
    ///
    /// # Errors
    ///
    /// One line: why SQS delivers none. Those received before stay in flight.
    pub(super) async fn next(&mut self) -> Result<Vec<DeadLetter>, String> {
        let request = self.queue.client.receive_message().queue_url(&self.queue.url);
        let received = request
            .max_number_of_messages(i32::try_from(BATCH).unwrap_or(1))
            .wait_time_seconds(WAIT_SECONDS)
            .visibility_timeout(i32::try_from(self.visibility_timeout.as_secs()).unwrap_or(i32::MAX))
            .message_attribute_names("All")
            .message_system_attribute_names(MessageSystemAttributeName::All)
            .send()
            .await;
        let received = received.map_err(|error| self.queue.describe(&error))?;
        let dead_letters = received.messages.unwrap_or_default().into_iter().map(DeadLetter::of);
        let mut dead_letters: Vec<_> = dead_letters.collect();
        for dead_letter in &dead_letters {
            self.in_flight
                .insert(dead_letter.id.clone(), dead_letter.receipt.clone());
        }
        dead_letters.retain(|dead_letter| self.seen.insert(dead_letter.id.clone()));
        for dead_letter in &mut dead_letters {
            if let Some(moved_from) = dead_letter.moved_from_another()
                && !self.is_dead_letter_queue(moved_from).await
            {
                dead_letter.set_moved_since();
            }
        }
        Ok(dead_letters)
    }

    /// Whether a queue is a dead-letter queue, read once. One that can't be read counts as one.
    async fn is_dead_letter_queue(&mut self, arn: &str) -> bool {
        if let Some(known) = self.dead_letter_queues.get(arn) {
            return *known;
        }
        let sources = async { self.queue.find_arn(arn).await?.sources().await };
        let is_one = sources.await.map_or(true, |sources| !sources.is_empty());
        self.dead_letter_queues.insert(arn.to_owned(), is_one);
        is_one
    }

    /// The message is deleted from the queue: there is nothing to release.
    pub(super) fn remove(&mut self, dead_letter: &DeadLetter) {
        self.in_flight.remove(&dead_letter.id);
    }

    /// Makes all messages in flight visible again, at once.
    ///
    /// # Errors
    ///
    /// One line: how many stay in flight, and for how long.
    pub(super) async fn release(self) -> Result<(), String> {
        let receipts: Vec<_> = self.in_flight.into_values().collect();
        let mut failed = (0, String::new());
        for batch in receipts.chunks(BATCH) {
            if let Err((count, why)) = release(self.queue, batch).await {
                failed = (failed.0 + count, why);
            }
        }
        match failed {
            (0, _) => Ok(()),
            (count, why) => Err(format!(
                "cannot make {count} messages visible, they stay in flight for up to {}: {why}",
                time::length(self.visibility_timeout)
            )),
        }
    }
}

/// The error: how many stay in flight, and why.
async fn release(queue: &Queue, receipts: &[String]) -> Result<(), (usize, String)> {
    let entry = |(at, receipt): (usize, &String)| {
        let entry = ChangeMessageVisibilityBatchRequestEntry::builder().id(at.to_string());
        entry.receipt_handle(receipt).visibility_timeout(0).build()
    };
    let entries = receipts.iter().enumerate().map(entry).collect::<Result<_, _>>();
    let entries = entries.map_err(|error| (receipts.len(), error.to_string()))?;
    let request = queue.client.change_message_visibility_batch().queue_url(&queue.url);
    let changed = request.set_entries(Some(entries)).send().await;
    let changed = changed.map_err(|error| (receipts.len(), queue.describe(&error)))?;
    let failed: Vec<_> = changed.failed.iter().filter(|entry| stays_in_flight(entry)).collect();
    match failed.first() {
        None => Ok(()),
        Some(first) => Err((failed.len(), first.message.clone().unwrap_or_default())),
    }
}

/// Whether a message was not made visible. One that is not in flight is visible: the reply to an earlier copy of the request
/// was lost.
fn stays_in_flight(failed: &BatchResultErrorEntry) -> bool {
    !failed.code().ends_with("MessageNotInflight")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn message_that_is_not_in_flight_is_visible() {
        for (code, stays) in [
            ("AWS.SimpleQueueService.MessageNotInflight", false),
            ("MessageNotInflight", false),
            ("ReceiptHandleIsInvalid", true),
            ("InternalError", true),
        ] {
            let entry = BatchResultErrorEntry::builder().id("0").code(code).sender_fault(true);
            assert_eq!(stays_in_flight(&entry.build().unwrap()), stays, "{code}");
        }
    }
}
