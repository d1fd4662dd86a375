//! How a platform passes a message, and how it is made to retry one.

mod azure_functions;

use std::time::Duration;

use axum::http::HeaderMap;
use azure_queue::AzureQueueUrl;
use cloud_tasks::{Malformed, TaskReceipt};
use consumer::{Chain, Incoming, QueueError};
use futures_util::future::BoxFuture;
use idempotency::Timestamp;
use tokio::time::{Instant, timeout_at};

use crate::answer::Platform;

/// Sends delayed copies.
pub(crate) type Copies<R> = Box<dyn Fn(R, Timestamp) -> BoxFuture<'static, Result<(), QueueError>> + Send + Sync>;

/// The platform that calls, with what its dialect requires.
pub(crate) enum Dialect {
    PubSub,
    CloudTasks(Copies<TaskReceipt>),
    /// The queue whose trigger calls.
    AzureFunctions(AzureQueueUrl, Copies<Incoming>),
}

/// A message as it was pushed, and what a copy of it requires.
pub(crate) struct Pushed {
    pub(crate) message: Incoming,
    pub(crate) receipt: Receipt,
}

/// What a delayed copy of a message requires.
pub(crate) enum Receipt {
    /// The platform delays the message itself.
    None,
    Task(TaskReceipt),
    Message(Incoming),
}

/// Why a request is no message that can be processed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Unreadable {
    /// It does not come from the platform.
    NoMessage(String),
    /// It does, but nothing in it can be processed.
    Malformed {
        why: String,
        /// All of it, as JSON.
        record: String,
    },
}

/// The time that a copy has at least.
const COPY: Duration = Duration::from_secs(2);

impl Dialect {
    pub(crate) fn platform(&self) -> Platform {
        match self {
            Self::PubSub => Platform::PubSub,
            Self::CloudTasks(_) => Platform::CloudTasks,
            Self::AzureFunctions(..) => Platform::AzureFunctions,
        }
    }

    /// The name of its messaging system in OpenTelemetry.
    pub(crate) fn system(&self) -> &'static str {
        match self {
            Self::PubSub => "gcp_pubsub",
            Self::CloudTasks(_) => "gcp_cloud_tasks",
            Self::AzureFunctions(..) => "azure_storage_queue",
        }
    }

    /// What can fail beside a message.
    pub(crate) fn operations(&self) -> &'static [&'static str] {
        match self {
            Self::CloudTasks(_) | Self::AzureFunctions(..) => &["copy"],
            Self::PubSub => &[],
        }
    }

    /// The message of a request.
    pub(crate) fn read(&self, headers: &HeaderMap, body: &[u8]) -> Result<Pushed, Unreadable> {
        match self {
            Self::PubSub => match cloud_tasks::pubsub(body) {
                Ok(message) => Ok(Pushed {
                    message,
                    receipt: Receipt::None,
                }),
                Err(why) => Err(malformed(why)),
            },
            Self::CloudTasks(_) if !headers.contains_key("x-cloudtasks-taskname") => Err(Unreadable::NoMessage(
                "it has no header X-CloudTasks-TaskName".to_owned(),
            )),
            Self::CloudTasks(_) => match cloud_tasks::task(headers, body) {
                Ok((message, receipt)) => Ok(Pushed {
                    message,
                    receipt: Receipt::Task(receipt),
                }),
                Err(why) => Err(malformed(why)),
            },
            Self::AzureFunctions(queue, _) => {
                let message = azure_functions::read(queue, body)?;
                let receipt = Receipt::Message(message.clone());
                Ok(Pushed { message, receipt })
            }
        }
    }

    /// Whether the platform keeps the order of the message's group.
    pub(crate) fn is_ordered(&self, message: &Incoming) -> bool {
        matches!(self, Self::PubSub) && message.group.is_some()
    }

    /// The time that its retries take.
    pub(crate) fn reserved(&self) -> Duration {
        match self {
            Self::CloudTasks(_) | Self::AzureFunctions(..) => COPY,
            Self::PubSub => Duration::ZERO,
        }
    }

    /// Has the message sent again at a time: by a delayed copy, where the platform's own delay can't be stated. `None`: there
    /// is no copy, and the platform sends the message again after its own delay.
    pub(crate) async fn copy(&self, receipt: Receipt, at: Timestamp, until: Instant) -> Option<Result<(), String>> {
        let copied = match (self, receipt) {
            (Self::CloudTasks(copies), Receipt::Task(task)) => copies(task, at),
            (Self::AzureFunctions(_, copies), Receipt::Message(message)) => copies(message, at),
            (Self::PubSub | Self::CloudTasks(_) | Self::AzureFunctions(..), _) => return None,
        };
        Some(match timeout_at(until, copied).await {
            Ok(copied) => copied.map_err(|error| Chain(&error).to_string()),
            Err(_) => Err("no reply in time".to_owned()),
        })
    }
}

fn malformed(malformed: Malformed) -> Unreadable {
    Unreadable::Malformed {
        why: malformed.to_string(),
        record: malformed.record,
    }
}
