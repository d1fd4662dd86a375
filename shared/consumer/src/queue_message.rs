//! A message as it is sent to a queue.

use std::collections::BTreeMap;

use idempotency::OutgoingMessage;

use crate::Attribute;
use crate::dead_letter::IDEMPOTENCY_KEY;

/// A message to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueMessage {
    /// The body.
    pub body: String,
    /// The message attributes.
    pub attributes: BTreeMap<String, Attribute>,
    /// The message group, which ordered queues require.
    pub group: Option<String>,
    /// By this a FIFO queue recognises a copy for five minutes. Other queues ignore it.
    pub deduplication_id: Option<String>,
    /// The trace, in the format of `AWSTraceHeader`: the receiver continues it.
    pub trace_header: Option<String>,
}

impl QueueMessage {
    /// An outgoing message of a completion, with its key as attribute `IdempotencyKey` and as deduplication ID. Each time
    /// that it is sent, only the trace differs.
    pub fn of_outgoing(message: &OutgoingMessage, trace_header: Option<&str>) -> Self {
        let attributes = message.attributes().iter();
        let attributes = attributes.map(|(name, value)| (name.clone(), Attribute::string(value)));
        let key = (
            IDEMPOTENCY_KEY.to_owned(),
            Attribute::string(message.key().unwrap_or_default()),
        );
        Self {
            body: message.body().to_owned(),
            attributes: attributes.chain([key]).collect(),
            group: message.group().map(str::to_owned),
            deduplication_id: Some(message.deduplication_id()),
            trace_header: trace_header.map(str::to_owned),
        }
    }

    /// The size that queues count: the body, and each attribute's name, type and value, in bytes.
    pub fn bytes(&self) -> usize {
        let attribute = |(name, value): (&String, &Attribute)| {
            let text = |text: &Option<String>| text.as_ref().map_or(0, String::len);
            let binary = value.binary_value.as_ref().map_or(0, Vec::len);
            name.len() + text(&value.data_type) + text(&value.string_value) + binary
        };
        self.body.len() + self.attributes.iter().map(attribute).sum::<usize>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn body_and_each_part_of_an_attribute_count() {
        let binary = Attribute {
            data_type: Some("Binary".to_owned()),
            string_value: None,
            binary_value: Some(vec![0; 3]),
        };
        let message = QueueMessage {
            body: "ü".to_owned(),
            attributes: [("n".to_owned(), binary), ("ab".to_owned(), Attribute::string("wxyz"))].into(),
            group: Some("g".to_owned()),
            deduplication_id: Some("d".to_owned()),
            trace_header: None,
        };
        assert_eq!(message.bytes(), 2 + (1 + 6 + 3) + (2 + 6 + 4));
    }
}
