//! From the event of an invocation to the messages of a batch.

use aws_lambda_events::sqs::{SqsEvent, SqsMessage, SqsMessageAttribute};
use consumer::{Attribute, Incoming, MessageId};
use idempotency::Timestamp;
use serde::{Deserialize, Deserializer};

/// An SQS event, or why it is not one.
pub(crate) struct Event(pub(crate) Result<SqsEvent, String>);

impl<'de> Deserialize<'de> for Event {
    /// Succeeds for any input: the Lambda runtime would log and return the Debug form of an error, which quotes the event.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let event = SqsEvent::deserialize(deserializer);
        Ok(Self(event.map_err(|error| not_an_event(&error.to_string()))))
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

/// The messages of an event.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Records {
    /// The queue's ARN; empty for an event without records.
    pub(crate) queue_arn: String,
    pub(crate) messages: Vec<Incoming>,
    /// The receipt handle of each message.
    pub(crate) receipt_handles: Vec<Option<String>>,
}

impl Records {
    /// The messages of an event, in its order.
    ///
    /// # Errors
    ///
    /// A record has no message ID: it can't be listed in the response (an empty ID fails the whole batch), and must not be
    /// acknowledged.
    pub(crate) fn of(event: SqsEvent) -> Result<Self, String> {
        let queue_arn = event.records.iter().find_map(|record| record.event_source_arn.clone());
        let receipt_handles = event.records.iter().map(|record| record.receipt_handle.clone());
        let receipt_handles = receipt_handles.collect();
        let messages = event.records.into_iter().enumerate().map(|(index, record)| {
            incoming(record)
                .ok_or_else(|| format!("record {index} of the event has no messageId; is the event from an SQS queue?"))
        });
        Ok(Self {
            queue_arn: queue_arn.unwrap_or_default(),
            messages: messages.collect::<Result<_, _>>()?,
            receipt_handles,
        })
    }

    /// Whether the queue is FIFO. Only its name states that: messages of standard queues may have groups too.
    pub(crate) fn ordered(&self) -> bool {
        self.queue_arn.ends_with(".fifo")
    }
}

fn incoming(record: SqsMessage) -> Option<Incoming> {
    let id = MessageId::new(record.message_id.unwrap_or_default())?;
    let mut system = record.attributes;
    let number = |name: &str| system.get(name).and_then(|text| text.parse::<u64>().ok());
    let receive_count = number("ApproximateReceiveCount").map_or(1, |count| u32::try_from(count).unwrap_or(u32::MAX));
    let sent_at = number("SentTimestamp").map(Timestamp::from_millis);
    let attributes = record.message_attributes.into_iter();
    Some(Incoming {
        receive_count,
        sent_at,
        queue: record.event_source_arn,
        group: system.remove("MessageGroupId"),
        deduplication_id: system.remove("MessageDeduplicationId"),
        trace_header: system.remove("AWSTraceHeader"),
        attributes: attributes.map(|(name, value)| (name, attribute(value))).collect(),
        ..Incoming::new(id, record.body.unwrap_or_default())
    })
}

fn attribute(received: SqsMessageAttribute) -> Attribute {
    Attribute {
        data_type: received.data_type,
        string_value: received.string_value,
        binary_value: received.binary_value.map(|bytes| bytes.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(event: &str) -> Result<SqsEvent, String> {
        // As the Lambda runtime does.
        let mut deserializer = serde_json::Deserializer::from_str(event);
        Event::deserialize(&mut deserializer).unwrap().0
    }

    #[test]
    fn an_sqs_event_is_decoded() {
        let event = read(r#"{"Records": [{"messageId": "m-1", "body": "b"}]}"#).unwrap();
        assert_eq!(event.records[0].message_id.as_deref(), Some("m-1"));
    }

    #[test]
    fn the_error_for_another_event_does_not_quote_it() {
        let line =
            |what| format!("not an SQS event: {what}; is the function invoked by something other than its queue?");
        assert_eq!(
            read(r#"{"detail": "secret"}"#).unwrap_err(),
            line("missing field `Records`")
        );
        for event in [
            r#""secret""#,
            "[]",
            "null",
            "{",
            r#"{"Records": "secret"}"#,
            r#"{"Records": [{"messageId": 4111111111111111}]}"#,
            r#"{"Records": [{"attributes": {"secret": []}}]}"#,
        ] {
            assert_eq!(read(event).unwrap_err(), line("unexpected shape"), "{event}");
        }
    }

    #[test]
    fn every_attribute_of_a_record_reaches_its_message() {
        let event = r#"{"Records": [{
            "messageId": "m-1", "receiptHandle": "r-1", "body": "{}",
            "attributes": {
                "ApproximateReceiveCount": "3", "SentTimestamp": "1700000000000", "MessageGroupId": "g",
                "MessageDeduplicationId": "d", "AWSTraceHeader": "Root=1", "SenderId": "AIDA"
            },
            "messageAttributes": {
                "tenant": {"dataType": "String", "stringValue": "blue"},
                "photo": {"dataType": "Binary", "binaryValue": "AP8="}
            },
            "eventSourceARN": "arn:aws:sqs:eu-west-1:123456789012:orders.fifo"
        }]}"#;
        let records = Records::of(read(event).unwrap()).unwrap();
        let text = Attribute {
            data_type: Some("String".to_owned()),
            string_value: Some("blue".to_owned()),
            binary_value: None,
        };
        let bytes = Attribute {
            data_type: Some("Binary".to_owned()),
            string_value: None,
            binary_value: Some(vec![0, 255]),
        };
        let expected = Incoming {
            attributes: [("tenant".to_owned(), text), ("photo".to_owned(), bytes)].into(),
            group: Some("g".to_owned()),
            deduplication_id: Some("d".to_owned()),
            queue: Some("arn:aws:sqs:eu-west-1:123456789012:orders.fifo".to_owned()),
            receive_count: 3,
            sent_at: Some(Timestamp::from_millis(1_700_000_000_000)),
            trace_header: Some("Root=1".to_owned()),
            ..Incoming::new(MessageId::new("m-1").unwrap(), "{}")
        };
        assert_eq!(records.messages, [expected]);
        assert_eq!(records.receipt_handles, [Some("r-1".to_owned())]);
        assert!(records.ordered());
    }

    #[test]
    fn the_default_receive_count_is_one() {
        let records = Records::of(read(r#"{"Records": [{"messageId": "m-1"}]}"#).unwrap()).unwrap();
        assert_eq!(records.messages, [Incoming::new(MessageId::new("m-1").unwrap(), "")]);
        assert!(!records.ordered());
    }

    #[test]
    fn a_record_without_an_id_fails_the_whole_batch() {
        for missing in [r#"{}"#, r#"{"messageId": ""}"#] {
            let event = format!(r#"{{"Records": [{{"messageId": "m-1"}}, {missing}]}}"#);
            let error = Records::of(read(&event).unwrap()).unwrap_err();
            assert!(error.starts_with("record 1 of the event has no messageId"), "{error}");
        }
    }
}
