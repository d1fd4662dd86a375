//! A task as it is created
//! ([tasks.create](https://cloud.google.com/tasks/docs/reference/rest/v2/projects.locations.queues.tasks/create)).

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use consumer::QueueMessage;
use idempotency::Timestamp;
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::headers::{MESSAGE_ID, SENT_AT, is_plain};
use crate::limits::message_headers;
use crate::url::QueueUrl;

/// A longer message ID is replaced by its digest.
const LONGEST_ID: usize = 255;

#[derive(Serialize)]
struct CreateTask<'a> {
    task: Task<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Task<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    schedule_time: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dispatch_deadline: Option<String>,
    http_request: HttpRequest<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct HttpRequest<'a> {
    url: &'a str,
    http_method: &'static str,
    headers: BTreeMap<String, String>,
    body: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    oidc_token: Option<OidcToken<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct OidcToken<'a> {
    service_account_email: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    audience: Option<&'a str>,
}

/// What distinguishes one task from another.
pub(crate) struct Content {
    /// Without a name, Cloud Tasks makes one.
    pub(crate) name: Option<String>,
    /// When it is to be sent; at once if there is none.
    pub(crate) at: Option<Timestamp>,
    pub(crate) headers: BTreeMap<String, String>,
}

/// The request body that creates a task for a message.
///
/// The task has no name: creating a named one takes significantly longer, and after a redrive the name would still be taken, so
/// that the message would be lost. A message that is sent twice has the same ID, by which the ledger recognises it.
///
/// # Errors
///
/// Why Cloud Tasks would refuse it.
pub(crate) fn of_message(url: &QueueUrl, message: &QueueMessage) -> Result<Vec<u8>, String> {
    let mut headers = message_headers(message)?;
    headers.insert(MESSAGE_ID.to_owned(), message_id(message.deduplication_id.as_deref()));
    headers.insert(SENT_AT.to_owned(), Timestamp::now().millis().to_string());
    let content = Content {
        name: None,
        at: None,
        headers,
    };
    request_body(url, content, &message.body)
}

pub(crate) fn request_body(url: &QueueUrl, content: Content, body: &str) -> Result<Vec<u8>, String> {
    let mut headers = content.headers;
    headers.insert("Content-Type".to_owned(), "application/json".to_owned());
    let task = Task {
        name: content.name.map(|name| format!("{}/tasks/{name}", url.name())),
        schedule_time: content.at.map(rfc3339),
        dispatch_deadline: url.deadline.map(|deadline| format!("{}s", deadline.as_secs())),
        http_request: HttpRequest {
            url: &url.target,
            http_method: "POST",
            headers,
            body: BASE64_STANDARD.encode(body),
            oidc_token: url.account.as_deref().map(|account| OidcToken {
                service_account_email: account,
                audience: url.audience.as_deref(),
            }),
        },
    };
    serde_json::to_vec(&CreateTask { task }).map_err(|error| error.to_string())
}

fn rfc3339(time: Timestamp) -> String {
    let time = SystemTime::UNIX_EPOCH + Duration::from_millis(time.millis());
    humantime::format_rfc3339_millis(time).to_string()
}

/// Each copy of a message that is sent again has the same ID.
fn message_id(deduplication_id: Option<&str>) -> String {
    match deduplication_id {
        None | Some("") => uuid::Uuid::new_v4().to_string(),
        Some(id) if id.len() <= LONGEST_ID && is_plain(id) => id.to_owned(),
        Some(id) => digest(id),
    }
}

pub(crate) fn digest(text: &str) -> String {
    hex::encode(Sha256::digest(text))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn task(url: &str, message: &QueueMessage) -> Value {
        let url = QueueUrl::parse(url).unwrap();
        serde_json::from_slice(&of_message(&url, message).unwrap()).unwrap()
    }

    fn message(deduplication_id: Option<&str>) -> QueueMessage {
        QueueMessage {
            body: "{\"id\":\"ü\"}".to_owned(),
            attributes: BTreeMap::new(),
            group: Some("g-1".to_owned()),
            deduplication_id: deduplication_id.map(str::to_owned),
            trace_header: Some("Root=1-2-3".to_owned()),
        }
    }

    #[test]
    fn a_message_becomes_an_http_task() {
        let url = "https://cloudtasks.googleapis.com/v2/projects/p/locations/l/queues/q?target=https://a.example/t&account=a@b\
                   &audience=aud&deadline=60";
        let mut task = task(url, &message(Some("d-1")));
        let sent_at = task["task"]["httpRequest"]["headers"]["X-Consumer-Sent-At"].take();
        let age = Timestamp::from_millis(sent_at.as_str().unwrap().parse().unwrap()).until(Timestamp::now());
        assert!(age < Duration::from_secs(60), "{age:?}");
        let expected = json!({"task": {
            "dispatchDeadline": "60s",
            "httpRequest": {
                "url": "https://a.example/t",
                "httpMethod": "POST",
                "headers": {
                    "Content-Type": "application/json",
                    "X-Amzn-Trace-Id": "Root=1-2-3",
                    "X-Consumer-Message-Id": "d-1",
                    "X-Consumer-Sent-At": null,
                    "message-group": "g-1",
                },
                "body": "eyJpZCI6IsO8In0=",
                "oidcToken": {"serviceAccountEmail": "a@b", "audience": "aud"},
            },
        }});
        assert_eq!(task, expected);
    }

    #[test]
    fn every_message_has_an_id_that_a_header_can_carry() {
        let url = "http://127.0.0.1:1/v2/projects/p/locations/l/queues/q?target=http://a.example/";
        let id = |id: Option<&str>| {
            let task = task(url, &message(id));
            task["task"]["httpRequest"]["headers"][MESSAGE_ID]
                .as_str()
                .unwrap()
                .to_owned()
        };
        assert_eq!(id(Some("d-1")), "d-1");
        assert_eq!(id(Some("ü")), id(Some("ü")));
        assert_ne!(id(Some("ü")), id(Some("ö")));
        assert_eq!(id(Some(&"d".repeat(256))).len(), 64);
        assert_ne!(id(None), id(None));
    }

    #[test]
    fn a_schedule_time_is_rfc_3339() {
        assert_eq!(
            rfc3339(Timestamp::from_millis(1_700_000_000_123)),
            "2023-11-14T22:13:20.123Z"
        );
    }
}
