//! The outgoing messages that are selected, as they are sent.

use std::collections::BTreeSet;

use cli::printable;
use consumer::{QueueMessage, Queues};
use idempotency::OutgoingMessage;
use sqs::Sqs;

use crate::queue::{Queue, url_problem};

/// One of a record's outgoing messages.
pub(super) struct Selected {
    /// Among the record's messages, from 0.
    pub(super) position: usize,
    key: String,
    /// As the record states it.
    destination: String,
    pub(super) message: QueueMessage,
}

/// The messages at these positions; all if there are none.
///
/// # Errors
///
/// One line: which position has no message.
pub(super) fn select(outgoing: &[OutgoingMessage], positions: &[usize]) -> Result<Vec<Selected>, String> {
    if let Some(missing) = positions.iter().find(|position| **position >= outgoing.len()) {
        let count = outgoing.len();
        return Err(format!(
            "there is no message {missing}: the record has {count}, numbered from 0"
        ));
    }
    let messages = outgoing.iter().enumerate();
    let messages = messages.filter(|(position, _)| positions.is_empty() || positions.contains(position));
    Ok(messages
        .map(|(position, message)| Selected::of(position, message))
        .collect())
}

impl Selected {
    fn of(position: usize, message: &OutgoingMessage) -> Self {
        Self {
            position,
            key: message.key().unwrap_or_default().to_owned(),
            destination: message.queue_url().to_owned(),
            // A function sends the trace of its invocation, which the record does not have.
            message: QueueMessage::of_outgoing(message, None),
        }
    }

    /// The URL of the queue that it is sent to.
    pub(super) fn url<'a>(&'a self, to: Option<&'a Queue>) -> &'a str {
        to.map_or(&self.destination, |queue| &queue.url)
    }

    /// Position, key, size and destination, in one line; with `body`, the body in another.
    pub(super) fn text(&self, body: bool) -> String {
        let (bytes, destination) = (self.message.bytes(), printable(&self.destination));
        let line = format!("{}: {bytes} bytes to {destination}", self.name());
        match body {
            true => format!("{line}\n  {}", printable(&self.message.body)),
            false => line,
        }
    }

    pub(super) fn name(&self) -> String {
        format!("message {} (key {})", self.position, printable(&self.key))
    }
}

/// Whether all can be sent to `to`, or else to their own destinations, as far as can be known before.
///
/// # Errors
///
/// One line: which can't, and what to do.
pub(super) fn check(selected: &[Selected], to: Option<&Queue>, queues: &Sqs) -> Result<(), String> {
    match to {
        Some(to) => check_common_destination(selected, to)?,
        None => check_destinations(selected)?,
    }
    for one in selected {
        let url = one.url(to);
        let checked = queues.limits(url).check(&one.message);
        checked.map_err(|why| format!("message {} can't be sent to {url}: {why}", one.position))?;
    }
    Ok(())
}

/// Messages to different queues rarely belong into one.
fn check_common_destination(selected: &[Selected], to: &Queue) -> Result<(), String> {
    let destinations: BTreeSet<_> = selected.iter().map(|one| one.destination.as_str()).collect();
    match destinations.len() {
        ..=1 => Ok(()),
        several => Err(format!(
            "the messages have {several} different destinations: choose those for {} with --message",
            to.name()
        )),
    }
}

fn check_destinations(selected: &[Selected]) -> Result<(), String> {
    for Selected {
        position, destination, ..
    } in selected
    {
        if let Some(problem) = url_problem(destination) {
            return Err(format!(
                "the destination of message {position} {problem}: \"{}\"; pass the right queue with --to",
                printable(destination)
            ));
        }
    }
    Ok(())
}
