//! The copy of a received message: the task that takes its place.

use std::time::Duration;

use consumer::{QueueError, QueueMessage};
use idempotency::{Backoff, Timestamp};
use tokio::time::{Instant, timeout_at};

use crate::create::Fault;
use crate::headers::{ATTEMPTS, MESSAGE_ID, SENT_AT};
use crate::limits::all_headers;
use crate::queues::without_target;
use crate::task::{Content, digest, request_body};
use crate::url::QueueUrl;
use crate::{CloudTasks, TaskReceipt};

/// Cloud Tasks schedules up to 30 days ahead
/// ([quotas](https://cloud.google.com/tasks/docs/quotas)). An hour is for clocks that differ.
const LONGEST: Duration = Duration::from_secs((30 * 24 - 1) * 60 * 60);
/// A message is redelivered no earlier: without a time, or with one that is over, it would come back in a loop.
const SHORTEST: Duration = Duration::from_secs(1);
/// A host answers Cloud Tasks within its deadline; what it reserves must be longer.
const TIME: Duration = Duration::from_secs(10);

impl CloudTasks {
    /// Creates the task that takes the place of a received one: the same message, with the attempts so far, at this time, at
    /// most 30 days from now. It is confirmed when this returns; then answer the request with 200.
    ///
    /// `queue_url` has project, location, target and account; the copy goes to the queue that the message came from.
    ///
    /// The name of the copy is derived from the name of its task, so that a task has at most one copy, also if the reply to this
    /// request is lost and Cloud Tasks sends the task again. It takes up to ten seconds.
    ///
    /// # Errors
    ///
    /// [`QueueError`]: the copy may not exist. Then answer with 409: Cloud Tasks sends the task again by the queue's own retry
    /// configuration.
    pub async fn retry(&self, queue_url: &str, receipt: &TaskReceipt, at: Option<Timestamp>) -> Result<(), QueueError> {
        let queue = without_target(queue_url);
        let refused = |why: String| QueueError::refused(queue, why);
        let url = QueueUrl::parse(queue_url).map_err(refused)?.with_queue(&receipt.queue);
        let copy = copy(&url, receipt, Timestamp::now(), at).map_err(refused)?;
        let end = Instant::now() + TIME;
        let mut backoff = Backoff::until(end);
        let mut last = None;
        loop {
            let Ok(created) = timeout_at(end, self.create(&url, &copy)).await else {
                break;
            };
            match created {
                Ok(()) => return Ok(()),
                Err(fault) if !fault.passes => return Err(QueueError::refused(queue, fault)),
                Err(fault) => last = Some(fault),
            }
            if !backoff.pause().await {
                break;
            }
        }
        let why = last.unwrap_or_else(|| Fault::passing(format!("no reply within {TIME:?}")));
        Err(QueueError {
            unsent: vec![0],
            ..QueueError::refused(queue, why)
        })
    }
}

/// The name of the copy: the same for every attempt of one task, and another for another task, also if its producer uses a name
/// again.
fn name(url: &QueueUrl, receipt: &TaskReceipt) -> String {
    let (queue, message) = (url.name(), &receipt.message);
    let id = message.id.as_str();
    digest(&format!(
        "{queue}/{}\n{id}\n{}\n{}",
        receipt.task, receipt.attempts, message.body
    ))
}

/// The request body that creates the copy.
fn copy(url: &QueueUrl, receipt: &TaskReceipt, now: Timestamp, at: Option<Timestamp>) -> Result<Vec<u8>, String> {
    let message = &receipt.message;
    let sent = QueueMessage {
        body: message.body.clone(),
        attributes: message.attributes.clone(),
        group: message.group.clone(),
        deduplication_id: None,
        trace_header: message.trace_header.clone(),
    };
    // Without the limits of messages that are sent: this one is in the queue already.
    let mut headers = all_headers(&sent)?;
    // The ID itself, not a key: whether a key comes from the queue or from the producer must stay as it is.
    headers.insert(MESSAGE_ID.to_owned(), message.id.as_str().to_owned());
    headers.insert(ATTEMPTS.to_owned(), message.receive_count.to_string());
    if let Some(sent_at) = message.sent_at {
        headers.insert(SENT_AT.to_owned(), sent_at.millis().to_string());
    }
    let delay = at.map_or(SHORTEST, |at| now.until(at)).clamp(SHORTEST, LONGEST);
    let content = Content {
        name: Some(name(url, receipt)),
        at: Some(now.plus(delay)),
        headers,
    };
    request_body(url, content, &message.body)
}
