//! Requests of each platform, and what their answers mean.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use consumer::{QueueMessage, to_cloud_event};
use idempotency::Timestamp;
use serde_json::json;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Platform {
    PubSub,
    CloudTasks,
    AzureFunctions,
}

pub(crate) const ALL: [Platform; 3] = [Platform::PubSub, Platform::CloudTasks, Platform::AzureFunctions];

impl Platform {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::PubSub => "pubsub",
            Self::CloudTasks => "cloud-tasks",
            Self::AzureFunctions => "azure-functions",
        }
    }

    /// The status by which a message leaves its queue.
    pub(crate) fn acknowledged(self) -> u16 {
        match self {
            Self::PubSub => 204,
            Self::CloudTasks | Self::AzureFunctions => 200,
        }
    }

    /// The status of a message that is retried: by a copy, if the platform's own delay can't be stated.
    pub(crate) fn retried(self) -> u16 {
        match self {
            Self::PubSub => 500,
            Self::CloudTasks | Self::AzureFunctions => 200,
        }
    }

    /// Headers and body of the nth delivery of a message.
    pub(crate) fn request(self, id: &str, nth: u32, body: &str) -> (Vec<(&'static str, String)>, String) {
        match self {
            Self::PubSub => {
                let data = BASE64_STANDARD.encode(body);
                let message = json!({ "attributes": {}, "data": data, "messageId": id });
                let envelope =
                    json!({ "message": message, "subscription": "projects/p/subscriptions/s", "deliveryAttempt": nth });
                (Vec::new(), envelope.to_string())
            }
            Self::CloudTasks => {
                let headers = vec![
                    ("x-cloudtasks-queuename", "notifications".to_owned()),
                    ("x-cloudtasks-taskname", "5434762842943434".to_owned()),
                    ("x-consumer-message-id", id.to_owned()),
                    ("x-cloudtasks-taskretrycount", (nth - 1).to_string()),
                ];
                (headers, body.to_owned())
            }
            Self::AzureFunctions => {
                let metadata = json!({
                    "DequeueCount": nth,
                    "Id": id,
                    "InsertionTime": "2026-01-31T12:00:00+00:00",
                    "PopReceipt": "AgAAAAMAAAAAAAAAAgtnj8x+1QE=",
                });
                let message = QueueMessage {
                    body: body.to_owned(),
                    attributes: [].into(),
                    group: None,
                    deduplication_id: Some(id.to_owned()),
                    trace_header: None,
                };
                let event = to_cloud_event(&message, Timestamp::now(), 0);
                let invocation = json!({ "Data": { "notification": event }, "Metadata": metadata });
                (Vec::new(), invocation.to_string())
            }
        }
    }
}
