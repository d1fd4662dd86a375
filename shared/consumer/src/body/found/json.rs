//! JSON of another shape than a message has.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::{Place, encoded, in_start, is_json};
use crate::Envelope;

/// Objects with these names, unless they are in the envelope that is expected.
const OBJECTS: [(&[&str], Envelope, &str); 7] = [
    (
        &["Type", "TopicArn"],
        Envelope::Sns,
        "an SNS notification: set ENVELOPE to Envelope::Sns, or turn on raw message delivery",
    ),
    (
        &["detail-type", "source", "detail"],
        Envelope::EventBridge,
        "an EventBridge event: set ENVELOPE to Envelope::EventBridge, or send its detail only",
    ),
    (
        &["specversion", "type", "source"],
        Envelope::CloudEvents,
        "a CloudEvents event: set ENVELOPE to Envelope::CloudEvents, or send its data only",
    ),
    (&["s3BucketName", "s3Key"], Envelope::None, POINTER),
    (&["S3Payload"], Envelope::None, POINTER),
    (
        &["awslogs"],
        Envelope::None,
        "an event of a CloudWatch Logs subscription, gzip in Base64: it is not the handler's message",
    ),
    (
        &["requestContext", "headers"],
        Envelope::None,
        "a whole request of API Gateway or a load balancer: send its body only",
    ),
];

/// Ends of the field `eventSource`: of the first record, or of the event.
const SOURCES: [(&str, &str); 8] = [
    // S3-compatible stores have other names before the colon. <https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html>
    (
        ":s3",
        "an S3 event notification: decode its `Records`, or stop the bucket's notifications to this queue",
    ),
    (
        "aws:sqs",
        "a whole event of Lambda: send the body of each record as a message of its own",
    ),
    (
        "aws:sns",
        "a whole event of Lambda, from SNS: subscribe the queue, and set ENVELOPE to Envelope::Sns",
    ),
    (
        "aws:dynamodb",
        "an event of a DynamoDB stream: it is not the handler's message",
    ),
    (
        "aws:kinesis",
        "an event of a Kinesis stream: it is not the handler's message",
    ),
    (":kafka", "an event of a Kafka topic: it is not the handler's message"),
    (
        "aws:ses",
        "an event of SES about received mail: it is not the handler's message",
    ),
    (
        "aws:codecommit",
        "an event of a CodeCommit trigger: it is not the handler's message",
    ),
];

/// The names under which the
/// [extended client libraries](https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-managing-large-messages.html)
/// send the place of a message.
const POINTERS: [&str; 2] = [
    "software.amazon.payloadoffloading.PayloadS3Pointer",
    "com.amazon.sqs.javamessaging.MessageS3Pointer",
];

const POINTER: &str = "an S3 pointer of the SQS extended client library: send the message itself, or take it as RawBody and read the object";

/// What JSON of another shape is.
pub(super) fn in_json(value: &Value, place: Place) -> Option<&'static str> {
    match value {
        Value::String(text) => in_string(text),
        Value::Array(parts) => POINTERS.contains(&parts.first()?.as_str()?).then_some(POINTER),
        Value::Object(_) if value["Event"] == "s3:TestEvent" => {
            Some("an S3 test event, which S3 sends once when notifications are configured: delete it")
        }
        Value::Object(fields) => {
            let kind = fields.get("TopicArn").and(value["Type"].as_str());
            let found = in_source(value).or_else(|| confirmation(kind?));
            found.or_else(|| in_names(fields, place))
        }
        _ => None,
    }
}

fn in_names(fields: &Map<String, Value>, place: Place) -> Option<&'static str> {
    let has = |names: &[&str]| names.iter().all(|name| fields.contains_key(*name));
    let is_other = |envelope| envelope == Envelope::None || place != Place::Of(envelope);
    let mut objects = OBJECTS.iter();
    let (_, envelope, found) = objects.find(|(names, envelope, _)| has(names) && is_other(*envelope))?;
    Some(match (place, envelope) {
        (Place::Of(_) | Place::Inside(Envelope::None), _) | (_, Envelope::None | Envelope::CloudEvents) => found,
        (Place::Inside(_), Envelope::Sns) => {
            "an SNS notification inside another envelope, and only one is removed: decode its `Message` in the handler"
        }
        (Place::Inside(Envelope::Sns), Envelope::EventBridge) => {
            "an EventBridge event inside another envelope, and only one is removed: turn on raw message delivery and set \
             ENVELOPE to Envelope::EventBridge, or decode its `detail` in the handler"
        }
        (Place::Inside(_), Envelope::EventBridge) => {
            "an EventBridge event inside another envelope, and only one is removed: decode its `detail` in the handler"
        }
    })
}

fn in_string(text: &str) -> Option<&'static str> {
    let mut inner = Cow::Borrowed(text);
    while let Ok(next) = serde_json::from_str::<String>(&inner) {
        inner = next.into();
    }
    match inner.trim_start().starts_with(['{', '[']) && is_json(&inner) {
        true => Some("JSON inside a JSON string: the producer encodes it more than once"),
        false => in_start(text).or_else(|| encoded::in_base64(text)),
    }
}

fn in_source(value: &Value) -> Option<&'static str> {
    let owners = [&value["Records"][0], value];
    let mut sources = owners
        .into_iter()
        .flat_map(|owner| [&owner["eventSource"], &owner["EventSource"]]);
    let source = sources.find_map(Value::as_str)?;
    let known = SOURCES.iter().find(|(end, _)| source.ends_with(end));
    known.map(|(_, found)| *found)
}

/// What SNS sends besides notifications
/// ([formats](https://docs.aws.amazon.com/sns/latest/dg/sns-message-and-json-formats.html)), by the field `Type`.
pub(crate) fn confirmation(kind: &str) -> Option<&'static str> {
    match kind {
        "SubscriptionConfirmation" => {
            Some("an SNS SubscriptionConfirmation: open its SubscribeURL to confirm the subscription")
        }
        "UnsubscribeConfirmation" => {
            Some("an SNS UnsubscribeConfirmation: open its SubscribeURL to restore the subscription")
        }
        _ => None,
    }
}
