//! Envelopes: the message inside a body that SNS, EventBridge or a producer of CloudEvents wrote.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::error::Category;
use serde_json::value::RawValue;

use crate::cloud_event::{self, Event};

/// What the message in a body is wrapped in.
///
/// It is stated, never guessed from the body: a message of your own may look like an envelope.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Envelope {
    /// Nothing: the body is the message. Right for a producer that sends to the queue itself, and for SNS with raw
    /// message delivery on.
    None,
    /// An [SNS notification](https://docs.aws.amazon.com/sns/latest/dg/http-notification-json.html), as a subscribed
    /// queue gets it with raw message delivery off. The message is the JSON in its field `Message`.
    Sns,
    /// An [EventBridge event](https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-events-structure.html), as
    /// a queue gets it from a rule whose target input is the matched event. The message is its field `detail`.
    EventBridge,
    /// A [CloudEvents 1.0](https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md) event in JSON
    /// (structured mode), as Event Grid and Knative send it. The message is its field `data` or `data_base64`: JSON, or a text
    /// if `datacontenttype` states another type.
    CloudEvents,
}

/// Where a wrapped message comes from, as its envelope states.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    id: String,
    source: String,
    subject: Option<String>,
    time: String,
    attributes: BTreeMap<String, String>,
}

impl Origin {
    /// SNS's `MessageId`, or EventBridge's `id`; of CloudEvents `source` and `id`, separated by a space, because only both together
    /// are unique. Never empty.
    ///
    /// It is the same at every delivery by that service and in every queue. The queue's own message ID is not.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The ARN of SNS's topic, or the `source` of EventBridge or CloudEvents, such as `aws.s3`.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The `Subject` of SNS or `subject` of CloudEvents, if the producer gave one, or EventBridge's `detail-type`.
    pub fn subject(&self) -> Option<&str> {
        self.subject.as_deref()
    }

    /// When it was published to SNS, or when the event happened, in RFC 3339. Empty if a CloudEvents event does not state it.
    pub fn time(&self) -> &str {
        &self.time
    }

    /// The value of the attribute with this name.
    ///
    /// From SNS: a message attribute, always as text. Binary data is in Base64, a list in JSON.
    /// From EventBridge: `account`, `region` and, for an event replayed from an archive, `replay-name`.
    /// From CloudEvents: `type`, `dataschema` and the extension attributes; its `idempotencykey` is the attribute
    /// [`IdempotencyKey`](crate::dead_letter::IDEMPOTENCY_KEY).
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.get(name).map(String::as_str)
    }
}

/// The content of an envelope.
#[derive(Debug)]
pub(crate) struct Unwrapped<'a> {
    /// The message, as JSON to decode.
    pub(crate) content: Cow<'a, str>,
    /// `None` if there was no envelope.
    pub(crate) origin: Option<Origin>,
}

/// Takes the message out of its envelope, or returns why that is impossible. The reason quotes nothing of the body,
/// which may hold secrets: the reason goes to the log and into the ledger.
pub(crate) fn unwrap(envelope: Envelope, body: &str) -> Result<Unwrapped<'_>, String> {
    match envelope {
        Envelope::None => Ok(Unwrapped {
            content: Cow::Borrowed(body),
            origin: None,
        }),
        Envelope::Sns => notification(body),
        Envelope::EventBridge => event(body),
        Envelope::CloudEvents => cloud_event(body).map(unwrapped),
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Notification<'a> {
    #[serde(rename = "Type", borrow)]
    kind: Cow<'a, str>,
    message_id: String,
    topic_arn: String,
    subject: Option<String>,
    #[serde(borrow)]
    message: Cow<'a, str>,
    timestamp: String,
    message_attributes: Option<BTreeMap<String, SnsAttribute>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct SnsAttribute {
    value: String,
}

fn notification(body: &str) -> Result<Unwrapped<'_>, String> {
    let wrong = |what| not("an SNS notification", what, "is raw message delivery on?");
    let notification: Notification<'_> = decode(body, Envelope::Sns).map_err(wrong)?;
    if let Some(found) = crate::body::confirmation(&notification.kind) {
        return Err(found.to_owned());
    }
    if notification.kind != "Notification" {
        return Err(wrong("field `Type` has an unknown value".into()));
    }
    let attributes = notification.message_attributes.unwrap_or_default();
    Ok(Unwrapped {
        content: notification.message,
        origin: Some(Origin {
            id: not_empty("MessageId", notification.message_id).map_err(wrong)?,
            source: notification.topic_arn,
            subject: notification.subject,
            time: notification.timestamp,
            attributes: attributes
                .into_iter()
                .map(|(name, attribute)| (name, attribute.value))
                .collect(),
        }),
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct EventBridgeEvent<'a> {
    id: String,
    source: String,
    detail_type: String,
    time: String,
    account: Option<String>,
    region: Option<String>,
    replay_name: Option<String>,
    /// Not decoded here: the handler's type is decoded from the same text.
    #[serde(borrow)]
    detail: &'a RawValue,
}

fn event(body: &str) -> Result<Unwrapped<'_>, String> {
    let wrong = |what| {
        not(
            "an EventBridge event",
            what,
            "is the matched event the rule's target input?",
        )
    };
    let event: EventBridgeEvent<'_> = decode(body, Envelope::EventBridge).map_err(wrong)?;
    let attributes = [
        ("account", event.account),
        ("region", event.region),
        ("replay-name", event.replay_name),
    ];
    Ok(Unwrapped {
        content: Cow::Borrowed(event.detail.get()),
        origin: Some(Origin {
            id: not_empty("id", event.id).map_err(wrong)?,
            source: event.source,
            subject: Some(event.detail_type),
            time: event.time,
            attributes: attributes
                .into_iter()
                .filter_map(|(name, value)| Some((name.to_owned(), value?)))
                .collect(),
        }),
    })
}

/// The CloudEvents event in a body.
pub(crate) fn cloud_event(body: &str) -> Result<Event<'_>, String> {
    let event = decode(body, Envelope::CloudEvents).and_then(Event::of);
    event.map_err(|what| {
        not(
            "a CloudEvents event",
            what,
            "does the producer send CloudEvents 1.0 as JSON?",
        )
    })
}

fn unwrapped(event: Event<'_>) -> Unwrapped<'_> {
    let id = event.unique_id();
    let others = event.others.into_iter();
    let others = others.map(|(name, value)| (cloud_event::attribute_name(&name), cloud_event::text(value)));
    Unwrapped {
        content: event.content,
        origin: Some(Origin {
            id,
            source: event.source,
            subject: event.subject,
            time: event.time.unwrap_or_default(),
            attributes: others.chain([("type".to_owned(), event.kind)]).collect(),
        }),
    }
}

/// Why a body is not in its envelope. `what` may have advice of its own, after a colon.
fn not(envelope: &str, what: String, advice: &str) -> String {
    match what.contains(": ") {
        true => format!("not {envelope}: {what}"),
        false => format!("not {envelope}: {what} ({advice})"),
    }
}

/// An empty ID would make all messages the same work.
fn not_empty(field: &str, value: String) -> Result<String, String> {
    match value.is_empty() {
        true => Err(format!("field `{field}` is empty")),
        false => Ok(value),
    }
}

/// serde's messages quote the body. The name of a missing field is not from the body.
fn decode<'a, E: Deserialize<'a>>(body: &'a str, envelope: Envelope) -> Result<E, String> {
    // serde would take the fields from a list, too.
    if body.trim_start().starts_with('[') {
        return Err(crate::body::found_instead_of(envelope, body).unwrap_or_else(|| "a list, not an object".to_owned()));
    }
    serde_json::from_str(body).map_err(|error| {
        if let Some(found) = crate::body::found_instead_of(envelope, body) {
            return found;
        }
        let text = error.to_string();
        let missing = text
            .strip_prefix("missing field `")
            .and_then(|rest| rest.split('`').next());
        let what = match (error.classify(), missing) {
            (Category::Data, Some(field)) => return format!("field `{field}` is missing"),
            (Category::Data | Category::Io, _) => "unexpected shape",
            (Category::Eof, _) => "unexpected end of JSON",
            (Category::Syntax, _) => "not JSON",
        };
        format!("{what} at line {}, column {}", error.line(), error.column())
    })
}

#[cfg(test)]
mod tests;
