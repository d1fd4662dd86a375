//! The message that is sent in place of a dead letter.

use consumer::dead_letter::{Original, pack};
use consumer::{Limits, QueueMessage, Queues};
use sha2::{Digest, Sha256};
use sqs::Sqs;

use super::dead_letter::DeadLetter;
use crate::queue::Queue;

/// A message to send, and what is known of the deduplication ID that its producer set.
pub(super) struct Redriven {
    pub(super) message: QueueMessage,
    pub(super) deduplication: Deduplication,
}

/// What is known of the deduplication ID that a producer set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Deduplication {
    /// The queue has none, the message states it, or functions recognise the message by its key.
    Irrelevant,
    /// It was computed from the body, as SQS does for a producer that sets none.
    Computed,
    /// It is lost.
    Lost,
}

/// The message for `to`: the dead letter with its producer's attributes and its identity, without its failure.
///
/// # Errors
///
/// One line: it does not fit, or the settings of the queue cannot be read.
pub(super) async fn redriven(dead_letter: &DeadLetter, to: &Queue) -> Result<Redriven, String> {
    let mut original = dead_letter.original();
    let deduplication = deduplication(dead_letter, to).await?;
    if deduplication == Deduplication::Computed {
        original.deduplication_id = Some(content_id(&dead_letter.body));
    }
    let limits = Sqs::new(to.client.clone()).limits(&to.url);
    Ok(Redriven {
        message: fitting(dead_letter, original, to, &limits)?,
        deduplication,
    })
}

async fn deduplication(dead_letter: &DeadLetter, to: &Queue) -> Result<Deduplication, String> {
    let known = dead_letter.stated_key().or(dead_letter.deduplication_id());
    if !to.is_fifo() || known.is_some() {
        return Ok(Deduplication::Irrelevant);
    }
    // Only of a message that came from this queue it is known that the queue's setting made its ID.
    let came_from = dead_letter.moved_from().is_some_and(|queue| to.is(queue));
    match came_from && to.has_content_based_deduplication().await? {
        true => Ok(Deduplication::Computed),
        false => Ok(Deduplication::Lost),
    }
}

/// The deduplication ID that SQS computes: the
/// [SHA-256 of the body](https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html).
fn content_id(body: &str) -> String {
    hex::encode(Sha256::digest(body))
}

/// Near the size limit the message does without the name of its queue, which its next dead letter states again.
fn fitting(
    dead_letter: &DeadLetter,
    mut original: Original,
    to: &Queue,
    limits: &Limits,
) -> Result<QueueMessage, String> {
    let message = message(dead_letter, original.clone(), to, limits);
    if message.bytes() <= limits.message_bytes {
        return Ok(message);
    }
    original.queue = None;
    let message = self::message(dead_letter, original, to, limits);
    match message.bytes() {
        bytes if bytes <= limits.message_bytes => Ok(message),
        bytes => Err(format!(
            "body and attributes take {bytes} bytes of at most {} with the attribute that keeps its identity",
            limits.message_bytes
        )),
    }
}

fn message(dead_letter: &DeadLetter, original: Original, to: &Queue, limits: &Limits) -> QueueMessage {
    QueueMessage {
        body: dead_letter.body.clone(),
        attributes: pack(dead_letter.attributes.clone(), original, None, limits),
        group: dead_letter.group.clone(),
        // A copy that is sent again within five minutes arrives once.
        deduplication_id: to.is_fifo().then(|| dead_letter.id.clone()),
        trace_header: dead_letter.trace_header.clone(),
    }
}
