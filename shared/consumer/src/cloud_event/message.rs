//! A message as a CloudEvents event, for a queue whose messages are bodies only.
//!
//! Names of extension attributes have up to 20 characters, of `a` to `z` and digits
//! ([naming](https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md#attribute-naming-convention)).

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use idempotency::Timestamp;
use serde_json::Value;
use serde_json::value::RawValue;

use super::{Event, text};
use crate::dead_letter::{FAILURE, IDEMPOTENCY_KEY, ORIGINAL, Original};
use crate::{Attribute, Incoming, MessageId, QueueMessage, envelope, is_trace_header};

/// How often the message was received before it was copied. Each event that this crate writes has it, and no other.
pub(super) const ATTEMPTS: &str = "consumerattempts";
/// Its group ([partitioning](https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/extensions/partitioning.md)).
const GROUP: &str = "partitionkey";
/// Its trace in the format of AWS X-Ray.
const TRACE: &str = "xamzntraceid";
/// The message attributes that have no place of their own, as an [`Original`] in JSON.
const OTHERS: &str = "consumerattributes";

/// Message attributes with an extension attribute that has another name.
const RENAMED: [(&str, &str); 3] = [
    (IDEMPOTENCY_KEY, "idempotencykey"),
    (ORIGINAL, "consumeroriginal"),
    (FAILURE, "consumerfailure"),
];

/// RFC 3339 ends with the year 9999.
const LAST_MILLIS: u64 = 253_402_300_799_999;

/// Names that no message attribute has.
const RESERVED: [&str; 8] = [
    "specversion",
    "id",
    "time",
    "datacontenttype",
    "data",
    ATTEMPTS,
    GROUP,
    TRACE,
];

/// Unless the message has an attribute with this name.
const DEFAULTS: [(&str, &str); 2] = [("source", "consumer"), ("type", "consumer.message")];

/// The message as a CloudEvents event in JSON. `sent_at`: when it was sent first; `attempts`: how often it was received since.
///
/// The event's ID is the deduplication ID. Message attributes become attributes of the event, as far as their names allow:
/// `type`, `source` and `subject` are the event's own.
pub fn to_cloud_event(message: &QueueMessage, sent_at: Timestamp, attempts: u32) -> String {
    let random = || format!("{:032x}", fastrand::u128(..));
    let (mut fields, mut others) = (BTreeMap::new(), Original::default());
    for (name, value) in DEFAULTS {
        fields.insert(name, json(value));
    }
    for (name, attribute) in &message.attributes {
        match (extension(name), &attribute.string_value) {
            (Some(extension), Some(value))
                if attribute.data_type.as_deref() == Some("String") && !is_default(name, value) =>
            {
                fields.insert(extension, json(value));
            }
            _ => drop(others.attributes.insert(name.clone(), attribute.clone())),
        }
    }
    let sent_at = SystemTime::UNIX_EPOCH + Duration::from_millis(sent_at.millis().min(LAST_MILLIS));
    let (content_type, data) = content(&message.body);
    let stated = [
        ("specversion", Some("1.0".to_owned())),
        ("id", Some(message.deduplication_id.clone().unwrap_or_else(random))),
        ("time", Some(humantime::format_rfc3339_millis(sent_at).to_string())),
        ("datacontenttype", Some(content_type.to_owned())),
        (GROUP, message.group.clone()),
        (TRACE, message.trace_header.clone()),
        (OTHERS, (!others.attributes.is_empty()).then(|| others.to_json())),
    ];
    let stated = stated
        .into_iter()
        .filter_map(|(name, value)| Some((name, json(&value?))));
    fields.extend(stated.chain([("data", data)]));
    fields.insert(ATTEMPTS, attempts.to_string());
    let fields = fields.iter().map(|(name, value)| format!("{}:{value}", json(name)));
    format!("{{{}}}", fields.collect::<Vec<_>>().join(","))
}

/// The media type of a body, and its JSON in the field `data`. JSON in white space is text, so that nothing of it is lost.
fn content(body: &str) -> (&'static str, String) {
    match body.trim() == body && serde_json::from_str::<&RawValue>(body).is_ok() && body != super::NULL {
        true => ("application/json", body.to_owned()),
        false => ("text/plain", json(body)),
    }
}

fn json(text: &str) -> String {
    Value::from(text).to_string()
}

/// Whether an attribute would look like one that the message does not have.
fn is_default(name: &str, value: &str) -> bool {
    DEFAULTS.contains(&(name, value))
}

/// The event's attribute for this message attribute, if it has one of its own.
fn extension(name: &str) -> Option<&str> {
    if let Some((_, extension)) = RENAMED.iter().find(|(own, _)| *own == name) {
        return Some(extension);
    }
    let is_renamed = RENAMED.iter().any(|(_, extension)| *extension == name);
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let is_name = (1..=20).contains(&name.len()) && name.bytes().all(allowed);
    (is_name && !is_renamed && name != OTHERS && !RESERVED.contains(&name)).then_some(name)
}

/// The message in the CloudEvents event that is the body of a queue's message. `queued` is that message as its queue states it.
///
/// What an event of [`to_cloud_event`] states has priority, because each copy of the message states the same: the ID, and when it
/// was sent first. The attempts of both are added up. The ID of another program's event is its `source` and `id`, which are
/// unique only together. It is the key, too, unless the event states one. Its `time` is not when the message was sent.
///
/// # Errors
///
/// The field that is wrong. No value is quoted.
pub fn from_cloud_event(queued: &Incoming) -> Result<Incoming, String> {
    let event = envelope::cloud_event(&queued.body)?;
    let (is_own, id) = (event.is_own(), event.unique_id());
    let time = event.time.as_deref().filter(|_| is_own);
    let mut incoming = Incoming {
        sent_at: time.and_then(rfc3339).or(queued.sent_at),
        attributes: own_attributes(&event),
        queue: queued.queue.clone(),
        receive_count: queued.receive_count,
        ..Incoming::new(MessageId::new(&*id).ok_or("field `id` is empty")?, event.content)
    };
    for (name, value) in event.others {
        let text = Some(text(value)).filter(|text| !text.is_empty());
        match name.as_str() {
            GROUP => incoming.group = text,
            TRACE => incoming.trace_header = text.filter(|trace| is_trace_header(trace)),
            ATTEMPTS => {
                let attempts: Option<u32> = text.and_then(|text| text.parse().ok());
                let attempts = attempts.ok_or("field `consumerattempts` is not a number of attempts")?;
                incoming.receive_count = incoming.receive_count.saturating_add(attempts);
            }
            OTHERS => {
                let others = Original::from_json(&text.unwrap_or_default());
                let others = others.map_err(|_| "field `consumerattributes` is malformed")?;
                incoming.attributes.extend(others.attributes);
            }
            _ => incoming
                .attributes
                .extend(text.map(|text| (attribute_name(&name), attribute(value, text)))),
        }
    }
    if !is_own {
        // Not the queue's own ID: the same one with another payload is an error.
        let key = Attribute::string(id);
        incoming.attributes.entry(IDEMPOTENCY_KEY.to_owned()).or_insert(key);
    }
    Ok(incoming)
}

/// What the producer states beside the extension attributes.
fn own_attributes(event: &Event<'_>) -> BTreeMap<String, Attribute> {
    let own = [
        ("source", Some(&event.source)),
        ("type", Some(&event.kind)),
        ("subject", event.subject.as_ref()),
    ];
    let own = own.into_iter().filter_map(|(name, value)| Some((name, value?)));
    let stated = own.filter(|(name, value)| !value.is_empty() && !is_default(name, value));
    stated
        .map(|(name, value)| (name.to_owned(), Attribute::string(value)))
        .collect()
}

/// The name of the message attribute for an extension attribute.
pub(crate) fn attribute_name(extension: &str) -> String {
    let renamed = RENAMED.iter().find(|(_, name)| *name == extension);
    renamed.map_or(extension, |(name, _)| name).to_owned()
}

fn attribute(value: &RawValue, text: String) -> Attribute {
    let is_number = value
        .get()
        .starts_with(|first: char| first == '-' || first.is_ascii_digit());
    Attribute {
        data_type: Some(if is_number { "Number" } else { "String" }.to_owned()),
        ..Attribute::string(text)
    }
}

/// A time in UTC, as [RFC 3339](https://www.rfc-editor.org/rfc/rfc3339) writes it. `None`: it is another text, before 1970, or in
/// another zone.
pub fn rfc3339(text: &str) -> Option<Timestamp> {
    let utc = text.strip_suffix("+00:00").map(|time| format!("{time}Z"));
    let time = humantime::parse_rfc3339(utc.as_deref().unwrap_or(text)).ok()?;
    let since = time.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    Some(Timestamp::from_millis(u64::try_from(since.as_millis()).ok()?))
}
