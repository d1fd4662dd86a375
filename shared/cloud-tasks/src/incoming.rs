//! A request of Cloud Tasks as the consumer knows messages
//! ([HTTP target tasks](https://cloud.google.com/tasks/docs/creating-http-target-tasks#handler)).

use consumer::{Incoming, MessageId};
use http::HeaderMap;
use idempotency::Timestamp;

use crate::Malformed;
use crate::headers::{self, ATTEMPTS, GROUP, MESSAGE_ID, SENT_AT};
use crate::task::digest;
use crate::url::is_queue;

const TASK_NAME: &str = "X-CloudTasks-TaskName";
const QUEUE_NAME: &str = "X-CloudTasks-QueueName";
/// Unlike `X-CloudTasks-TaskExecutionCount`, it counts attempts that the service answered with 5xx, too.
const RETRY_COUNT: &str = "X-CloudTasks-TaskRetryCount";
/// Seconds since 1970, with a fraction.
const ETA: &str = "X-CloudTasks-TaskETA";

/// A message that Cloud Tasks sent, as its [copy](crate::CloudTasks::retry) needs it.
#[derive(Debug, Clone)]
pub struct TaskReceipt {
    pub(crate) task: String,
    pub(crate) queue: String,
    /// Of the tasks that this one took the place of.
    pub(crate) attempts: u64,
    pub(crate) message: Incoming,
}

/// The message in a request of Cloud Tasks: its headers, and its body.
///
/// Its receive count is that of this task, and of the tasks that it took the place of. Its queue is `queues/NAME`, because no
/// header names project and location.
///
/// # Errors
///
/// [`Malformed`]: it is no request of Cloud Tasks, or its body is not UTF-8.
pub fn task(headers: &HeaderMap, body: &[u8]) -> Result<(Incoming, TaskReceipt), Malformed> {
    let message = || -> Result<_, String> {
        let missing = |name: &str| format!("header {name} is missing or invalid: it is no request of Cloud Tasks");
        let task = headers::text(headers, TASK_NAME).ok_or_else(|| missing(TASK_NAME))?;
        let queue = headers::text(headers, QUEUE_NAME).filter(|queue| is_queue(queue));
        let queue = queue.ok_or_else(|| missing(QUEUE_NAME))?;
        let retries = headers::number(headers, RETRY_COUNT).ok_or_else(|| missing(RETRY_COUNT))?;
        let body = str::from_utf8(body).map_err(|_| "its body is not UTF-8")?;
        let id = headers::text(headers, MESSAGE_ID).map_or_else(|| own_id(task, body), str::to_owned);
        let id = MessageId::new(id).ok_or_else(|| missing(TASK_NAME))?;
        let before = headers::number(headers, ATTEMPTS).unwrap_or(0);
        let receives = before.saturating_add(retries).saturating_add(1);
        let message = Incoming {
            attributes: headers::attributes(headers)?,
            group: headers::text(headers, GROUP).map(str::to_owned),
            queue: Some(format!("queues/{queue}")),
            receive_count: u32::try_from(receives).unwrap_or(u32::MAX),
            sent_at: sent_at(headers, retries),
            trace_header: headers::trace(headers),
            ..Incoming::new(id, body)
        };
        let receipt = TaskReceipt {
            task: task.to_owned(),
            queue: queue.to_owned(),
            attempts: before,
            message: message.clone(),
        };
        Ok((message, receipt))
    };
    message().map_err(|why| Malformed::new(why, headers, body))
}

/// The ID of a task that this project did not create: its producer may use a name again for another message.
fn own_id(task: &str, body: &str) -> String {
    let digest = digest(body);
    format!("{task}-{}", digest.get(..16).unwrap_or(&digest))
}

/// When the message was first sent. Of a task that this project did not create, its schedule time is the best that is known, but
/// only before its first attempt: every retry moves it.
fn sent_at(headers: &HeaderMap, retries: u64) -> Option<Timestamp> {
    let stated = headers::number(headers, SENT_AT).map(Timestamp::from_millis);
    let eta = || {
        let seconds: f64 = headers::text(headers, ETA)?.parse().ok()?;
        let millis = seconds * 1000.0;
        // A float becomes the nearest integer that exists.
        (retries == 0 && millis > 0.0).then(|| Timestamp::from_millis(millis as u64))
    };
    stated.or_else(eta)
}
