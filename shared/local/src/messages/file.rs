//! What a file holds: an SQS event, or one body.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use aws_sdk_sqs::primitives::Blob;
use aws_sdk_sqs::types::MessageAttributeValue;
use base64::Engine;
use base64::prelude::BASE64_STANDARD as BASE64;
use serde::Deserialize;
use serde_json::Value;

use super::Message;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Record {
    body: String,
    /// Only two of them make a message, so the others may be anything.
    attributes: Option<HashMap<String, Value>>,
    message_attributes: Option<HashMap<String, Attribute>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Attribute {
    data_type: String,
    string_value: Option<String>,
    binary_value: Option<String>,
}

/// The messages in a file: the records of an SQS event, or the whole of it as one body, such as an event of another service.
///
/// # Errors
///
/// In one line what is wrong with the file.
pub fn read(path: &Path) -> Result<Vec<Message>, String> {
    let text = fs::read_to_string(path).map_err(|error| format!("{} can't be read: {error}", path.display()))?;
    let broken = |error: String| format!("{} is an SQS event, but {error}", path.display());
    if let Some(records) = sqs_records(&text).map_err(broken)? {
        let messages = records.into_iter().enumerate();
        let messages = messages.map(|(at, record)| {
            let record: Result<Record, _> = serde_json::from_value(record);
            let message = record.map_err(|error| error.to_string()).and_then(Record::message);
            message.map_err(|why| broken(format!("its record {} can't be sent: {why}", at + 1)))
        });
        return messages.collect();
    }
    let body = text.trim_end_matches('\n').to_owned();
    if body.is_empty() {
        return Err(format!("{} is empty; SQS accepts no empty message", path.display()));
    }
    Ok(vec![Message {
        body,
        ..Message::default()
    }])
}

/// The records of an SQS event; `None` if the text is anything else.
fn sqs_records(text: &str) -> Result<Option<Vec<Value>>, String> {
    // Editors may have put a byte order mark before an event. In a body it stays.
    let event = serde_json::from_str(text.trim_start_matches('\u{feff}')).unwrap_or(Value::Null);
    let Some(records) = event["Records"].as_array() else {
        return Ok(None);
    };
    let others = records.iter().filter(|record| !is_of_sqs(record)).count();
    match records.len() {
        0 => Err("it has no Records".to_owned()),
        total if others == total => Ok(None),
        _ if others == 0 => Ok(Some(records.clone())),
        total => Err(format!("{others} of its {total} Records are not of SQS")),
    }
}

/// What AWS writes into every record, or at least what makes a message.
fn is_of_sqs(record: &Value) -> bool {
    let sources = ["eventSource", "EventSource"];
    match sources.into_iter().find_map(|name| record.get(name)) {
        Some(source) => source == "aws:sqs",
        None => record.get("messageId").is_some() && record.get("body").is_some(),
    }
}

impl Record {
    fn message(self) -> Result<Message, String> {
        let attribute = |(name, value): (String, Attribute)| match value.value() {
            Ok(value) => Ok((name, value)),
            Err(why) => Err(format!("message attribute {name}: {why}")),
        };
        let attributes = self.message_attributes.into_iter().flatten().map(attribute);
        let system = self.attributes.unwrap_or_default();
        let system = |name: &str| system.get(name).and_then(Value::as_str).map(str::to_owned);
        Ok(Message {
            body: self.body,
            group: system("MessageGroupId"),
            deduplication_id: system("MessageDeduplicationId"),
            attributes: attributes.collect::<Result<_, String>>()?,
        })
    }
}

impl Attribute {
    fn value(self) -> Result<MessageAttributeValue, String> {
        let binary = self
            .binary_value
            .map(|text| BASE64.decode(text))
            .transpose()
            .map_err(|error| error.to_string())?;
        let value = MessageAttributeValue::builder()
            .data_type(self.data_type)
            .set_string_value(self.string_value);
        value
            .set_binary_value(binary.map(Blob::new))
            .build()
            .map_err(|error| error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(name: &str, text: &str) -> Result<Vec<Message>, String> {
        let path = std::env::temp_dir().join(format!("local-messages-{}-{name}", std::process::id()));
        fs::write(&path, text).unwrap();
        let messages = read(&path);
        fs::remove_file(path).unwrap();
        messages
    }

    #[test]
    fn events_of_other_services_are_sent_as_bodies() {
        let record = |record: &str| format!(r#"{{"Records":[{record}]}}"#);
        for (at, event) in [
            record(r#"{"eventVersion":"2.1","eventSource":"aws:s3","s3":{"object":{"key":"caf%C3%A9"}}}"#),
            record(r#"{"EventVersion":"1.0","EventSource":"aws:sns","Sns":{"MessageId":"m","Message":"a"}}"#),
            record(
                r#"{"eventID":"1","eventSource":"aws:dynamodb","dynamodb":{"Keys":{}}},{"eventSource":"aws:dynamodb"}"#,
            ),
            record(r#"{"eventSource":"aws:kinesis","kinesis":{"data":"AA=="}}"#),
            record(r#"{"eventSource":"aws:s3","messageId":"m","body":"b"}"#),
            record(r#"{"recordId":"1"}"#),
            r#"{"Records":3}"#.to_owned(),
            r#"{"Service":"Amazon S3","Event":"s3:TestEvent"}"#.to_owned(),
            "\u{feff}{}".to_owned(),
        ]
        .into_iter()
        .enumerate()
        {
            let messages = read_text(&format!("other-{at}"), &format!("{event}\n")).unwrap();
            assert_eq!(messages.len(), 1, "{event}");
            assert_eq!(messages[0].body, event);
        }
    }

    #[test]
    fn records_of_sqs_are_messages() {
        let null = r#"{"messageId":"m","body":"b","attributes":null,"messageAttributes":null}"#;
        let number = r#"{"eventSource":"aws:sqs","body":"b","attributes":{"SentTimestamp":1,"MessageGroupId":"g"}}"#;
        let attribute = r#"{"eventSource":"aws:sqs","body":"b","messageAttributes":
            {"a":{"stringValue":"v","binaryValue":null,"stringListValues":[],"dataType":"String"}}}"#;
        let event = format!("\u{feff}{{\"Records\":[{null},{number},{attribute}]}}");
        let messages = read_text("records", &event).unwrap();
        assert!(messages.iter().all(|message| message.body == "b"), "{messages:?}");
        assert_eq!(messages[1].group.as_deref(), Some("g"));
        assert_eq!(messages[2].attributes["a"].string_value(), Some("v"));
    }

    #[test]
    fn what_is_wrong_with_an_event_is_said() {
        let mixed = r#"{"Records":[{"eventSource":"aws:sqs","body":"b"},{"eventSource":"aws:s3"},{"x":1}]}"#;
        let no_text = r#"{"Records":[{"messageId":"a","body":"b"},{"messageId":"m","body":1}]}"#;
        let binary = r#"{"Records":[{"messageId":"a","body":"b","messageAttributes":{"n":{"dataType":"Binary","binaryValue":"?"}}}]}"#;
        for (event, expected) in [
            (mixed, "is an SQS event, but 2 of its 3 Records are not of SQS"),
            (
                no_text,
                "is an SQS event, but its record 2 can't be sent: invalid type: integer",
            ),
            (binary, "its record 1 can't be sent: message attribute n: Invalid"),
            (r#"{"Records":[]}"#, "is an SQS event, but it has no Records"),
        ] {
            let error = read_text("wrong", event).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }
}
