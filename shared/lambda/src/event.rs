//! From the event of an invocation to the messages of a batch.

mod sent;

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use aws_lambda_events::sqs::{SqsMessage, SqsMessageAttribute};
use consumer::{Attribute, Incoming, MessageId};
use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use self::sent::{SentEvent, System};
use crate::odd::{Odd, raw_records};

/// The records of an SQS event, or why it is not one.
pub(crate) struct Event(pub(crate) Result<Records, String>);

impl<'de> Deserialize<'de> for Event {
    /// Succeeds for any input: the Lambda runtime would log and return the Debug form of an error, which quotes the event.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // The text, and not the records: after an error in one of them, a deserializer can't go on with the next.
        let text = <&RawValue>::deserialize(deserializer);
        Ok(Self(match text {
            Ok(text) => Records::read(text.get()),
            Err(_) => Err(not_an_event("")),
        }))
    }
}

/// The name of a missing field is from the SQS documentation; the rest of serde's message may quote the event.
fn not_an_event(message: &str) -> String {
    let what = match message.split(" at line ").next() {
        Some(missing) if missing.starts_with("missing field") => missing,
        _ => "unexpected shape",
    };
    format!("not an SQS event: {what}; is the function invoked by something other than its queue?")
}

/// A record that is an object: by itself, serde takes the fields from a list, too.
pub(crate) struct Object<T>(pub(crate) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Fields<T> {
            type Value = Object<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a record of SQS")
            }

            fn visit_map<A: MapAccess<'de>>(self, fields: A) -> Result<Object<T>, A::Error> {
                T::deserialize(MapAccessDeserializer::new(fields)).map(Object)
            }
        }
        deserializer.deserialize_map(Fields(PhantomData))
    }
}

/// The records of an event, in its order.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Records {
    /// The queue's ARN; empty if no record states it.
    pub(crate) queue_arn: String,
    pub(crate) records: Vec<Result<Record, Box<Odd>>>,
    /// Whether one has a sequence number, as on FIFO queues only.
    pub(crate) numbered: bool,
}

/// A message, and the handle of its receipt.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) message: Incoming,
    pub(crate) receipt_handle: String,
}

impl Records {
    /// The records of an event. An odd record does not affect the others.
    ///
    /// # Errors
    ///
    /// The event has no records, or they are not from SQS.
    pub(crate) fn read(event: &str) -> Result<Self, String> {
        match serde_json::from_str::<SentEvent<'_>>(event) {
            Ok(event) => {
                let records = event.records.into_iter();
                Self::of(records.map(|Object(record)| (record.attributes.is_numbered(), Ok(record.into()))))
            }
            Err(error) => {
                let records = raw_records(event).ok_or_else(|| not_an_event(&error.to_string()))?;
                let decode = |record: &RawValue| match serde_json::from_str::<Object<SqsMessage>>(record.get()) {
                    Ok(Object(record)) => (record.attributes.contains_key("SequenceNumber"), Record::of(record)),
                    Err(_) => (false, Err(Box::new(Odd::malformed(record)))),
                };
                Self::of(records.into_iter().map(decode))
            }
        }
    }

    /// Of each record, and whether it has a sequence number.
    fn of(decoded: impl Iterator<Item = (bool, Result<Record, Box<Odd>>)>) -> Result<Self, String> {
        let mut numbered = false;
        let records = decoded.map(|(is_numbered, record)| {
            numbered |= is_numbered;
            record
        });
        let records: Vec<_> = records.collect();
        let odd = || records.iter().filter_map(|record| record.as_ref().err());
        // Nothing is from SQS: not a queue's message with a mistake, but the event of another service.
        if !records.is_empty() && odd().filter(|odd| odd.id.is_none() && !odd.of_sqs).count() == records.len() {
            let why = odd().next().map_or("", |odd| &odd.why);
            return Err(format!("record 0 of the event: {why}; is the event from an SQS queue?"));
        }
        // An odd record may state anything.
        let of_good = records.iter().flatten().find_map(|record| record.message.queue.clone());
        let queue_arn = of_good.or_else(|| odd().find_map(|odd| odd.queue.clone()));
        Ok(Self {
            queue_arn: queue_arn.unwrap_or_default(),
            records,
            numbered,
        })
    }

    /// Whether the queue is FIFO. Its name states that: messages of standard queues may have groups too.
    pub(crate) fn ordered(&self) -> bool {
        match self.queue_arn.as_str() {
            "" => self.numbered,
            arn => arn.ends_with(".fifo"),
        }
    }
}

impl Record {
    /// The message of a record that has what every message has.
    fn of(mut record: SqsMessage) -> Result<Self, Box<Odd>> {
        let missing = missing_fields(&record);
        let id = record.message_id.take();
        match (
            id.and_then(MessageId::new),
            record.receipt_handle.take(),
            record.body.take(),
        ) {
            (Some(id), Some(receipt_handle), Some(body)) if missing.is_empty() => Ok(Self {
                message: incoming(id, body, record),
                receipt_handle,
            }),
            (id, receipt_handle, body) => {
                record.message_id = id.map(|id| id.as_str().to_owned());
                (record.receipt_handle, record.body) = (receipt_handle, body);
                Err(Box::new(Odd::incomplete(record, missing.join(", "))))
            }
        }
    }
}

/// What a record lacks that every message has.
fn missing_fields(record: &SqsMessage) -> Vec<String> {
    let required = [
        ("messageId", &record.message_id),
        ("receiptHandle", &record.receipt_handle),
        ("body", &record.body),
    ];
    let missing = required.into_iter().filter_map(|(name, value)| match value.as_deref() {
        None => Some(format!("{name} is missing or null")),
        Some("") if name != "body" => Some(format!("{name} is empty")),
        Some(_) => None,
    });
    missing.collect()
}

fn incoming(id: MessageId, body: String, record: SqsMessage) -> Incoming {
    let mut system = System::default();
    for (name, value) in &record.attributes {
        system.set(name, value);
    }
    Incoming {
        queue: record.event_source_arn,
        attributes: attributes(record.message_attributes),
        ..system.message(id, body)
    }
}

/// The message attributes of a record.
pub(crate) fn attributes(
    received: impl IntoIterator<Item = (String, SqsMessageAttribute)>,
) -> BTreeMap<String, Attribute> {
    let attribute = |received: SqsMessageAttribute| Attribute {
        data_type: received.data_type,
        string_value: received.string_value,
        binary_value: received.binary_value.map(|bytes| bytes.0),
    };
    received
        .into_iter()
        .map(|(name, value)| (name, attribute(value)))
        .collect()
}

#[cfg(test)]
mod tests;
