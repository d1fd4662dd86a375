//! Records as SQS sends them.
//!
//! Strings are borrowed from the event where they are not kept. One with an escape can't be: such an event is read record by record,
//! as is any that has another form.

use std::collections::BTreeMap;
use std::fmt;

use aws_lambda_events::sqs::SqsMessageAttribute;
use consumer::{Incoming, MessageId};
use idempotency::Timestamp;
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::{Object, Record, attributes};

/// An event whose records are all complete.
#[derive(Deserialize)]
pub(super) struct SentEvent<'a> {
    #[serde(rename = "Records", borrow)]
    pub(super) records: Vec<Object<SentRecord<'a>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SentRecord<'a> {
    #[serde(deserialize_with = "message_id")]
    message_id: MessageId,
    #[serde(deserialize_with = "not_empty")]
    receipt_handle: String,
    body: String,
    #[serde(borrow, default)]
    pub(super) attributes: System<'a>,
    #[serde(default)]
    message_attributes: BTreeMap<String, SqsMessageAttribute>,
    #[serde(rename = "eventSourceARN")]
    event_source_arn: Option<String>,
    // Not used: a record in which one of them is no string is odd.
    #[serde(rename = "md5OfBody")]
    _md5_of_body: Option<&'a str>,
    #[serde(rename = "md5OfMessageAttributes")]
    _md5_of_message_attributes: Option<&'a str>,
    #[serde(rename = "eventSource")]
    _event_source: Option<&'a str>,
    #[serde(rename = "awsRegion")]
    _aws_region: Option<&'a str>,
}

impl From<SentRecord<'_>> for Record {
    fn from(record: SentRecord<'_>) -> Self {
        Self {
            message: Incoming {
                queue: record.event_source_arn,
                attributes: attributes(record.message_attributes),
                ..record.attributes.message(record.message_id, record.body)
            },
            receipt_handle: record.receipt_handle,
        }
    }
}

fn not_empty<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = String::deserialize(deserializer)?;
    match text.is_empty() {
        true => Err(D::Error::custom("empty")),
        false => Ok(text),
    }
}

fn message_id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<MessageId, D::Error> {
    MessageId::new(String::deserialize(deserializer)?).ok_or_else(|| D::Error::custom("empty"))
}

/// What the queue states about a message: those of its system attributes that are needed.
#[derive(Default)]
pub(super) struct System<'a> {
    receive_count: Option<&'a str>,
    sent_at: Option<&'a str>,
    group: Option<&'a str>,
    deduplication_id: Option<&'a str>,
    trace_header: Option<&'a str>,
    sequence_number: Option<&'a str>,
}

impl<'a> System<'a> {
    pub(super) fn set(&mut self, name: &str, value: &'a str) {
        let attribute = match name {
            "ApproximateReceiveCount" => &mut self.receive_count,
            "SentTimestamp" => &mut self.sent_at,
            "MessageGroupId" => &mut self.group,
            "MessageDeduplicationId" => &mut self.deduplication_id,
            "AWSTraceHeader" => &mut self.trace_header,
            "SequenceNumber" => &mut self.sequence_number,
            _ => return,
        };
        *attribute = Some(value);
    }

    /// Whether the message has a sequence number, as on FIFO queues only.
    pub(super) fn is_numbered(&self) -> bool {
        self.sequence_number.is_some()
    }

    pub(super) fn message(&self, id: MessageId, body: String) -> Incoming {
        let number = |text: Option<&str>| text.and_then(|text| text.parse::<u64>().ok());
        let text = |text: Option<&str>| text.map(str::to_owned);
        Incoming {
            receive_count: number(self.receive_count).map_or(1, |count| u32::try_from(count).unwrap_or(u32::MAX)),
            sent_at: number(self.sent_at).map(Timestamp::from_millis),
            group: text(self.group),
            deduplication_id: text(self.deduplication_id),
            trace_header: text(self.trace_header),
            ..Incoming::new(id, body)
        }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for System<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Names;
        impl<'de> Visitor<'de> for Names {
            type Value = System<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("attributes, all of them strings")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<System<'de>, A::Error> {
                let mut system = System::default();
                while let Some((name, value)) = map.next_entry::<&str, &str>()? {
                    system.set(name, value);
                }
                Ok(system)
            }
        }
        deserializer.deserialize_map(Names)
    }
}
