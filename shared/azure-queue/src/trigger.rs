//! A message as Azure Functions pass it to a custom handler.

use std::time::SystemTime;

use consumer::{Incoming, MessageId};
use idempotency::Timestamp;
use serde_json::{Map, Value};

use crate::AzureQueueUrl;
use crate::incoming::{since_1970, unwrapped};

impl AzureQueueUrl {
    /// The message of a queue trigger: the item in the request's `Data`, and its `Metadata`
    /// ([metadata](https://learn.microsoft.com/azure/azure-functions/functions-bindings-storage-queue-trigger#message-metadata)).
    ///
    /// Hosts pass text as it is, or as JSON once more, and numbers and times also as text: both forms are read. The host has
    /// decoded the item, so the setting `encoding` plays no part.
    ///
    /// # Errors
    ///
    /// Why it can't be processed: there is no `Id`, or its envelope is malformed. No value is quoted.
    pub fn triggered(&self, item: &Value, metadata: &Map<String, Value>) -> Result<Incoming, String> {
        let stated = |name: &str| metadata.get(name).map(text);
        let id = stated("Id").and_then(MessageId::new).ok_or("its metadata have no Id")?;
        let count = stated("DequeueCount").and_then(|count| count.parse().ok());
        let queued = Incoming {
            queue: Some(self.to_string()),
            receive_count: count.unwrap_or(1).max(1),
            sent_at: stated("InsertionTime").as_deref().and_then(timestamp),
            ..Incoming::new(id, text(item))
        };
        unwrapped(self, queued)
    }
}

/// The text of a value. Only a text that is one JSON string as a whole is decoded once more.
fn text(value: &Value) -> String {
    match value {
        Value::String(text) => serde_json::from_str(text).unwrap_or_else(|_| text.clone()),
        other => other.to_string(),
    }
}

fn timestamp(text: &str) -> Option<Timestamp> {
    let utc = text.strip_suffix("+00:00").map(|time| format!("{time}Z"));
    let time: SystemTime = humantime::parse_rfc3339(utc.as_deref().unwrap_or(text)).ok()?;
    since_1970(time)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn triggered(settings: &str, item: Value, metadata: Value) -> Result<Incoming, String> {
        let url = format!("https://shop.queue.core.windows.net/orders{settings}");
        let url: AzureQueueUrl = url.parse().unwrap();
        url.triggered(&item, metadata.as_object().unwrap())
    }

    #[test]
    fn both_forms_of_a_request_are_the_same_message() {
        let plain = json!({"Id": "m-1", "DequeueCount": 2, "InsertionTime": "2026-01-02T03:04:05+00:00", "sys": {}});
        let quoted = json!({"Id": "\"m-1\"", "DequeueCount": "2", "InsertionTime": "\"2026-01-02T03:04:05Z\""});
        let expected = Incoming {
            queue: Some("https://shop.queue.core.windows.net/orders".to_owned()),
            receive_count: 2,
            sent_at: Some(Timestamp::from_millis(1_767_323_045_000)),
            ..Incoming::new(MessageId::new("m-1").unwrap(), "{\"a\": \"b\"}")
        };
        for (item, metadata) in [
            (json!("{\"a\": \"b\"}"), plain),
            (json!("\"{\\\"a\\\": \\\"b\\\"}\""), quoted),
        ] {
            let message = triggered("?envelope=none&sv=1&sig=secret", item, metadata).unwrap();
            assert_eq!(message, expected);
        }
    }

    #[test]
    fn an_envelope_is_removed_and_its_attempts_are_added() {
        let event = r#"{"specversion":"1.0","id":"k-1","source":"s","type":"t","consumerattempts":2,"data":{}}"#;
        let message = triggered("", json!(event), json!({"Id": "m-1", "DequeueCount": 1})).unwrap();
        assert_eq!(
            (message.id.as_str(), message.body.as_str(), message.receive_count),
            ("k-1", "{}", 3)
        );
        let as_object: Value = serde_json::from_str(event).unwrap();
        assert_eq!(
            triggered("", as_object, json!({"Id": "m-1"})).unwrap().id.as_str(),
            "k-1"
        );
    }

    #[test]
    fn what_is_malformed_is_named() {
        let why = triggered("", json!("{}"), json!({"Id": "m-1"})).unwrap_err();
        assert!(why.contains("field `specversion` is missing"), "{why}");
        assert!(
            triggered("", json!("{}"), json!({"Id": ""}))
                .unwrap_err()
                .contains("no Id")
        );
    }
}
