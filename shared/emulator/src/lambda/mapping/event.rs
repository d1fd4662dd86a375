//! The event a function gets: SQS messages in Lambda's own shape.
//!
//! See the example event in [Using Lambda with Amazon SQS](https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html).

use std::collections::BTreeMap;

use aws_sdk_sqs::types::{Message, MessageAttributeValue};
use base64::{Engine, prelude::BASE64_STANDARD};
use serde::Serialize;

/// How large an event may become: the payload limit of an invocation.
pub(super) const EVENT_BYTES: usize = super::super::invocation::REQUEST_BYTES;

/// A message on its way through a batch.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Record {
    pub(super) id: String,
    pub(super) receipt_handle: String,
    json: String,
}

impl Record {
    /// The record of a message from the queue of that ARN.
    ///
    /// # Errors
    ///
    /// It can't be written as JSON, which nothing in a message can cause.
    pub(super) fn new(message: Message, queue_arn: &str) -> Result<Self, serde_json::Error> {
        let json = serde_json::to_string(&Fields::new(&message, queue_arn))?;
        Ok(Self {
            id: message.message_id.unwrap_or_default(),
            receipt_handle: message.receipt_handle.unwrap_or_default(),
            json,
        })
    }
}

/// The event of these records.
pub(super) fn event(records: &[Record]) -> String {
    let records: Vec<_> = records.iter().map(|record| record.json.as_str()).collect();
    format!(r#"{{"Records":[{}]}}"#, records.join(","))
}

/// Splits records, in order, so that the event of each part is at most `limit` bytes; a record too large by itself is a part.
pub(super) fn parts(records: Vec<Record>, limit: usize) -> Vec<Vec<Record>> {
    let frame = event(&[]).len();
    let mut parts: Vec<Vec<Record>> = Vec::new();
    let mut bytes = limit;
    for record in records {
        // With its comma, or without: the byte does not matter.
        let more = record.json.len() + 1;
        match parts.last_mut() {
            Some(part) if bytes + more <= limit => {
                bytes += more;
                part.push(record);
            }
            _ => {
                bytes = frame + more;
                parts.push(vec![record]);
            }
        }
    }
    parts
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Fields<'a> {
    message_id: &'a str,
    receipt_handle: &'a str,
    body: &'a str,
    attributes: BTreeMap<&'a str, &'a str>,
    message_attributes: BTreeMap<&'a str, Attribute<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    md5_of_message_attributes: Option<&'a str>,
    md5_of_body: &'a str,
    event_source: &'a str,
    #[serde(rename = "eventSourceARN")]
    event_source_arn: &'a str,
    aws_region: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Attribute<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    string_value: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    binary_value: Option<String>,
    /// Reserved by SQS, always empty.
    string_list_values: [&'a str; 0],
    /// Reserved by SQS, always empty.
    binary_list_values: [&'a str; 0],
    data_type: &'a str,
}

impl<'a> Fields<'a> {
    fn new(message: &'a Message, queue_arn: &'a str) -> Self {
        let attributes = message.attributes.iter().flatten();
        let message_attributes = message.message_attributes.iter().flatten();
        Self {
            message_id: message.message_id.as_deref().unwrap_or_default(),
            receipt_handle: message.receipt_handle.as_deref().unwrap_or_default(),
            body: message.body.as_deref().unwrap_or_default(),
            attributes: attributes
                .map(|(name, value)| (name.as_str(), value.as_str()))
                .collect(),
            message_attributes: message_attributes
                .map(|(name, value)| (name.as_str(), Attribute::new(value)))
                .collect(),
            md5_of_message_attributes: message.md5_of_message_attributes.as_deref(),
            md5_of_body: message.md5_of_body.as_deref().unwrap_or_default(),
            event_source: "aws:sqs",
            event_source_arn: queue_arn,
            // arn:aws:sqs:REGION:ACCOUNT:NAME
            aws_region: queue_arn.split(':').nth(3).unwrap_or_default(),
        }
    }
}

impl<'a> Attribute<'a> {
    fn new(value: &'a MessageAttributeValue) -> Self {
        Self {
            string_value: value.string_value.as_deref(),
            binary_value: value.binary_value.as_ref().map(|bytes| BASE64_STANDARD.encode(bytes)),
            string_list_values: [],
            binary_list_values: [],
            data_type: &value.data_type,
        }
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_sqs::{primitives::Blob, types::MessageSystemAttributeName};
    use serde_json::{Value, json};

    use super::*;

    const ARN: &str = "arn:aws:sqs:eu-west-1:000000000000:orders.fifo";

    fn attribute(data_type: &str) -> aws_sdk_sqs::types::builders::MessageAttributeValueBuilder {
        MessageAttributeValue::builder().data_type(data_type)
    }

    fn message() -> Message {
        Message::builder()
            .message_id("m-1")
            .receipt_handle("r-1")
            .body("{\"id\": \"é\\\"\"}\n")
            .md5_of_body("0a")
            .attributes(MessageSystemAttributeName::ApproximateReceiveCount, "2")
            .attributes(MessageSystemAttributeName::MessageGroupId, "customer-1")
            .build()
    }

    fn record(message: Message) -> Value {
        let event = event(&[Record::new(message, ARN).unwrap()]);
        serde_json::from_str::<Value>(&event).unwrap()["Records"][0].clone()
    }

    #[test]
    fn a_record_is_what_lambda_sends() {
        assert_eq!(
            record(message()),
            json!({
                "messageId": "m-1",
                "receiptHandle": "r-1",
                "body": "{\"id\": \"é\\\"\"}\n",
                "attributes": { "ApproximateReceiveCount": "2", "MessageGroupId": "customer-1" },
                "messageAttributes": {},
                "md5OfBody": "0a",
                "eventSource": "aws:sqs",
                "eventSourceARN": ARN,
                "awsRegion": "eu-west-1",
            })
        );
    }

    #[test]
    fn message_attributes_keep_their_type_and_value() {
        let mut message = message();
        message.md5_of_message_attributes = Some("0b".to_owned());
        message.message_attributes = Some(
            [
                (
                    "trace".to_owned(),
                    attribute("String").string_value("on").build().unwrap(),
                ),
                (
                    "key".to_owned(),
                    attribute("Binary").binary_value(Blob::new([0xff, 0])).build().unwrap(),
                ),
            ]
            .into(),
        );
        let record = record(message);
        assert_eq!(record["md5OfMessageAttributes"], "0b");
        assert_eq!(
            record["messageAttributes"],
            json!({
                "trace": { "stringValue": "on", "stringListValues": [], "binaryListValues": [], "dataType": "String" },
                "key": { "binaryValue": "/wA=", "stringListValues": [], "binaryListValues": [], "dataType": "Binary" },
            })
        );
    }

    #[test]
    fn an_event_holds_its_records_in_order() {
        let records: Vec<_> = ["a", "b"].map(|id| Message::builder().message_id(id).build()).into();
        let records: Vec<_> = records
            .into_iter()
            .map(|message| Record::new(message, ARN).unwrap())
            .collect();
        let event: Value = serde_json::from_str(&event(&records)).unwrap();
        assert_eq!(event["Records"][0]["messageId"], "a");
        assert_eq!(event["Records"][1]["messageId"], "b");
    }

    #[test]
    fn parts_are_as_few_as_the_limit_allows_and_never_larger() {
        let record = |id: &str, bytes| Record {
            id: id.to_owned(),
            receipt_handle: String::new(),
            json: "x".repeat(bytes),
        };
        let records = vec![
            record("a", 30),
            record("b", 30),
            record("c", 60),
            record("d", 200),
            record("e", 1),
        ];
        let limit = event(&records[..2]).len() + 1;
        let parts = parts(records, limit);
        let ids: Vec<Vec<&str>> = parts
            .iter()
            .map(|part| part.iter().map(|record| record.id.as_str()).collect())
            .collect();
        assert_eq!(ids, [vec!["a", "b"], vec!["c"], vec!["d"], vec!["e"]]);
        assert!(event(&parts[0]).len() <= limit);
    }
}
