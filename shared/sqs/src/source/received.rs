//! From a received message to the consumer's.

use std::collections::BTreeMap;

use aws_sdk_sqs::types::{Message, MessageAttributeValue, MessageSystemAttributeName};
use consumer::{Attribute, Incoming, MessageId};
use idempotency::Timestamp;
use tokio::time::Instant;

use super::SqsReceipt;

/// The message and its receipt, or what it lacks that every message of SQS has.
pub(super) fn read(
    message: Message,
    arn: Option<&str>,
    received_at: Instant,
) -> Result<(Incoming, SqsReceipt), String> {
    let id = message.message_id.and_then(MessageId::new);
    let id = id.ok_or("it has no MessageId")?;
    let lacks = |what| format!("{} has no {what}", id.as_str());
    let handle = message.receipt_handle.filter(|handle| !handle.is_empty());
    let handle = handle.ok_or_else(|| lacks("ReceiptHandle"))?;
    let body = message.body.ok_or_else(|| lacks("Body"))?;
    let mut system = message.attributes.unwrap_or_default();
    let number = |name| system.get(&name).and_then(|text| text.parse::<u64>().ok());
    let receive_count = number(MessageSystemAttributeName::ApproximateReceiveCount);
    let sent_at = number(MessageSystemAttributeName::SentTimestamp).map(Timestamp::from_millis);
    let group = system.remove(&MessageSystemAttributeName::MessageGroupId);
    let receipt = SqsReceipt {
        handle,
        message: id.clone(),
        group: group.clone(),
        received_at,
    };
    let message = Incoming {
        receive_count: receive_count.map_or(1, |count| u32::try_from(count).unwrap_or(u32::MAX)),
        sent_at,
        queue: arn.map(str::to_owned),
        group,
        deduplication_id: system.remove(&MessageSystemAttributeName::MessageDeduplicationId),
        trace_header: system.remove(&MessageSystemAttributeName::AwsTraceHeader),
        attributes: attributes(message.message_attributes.unwrap_or_default()),
        ..Incoming::new(id, body)
    };
    Ok((message, receipt))
}

fn attributes(received: impl IntoIterator<Item = (String, MessageAttributeValue)>) -> BTreeMap<String, Attribute> {
    let attribute = |value: MessageAttributeValue| Attribute {
        data_type: Some(value.data_type),
        string_value: value.string_value,
        binary_value: value.binary_value.map(|bytes| bytes.into_inner()),
    };
    let attributes = received.into_iter();
    attributes.map(|(name, value)| (name, attribute(value))).collect()
}

#[cfg(test)]
mod tests {
    use aws_sdk_sqs::primitives::Blob;
    use aws_sdk_sqs::types::builders::MessageBuilder;

    use super::*;

    fn read(message: MessageBuilder) -> Result<Incoming, String> {
        super::read(message.build(), Some("arn"), Instant::now()).map(|(message, _)| message)
    }

    fn message() -> MessageBuilder {
        Message::builder().message_id("m-1").receipt_handle("r-1").body("{}")
    }

    #[test]
    fn what_a_message_states_arrives() {
        let attribute = |kind: &str| MessageAttributeValue::builder().data_type(kind);
        let received = message()
            .attributes(MessageSystemAttributeName::ApproximateReceiveCount, "3")
            .attributes(MessageSystemAttributeName::SentTimestamp, "1700000000123")
            .attributes(MessageSystemAttributeName::MessageGroupId, "g")
            .attributes(MessageSystemAttributeName::MessageDeduplicationId, "d")
            .attributes(MessageSystemAttributeName::AwsTraceHeader, "Root=1-2-3")
            .message_attributes("tenant", attribute("String").string_value("blue").build().unwrap())
            .message_attributes(
                "photo",
                attribute("Binary").binary_value(Blob::new([0, 255])).build().unwrap(),
            );
        let received = read(received).unwrap();
        let expected = Incoming {
            receive_count: 3,
            sent_at: Some(Timestamp::from_millis(1_700_000_000_123)),
            queue: Some("arn".to_owned()),
            group: Some("g".to_owned()),
            deduplication_id: Some("d".to_owned()),
            trace_header: Some("Root=1-2-3".to_owned()),
            attributes: received.attributes.clone(),
            ..Incoming::new(MessageId::new("m-1").unwrap(), "{}")
        };
        assert_eq!(received, expected);
        assert_eq!(received.attributes["tenant"].string_value.as_deref(), Some("blue"));
        assert_eq!(
            received.attributes["photo"].binary_value.as_deref(),
            Some(&[0, 255][..])
        );
    }

    #[test]
    fn a_number_that_is_none_counts_as_not_stated() {
        for (text, expected) in [("", 1), ("-1", 1), ("many", 1), ("99999999999", u32::MAX)] {
            let received = message()
                .attributes(MessageSystemAttributeName::ApproximateReceiveCount, text)
                .attributes(MessageSystemAttributeName::SentTimestamp, "yesterday");
            let received = read(received).unwrap();
            assert_eq!((received.receive_count, received.sent_at), (expected, None), "{text}");
        }
    }

    #[test]
    fn a_message_that_lacks_something_is_named() {
        let none = None::<String>;
        for (odd, expected) in [
            (message().set_message_id(none.clone()), "it has no MessageId"),
            (message().message_id(""), "it has no MessageId"),
            (message().set_receipt_handle(none.clone()), "m-1 has no ReceiptHandle"),
            (message().receipt_handle(""), "m-1 has no ReceiptHandle"),
            (message().set_body(none), "m-1 has no Body"),
        ] {
            assert_eq!(read(odd).unwrap_err(), expected);
        }
    }
}
