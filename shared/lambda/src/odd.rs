//! Records that are not what AWS documents for a message of SQS: what is wrong with them.
//!
//! Only an event that can't be decoded as a whole is read record by record, as raw JSON. Nothing here quotes a value: it may be
//! secret.

mod fields;

use aws_lambda_events::sqs::{SqsMessage, SqsMessageAttribute};
use serde_json::value::RawValue;

pub(crate) use self::fields::Fields;
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
        let Some(fields) = Fields::of(record) else {
            return Self {
                id: None,
                group: None,
                why: format!("the record is {}, not an object", kind(record)),
                queue: None,
                of_sqs: false,
                content: Content::Json(record.get().to_owned()),
            };
        };
        let why = match wrong_fields(&fields) {
            wrong if wrong.is_empty() => "it has another form than records of SQS".to_owned(),
            wrong => wrong.join(", "),
        };
        let id = string(&fields, "messageId");
        let queue = string(&fields, "eventSourceARN");
        let of_sqs = is_of_sqs(string(&fields, "eventSource").as_deref(), queue.as_deref());
        let attributes = fields.get("attributes").and_then(Fields::of);
        let group = attributes.and_then(|attributes| string(&attributes, "MessageGroupId"));
        let content = match serde_json::from_str(&fields.without("messageId")) {
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

/// The value of a field that is a string, not empty and stated once.
fn string(fields: &Fields<'_>, name: &str) -> Option<String> {
    let text: String = serde_json::from_str(fields.get(name)?.get()).ok()?;
    (!text.is_empty()).then_some(text)
}

/// What is wrong with each field that is not as documented.
fn wrong_fields(fields: &Fields<'_>) -> Vec<String> {
    let mut wrong = fields.wrong_names("");
    for (position, name) in STRINGS.into_iter().enumerate() {
        match fields.get(name) {
            None if position < REQUIRED && !fields.contains(name) => wrong.push(format!("{name} is missing")),
            None => {}
            Some(value) if value.get() == "null" && position >= REQUIRED => {}
            Some(value) => wrong.extend(not_a_string(name, value)),
        }
    }
    for name in ["attributes", "messageAttributes"] {
        let Some(value) = fields.get(name).filter(|value| value.get() != "null") else {
            continue;
        };
        let Some(attributes) = Fields::of(value) else {
            wrong.push(format!("{name} is {}, not an object", kind(value)));
            continue;
        };
        wrong.extend(attributes.wrong_names(&format!("{name}.")));
        for (attribute, value) in attributes.iter() {
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
    let Some(fields) = Fields::of(value) else {
        return vec![format!("{path} is {}, not an object", kind(value))];
    };
    let mut wrong = fields.wrong_names(&format!("{path}."));
    for (name, value) in fields.iter() {
        let path = format!("{path}.{name}");
        match (name, kind(value)) {
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

/// The records of an event, each as raw JSON; `None` if it has no list of them.
pub(crate) fn raw_records(event: &str) -> Option<Vec<&RawValue>> {
    let fields: Fields<'_> = serde_json::from_str(event).ok()?;
    serde_json::from_str(fields.get("Records")?.get()).ok()
}
