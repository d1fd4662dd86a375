//! Events as Lambda sends them to a function, and its responses.

use serde_json::{Map, Value, json};

use emulator::lambda::Invocation;

/// A message of an event.
#[derive(Debug, Clone, PartialEq)]
pub struct Message<'a> {
    /// Its ID.
    pub id: &'a str,
    /// Its group, if it comes from a FIFO queue.
    pub group: Option<&'a str>,
    /// Its body, as JSON.
    pub body: &'a Value,
}

/// ID and body of a standard queue's message.
impl<'a> From<&'a (&str, Value)> for Message<'a> {
    fn from((id, body): &'a (&str, Value)) -> Self {
        Self { id, group: None, body }
    }
}

/// ID, group and body of a FIFO queue's message.
impl<'a> From<&'a (&str, &str, Value)> for Message<'a> {
    fn from((id, group, body): &'a (&str, &str, Value)) -> Self {
        Self {
            id,
            group: Some(group),
            body,
        }
    }
}

/// An event of these messages from a queue, given by name, as Lambda sends it to a function.
pub fn event<'a, M>(queue: &str, messages: &'a [M]) -> String
where
    Message<'a>: From<&'a M>,
{
    let record = |message| record(queue, &Message::from(message));
    json!({ "Records": messages.iter().map(record).collect::<Vec<_>>() }).to_string()
}

fn record(queue: &str, message: &Message<'_>) -> Value {
    let mut attributes = Map::from_iter([
        ("ApproximateReceiveCount".to_owned(), "1".into()),
        ("SentTimestamp".to_owned(), "1700000000000".into()),
    ]);
    attributes.extend(message.group.map(|group| ("MessageGroupId".to_owned(), group.into())));
    json!({
        "messageId": message.id,
        "receiptHandle": "of no queue",
        "body": message.body.to_string(),
        "attributes": attributes,
        "messageAttributes": {},
        "md5OfBody": "not read",
        "eventSource": "aws:sqs",
        "eventSourceARN": format!("arn:aws:sqs:us-east-1:000000000000:{queue}"),
        "awsRegion": "us-east-1",
    })
}

/// The IDs of a response, which must have the shape that Lambda reads.
pub fn failures(invocation: &Invocation) -> Vec<String> {
    assert!(!invocation.failed, "{:?}", invocation.reason());
    let answer: Value = serde_json::from_slice(&invocation.payload).expect("the response is JSON");
    let failures = answer["batchItemFailures"].as_array();
    let id = |failure: &Value| failure["itemIdentifier"].as_str().map(str::to_owned);
    let ids: Option<Vec<_>> = failures.and_then(|failures| failures.iter().map(id).collect());
    ids.unwrap_or_else(|| panic!("Lambda would refuse the response {answer}"))
}
