//! Going through a queue without taking anything out of it.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use aws_sdk_sqs::types::{ChangeMessageVisibilityBatchRequestEntry, MessageSystemAttributeName};

use super::letter::DeadLetter;
use super::queue::{Queue, State};
use crate::time;

/// The most that one request may receive, or give back.
const BATCH: usize = 10;

/// With any wait SQS asks all its servers, so that nothing received means nothing there; without, it asks a few.
const WAIT_SECONDS: i32 = 1;

/// Messages stay hidden for this long, and longer the more there are: one that came back meanwhile would be met twice.
const HIDDEN: Duration = Duration::from_secs(120);
/// What each message adds.
const HIDDEN_PER_MESSAGE: Duration = Duration::from_millis(200);
/// SQS's own limit.
const LONGEST_HIDDEN: Duration = Duration::from_secs(12 * 60 * 60);

/// Holds every message that it has handed out, until it gives them back or is told that one is gone.
///
/// If the process is killed, or the reply to a receive is lost, messages come back by themselves.
pub(super) struct Reading<'a> {
    queue: &'a Queue,
    hidden: Duration,
    met: HashSet<String>,
    /// Receipt by message ID.
    held: HashMap<String, String>,
}

impl<'a> Reading<'a> {
    /// Of a queue in this state, with this much to do for each message.
    pub(super) fn of(queue: &'a Queue, state: &State, each: Duration) -> Self {
        let messages = u32::try_from(state.visible).unwrap_or(u32::MAX);
        let all = (each + HIDDEN_PER_MESSAGE).saturating_mul(messages);
        Self {
            queue,
            hidden: all.saturating_add(HIDDEN).min(LONGEST_HIDDEN),
            met: HashSet::new(),
            held: HashMap::new(),
        }
    }

    /// How many different messages it has met.
    pub(super) fn seen(&self) -> usize {
        self.met.len()
    }

    /// Some messages that it has not met before; none: that was all.
    ///
    /// # Errors
    ///
    /// In one line why SQS gives none; those received before are still held.
    pub(super) async fn next(&mut self) -> Result<Vec<DeadLetter>, String> {
        let request = self.queue.client.receive_message().queue_url(&self.queue.url);
        let received = request
            .max_number_of_messages(i32::try_from(BATCH).unwrap_or(1))
            .wait_time_seconds(WAIT_SECONDS)
            .visibility_timeout(i32::try_from(self.hidden.as_secs()).unwrap_or(i32::MAX))
            .message_attribute_names("All")
            .message_system_attribute_names(MessageSystemAttributeName::All)
            .send()
            .await;
        let received = received.map_err(|error| self.queue.trouble(&error))?;
        let letters = received.messages.unwrap_or_default().into_iter().map(DeadLetter::of);
        let mut letters: Vec<_> = letters.collect();
        for letter in &letters {
            self.held.insert(letter.id.clone(), letter.receipt.clone());
        }
        letters.retain(|letter| self.met.insert(letter.id.clone()));
        Ok(letters)
    }

    /// This one is deleted: there is nothing to give back.
    pub(super) fn gone(&mut self, letter: &DeadLetter) {
        self.held.remove(&letter.id);
    }

    /// Makes everything that is held visible again, at once.
    ///
    /// # Errors
    ///
    /// In one line how many stay hidden, and how long.
    pub(super) async fn give_back(self) -> Result<(), String> {
        let receipts: Vec<_> = self.held.into_values().collect();
        let mut hidden = (0, String::new());
        for batch in receipts.chunks(BATCH) {
            if let Err((count, why)) = give_back(self.queue, batch).await {
                hidden = (hidden.0 + count, why);
            }
        }
        match hidden {
            (0, _) => Ok(()),
            (count, why) => Err(format!(
                "{count} messages stay hidden for up to {}: {why}",
                time::length(self.hidden)
            )),
        }
    }
}

/// How many were not given back, and why.
async fn give_back(queue: &Queue, receipts: &[String]) -> Result<(), (usize, String)> {
    let entry = |(at, receipt): (usize, &String)| {
        let entry = ChangeMessageVisibilityBatchRequestEntry::builder().id(at.to_string());
        entry.receipt_handle(receipt).visibility_timeout(0).build()
    };
    let entries = receipts.iter().enumerate().map(entry).collect::<Result<_, _>>();
    let entries = entries.map_err(|error| (receipts.len(), error.to_string()))?;
    let request = queue.client.change_message_visibility_batch().queue_url(&queue.url);
    let changed = request.set_entries(Some(entries)).send().await;
    let changed = changed.map_err(|error| (receipts.len(), queue.trouble(&error)))?;
    match changed.failed.first() {
        None => Ok(()),
        Some(failed) => Err((changed.failed.len(), failed.message.clone().unwrap_or_default())),
    }
}
