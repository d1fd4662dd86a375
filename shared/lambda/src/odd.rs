//! Records that are not what AWS documents for a message of SQS: what is wrong with them.
//!
//! Only an event that can't be decoded as a whole is read record by record, as raw JSON. Nothing here quotes a value: it may be
//! secret.

use std::collections::BTreeMap;

use aws_lambda_events::sqs::{SqsMessage, SqsMessageAttribute};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::event::Object;

/// A record that can't be processed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Odd {
    /// Its message ID; without one it can't be listed in the response.
    pub(crate) id: Option<String>,
    /// Its message group, if that can be read.
    pub(crate) group: Option<String>,
    /// What is wrong with it: names of fields and types.
    pub(crate) why: String,
    /// The ARN of its queue, if that can be read.
    pub(crate) queue: Option<String>,
    /// Whether it is from SQS; an event of another service has no message IDs either.
    pub(crate) of_sqs: bool,
    /// The record without its message ID.
    pub(crate) content: Content,
}

/// What is left of a record without an ID.
#[derive(Debug, PartialEq)]
pub(crate) enum Content {
    /// Everything else is as documented.
    Message(Box<SqsMessage>),
    /// The record as it is in the event.
    Json(String),
}

impl Eq for Content {}

type Fields<'a> = BTreeMap<String, &'a RawValue>;

/// The documented fields of a record whose values are strings; those that a record must have come first.
/// <https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html>
const STRINGS: [&str; 8] = [
    "messageId",
    "receiptHandle",
    "body",
    "md5OfBody",
    "md5OfMessageAttributes",
    "eventSource",
    "eventSourceARN",
    "awsRegion",
];
const REQUIRED: usize = 3;

impl Odd {
    /// A record that can be decoded, but lacks a field that every message has.
    pub(crate) fn incomplete(record: SqsMessage, why: String) -> Self {
        let of_sqs = is_of_sqs(record.event_source.as_deref(), record.event_source_arn.as_deref());
        Self {
            id: record.message_id.clone(),
            group: record.attributes.get("MessageGroupId").cloned(),
            why,
            queue: record.event_source_arn.clone(),
            of_sqs,
            content: Content::Message(Box::new(record)),
        }
    }

    /// A record that can't be decoded.
    pub(crate) fn malformed(record: &RawValue) -> Self {
        let Ok(mut fields) = serde_json::from_str::<Fields<'_>>(record.get()) else {
            return Self {
                id: None,
                group: None,
                why: not_an_object("the record", record),
                queue: None,
                of_sqs: false,
                content: Content::Json(record.get().to_owned()),
            };
        };
        let mut why = wrong_fields(&fields).join(", ");
        if why.is_empty() {
            // All fields are as documented, each by itself.
            why = "a field is there twice".to_owned();
        }
        let id = string(&fields, "messageId");
        let queue = string(&fields, "eventSourceARN");
        let of_sqs = is_of_sqs(string(&fields, "eventSource").as_deref(), queue.as_deref());
        let group = object(&fields, "attributes").and_then(|attributes| string(&attributes, "MessageGroupId"));
        fields.remove("messageId");
        let rest = serde_json::to_string(&fields).unwrap_or_default();
        let content = match serde_json::from_str(&rest) {
            Ok(Object(message)) => Content::Message(Box::new(message)),
            Err(_) => Content::Json(record.get().to_owned()),
        };
        Self {
            id,
            group,
            why,
            queue,
            of_sqs,
            content,
        }
    }
}

fn is_of_sqs(source: Option<&str>, arn: Option<&str>) -> bool {
    source == Some("aws:sqs") || arn.is_some_and(|arn| arn.split(':').nth(2) == Some("sqs"))
}

/// The value of a field that is a string and not empty.
fn string(fields: &Fields<'_>, name: &str) -> Option<String> {
    let text: String = serde_json::from_str(fields.get(name)?.get()).ok()?;
    (!text.is_empty()).then_some(text)
}

fn object<'a>(fields: &Fields<'a>, name: &str) -> Option<Fields<'a>> {
    serde_json::from_str(fields.get(name)?.get()).ok()
}

/// What is wrong with each field that is not as documented.
fn wrong_fields(fields: &Fields<'_>) -> Vec<String> {
    let mut wrong = Vec::new();
    for (position, name) in STRINGS.into_iter().enumerate() {
        match fields.get(name) {
            None if position < REQUIRED => wrong.push(format!("{name} is missing")),
            None => {}
            Some(value) if value.get() == "null" && position >= REQUIRED => {}
            Some(value) => wrong.extend(not_a_string(name, value)),
        }
    }
    for name in ["attributes", "messageAttributes"] {
        let Some(value) = fields.get(name).filter(|value| value.get() != "null") else {
            continue;
        };
        let Some(attributes) = object(fields, name) else {
            wrong.push(not_an_object(name, value));
            continue;
        };
        for (attribute, value) in attributes {
            let path = format!("{name}.{attribute}");
            match name {
                "attributes" => wrong.extend(not_a_string(&path, value)),
                _ => wrong.extend(wrong_attribute(&path, value)),
            }
        }
    }
    wrong
}

/// What is wrong with a message attribute.
fn wrong_attribute(path: &str, value: &RawValue) -> Vec<String> {
    if serde_json::from_str::<SqsMessageAttribute>(value.get()).is_ok() {
        return Vec::new();
    }
    let Ok(fields) = serde_json::from_str::<Fields<'_>>(value.get()) else {
        return vec![not_an_object(path, value)];
    };
    let mut wrong = Vec::new();
    for (name, value) in fields {
        let path = format!("{path}.{name}");
        match (name.as_str(), kind(value)) {
            ("dataType" | "stringValue" | "binaryValue", "null") => {}
            ("dataType" | "stringValue", _) => wrong.extend(not_a_string(&path, value)),
            ("binaryValue", "a string") => wrong.push(format!("{path} is not Base64")),
            ("binaryValue", _) => wrong.extend(not_a_string(&path, value)),
            ("stringListValues" | "binaryListValues", "a list") => {
                wrong.push(format!("{path} has values of other types"));
            }
            ("stringListValues" | "binaryListValues", kind) => wrong.push(format!("{path} is {kind}, not a list")),
            _ => {}
        }
    }
    wrong
}

fn not_an_object(path: &str, value: &RawValue) -> String {
    match kind(value) {
        // Otherwise its fields could be read.
        "an object" => format!("{path} has a field whose name has half of a surrogate pair"),
        kind => format!("{path} is {kind}, not an object"),
    }
}

fn not_a_string(path: &str, value: &RawValue) -> Option<String> {
    match kind(value) {
        "a string" => {
            let text: Result<String, _> = serde_json::from_str(value.get());
            text.is_err().then(|| format!("{path} has half of a surrogate pair"))
        }
        kind => Some(format!("{path} is {kind}, not a string")),
    }
}

fn kind(value: &RawValue) -> &'static str {
    match value.get().as_bytes().first() {
        Some(b'"') => "a string",
        Some(b'{') => "an object",
        Some(b'[') => "a list",
        Some(b't' | b'f') => "a boolean",
        Some(b'n') => "null",
        _ => "a number",
    }
}

/// The records of an event, each as raw JSON.
#[derive(Deserialize)]
pub(crate) struct RawEvent<'a> {
    #[serde(rename = "Records", borrow)]
    pub(crate) records: Vec<&'a RawValue>,
}
