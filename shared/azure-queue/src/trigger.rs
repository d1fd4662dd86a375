//! A message as Azure Functions pass it to a custom handler.

use consumer::{Incoming, MessageId, rfc3339};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::AzureQueueUrl;
use crate::incoming::unwrapped;

impl AzureQueueUrl {
    /// The message of a queue trigger: the item in the request's `Data`, and its `Metadata`
    /// ([metadata](https://learn.microsoft.com/azure/azure-functions/functions-bindings-storage-queue-trigger#message-metadata)).
    ///
    /// Some hosts pass text as JSON once more, in the item as in the metadata: both forms are read. The host has decoded the item,
    /// so the setting `encoding` plays no part.
    ///
    /// The host adds the properties of a body that is JSON to the metadata, where they replace what has the same name. What may be
    /// such a property is ignored.
    ///
    /// # Errors
    ///
    /// Why it can't be processed: there is no `Id`, it may not be the queue's, or the envelope is malformed. No value is quoted.
    pub fn triggered(&self, item: &RawValue, metadata: &Map<String, Value>) -> Result<Incoming, String> {
        let is_quoted = metadata.get("Id").is_some_and(|id| text(id) != once(id));
        let body = body(item, is_quoted);
        let properties: Map<String, Value> = serde_json::from_str(&body).unwrap_or_default();
        let stated = |name: &str| metadata.get(name).map(text);
        let of_queue = |name: &str| {
            let is_same = |stated: &String| {
                let mut properties = properties.iter();
                properties.any(|(property, value)| property.eq_ignore_ascii_case(name) && text(value) == *stated)
            };
            stated(name).filter(|stated| !is_same(stated))
        };
        // The ID of an event in an envelope is meant to be the message's.
        let id = if self.is_enveloped {
            stated("Id")
        } else {
            of_queue("Id")
        };
        let id = id.and_then(MessageId::new).ok_or(NO_ID)?;
        let count = of_queue("DequeueCount").and_then(|count| count.parse().ok());
        let queued = Incoming {
            queue: Some(self.to_string()),
            receive_count: count.unwrap_or(1).max(1),
            sent_at: of_queue("InsertionTime").as_deref().and_then(rfc3339),
            ..Incoming::new(id, body)
        };
        unwrapped(self, queued)
    }
}

const NO_ID: &str =
    "its metadata have no Id of the queue; if its body has a property Id, send it in an envelope, or rename that";

/// The item as it was sent: a text, or JSON without any change.
fn body(item: &RawValue, is_quoted: bool) -> String {
    let Ok(text) = serde_json::from_str::<String>(item.get()) else {
        return item.get().to_owned();
    };
    match serde_json::from_str(&text) {
        Ok(inner) if is_quoted => inner,
        _ => text,
    }
}

/// The text of a value.
fn once(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// The text of a value that may be JSON once more.
fn text(value: &Value) -> String {
    let text = once(value);
    serde_json::from_str(&text).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use idempotency::Timestamp;
    use serde_json::json;

    use super::*;

    fn triggered(settings: &str, item: Value, metadata: Value) -> Result<Incoming, String> {
        let url = format!("https://shop.queue.core.windows.net/orders{settings}");
        let url: AzureQueueUrl = url.parse().unwrap();
        let item = RawValue::from_string(item.to_string()).unwrap();
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
    fn a_body_is_not_changed() {
        let id = json!({ "Id": "m-1" });
        let url: AzureQueueUrl = "https://shop.queue.core.windows.net/orders?envelope=none"
            .parse()
            .unwrap();
        for (item, body) in [
            ("\"\\\"tea\\\"\"", "\"tea\""),
            (
                "{\"b\": 18446744073709551616, \"a\": 1.10}",
                "{\"b\": 18446744073709551616, \"a\": 1.10}",
            ),
        ] {
            let item = RawValue::from_string(item.to_owned()).unwrap();
            assert_eq!(url.triggered(&item, id.as_object().unwrap()).unwrap().body, body);
        }
    }

    /// As `Utility.ApplyBindingData` of the host
    /// ([source](https://github.com/Azure/azure-functions-host/blob/dev/src/WebJobs.Script/Utility.cs)).
    #[test]
    fn what_the_body_may_have_replaced_is_ignored() {
        let plain = |body: &str, metadata: Value| triggered("?envelope=none", json!(body), metadata);
        for body in [r#"{"Id": "o-1"}"#, r#"{"id": "o-1"}"#] {
            let why = plain(body, json!({ "Id": "o-1" })).unwrap_err();
            assert!(why.contains("no Id of the queue"), "{why}");
            assert_eq!(plain(body, json!({ "Id": "m-1" })).unwrap().id.as_str(), "m-1");
        }
        let counted = |body: &str| {
            plain(body, json!({ "Id": "m-1", "DequeueCount": 99 }))
                .unwrap()
                .receive_count
        };
        assert_eq!([counted(r#"{"dequeuecount": 99}"#), counted("{}")], [1, 99]);
        let event = r#"{"specversion":"1.0","id":"o-1","source":"s","type":"t","data":{}}"#;
        assert_eq!(
            triggered("", json!(event), json!({ "Id": "o-1" })).unwrap().id.as_str(),
            "s o-1"
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
