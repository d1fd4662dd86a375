//! A message in a dead-letter queue, and what it states about its failure.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_sqs::types::{Message, MessageAttributeValue, MessageSystemAttributeName};
use consumer::Attribute;
use consumer::dead_letter::{FAILURE, IDEMPOTENCY_KEY, ORIGINAL, Original, Rejection, Unpacked};
use idempotency::Timestamp;

/// The attributes that describe the failure. The redriven message does not have them.
const FAILURE_ATTRIBUTES: [&str; 5] = [
    FAILURE,
    "FailureReason",
    "FailedFunction",
    "ReceiveCount",
    ORIGINAL_MESSAGE_ID,
];

/// A redriven message's original message ID.
const ORIGINAL_MESSAGE_ID: &str = "OriginalMessageId";
/// A redriven message's original deduplication ID.
const ORIGINAL_DEDUPLICATION_ID: &str = "OriginalDeduplicationId";

/// A message has at most this many
/// [message attributes](https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-message-metadata.html).
const MAX_ATTRIBUTES: usize = 10;

pub(super) type Attributes = HashMap<String, MessageAttributeValue>;

#[derive(Debug, Default)]
pub(super) struct DeadLetter {
    pub(super) id: String,
    pub(super) receipt: String,
    pub(super) body: String,
    pub(super) attributes: Attributes,
    pub(super) group: Option<String>,
    pub(super) trace_header: Option<String>,
    deduplication_id: Option<String>,
    /// When it was sent, to this queue or to the one it was moved from.
    pub(super) sent: Option<Timestamp>,
    /// Whether SQS moved it here by a redrive policy.
    moved: bool,
    /// What the message was before it.
    original: Option<Original>,
    /// Why a function rejected it.
    rejection: Option<Rejection>,
}

fn attribute(value: &MessageAttributeValue) -> Attribute {
    Attribute {
        data_type: Some(value.data_type().to_owned()),
        string_value: value.string_value().map(str::to_owned),
        binary_value: value.binary_value().map(|bytes| bytes.as_ref().to_vec()),
    }
}

impl DeadLetter {
    pub(super) fn of(message: Message) -> Self {
        let mut system = message.attributes.unwrap_or_default();
        let sent = system.get(&MessageSystemAttributeName::SentTimestamp);
        let moved = system.contains_key(&MessageSystemAttributeName::DeadLetterQueueSourceArn);
        let attributes = message.message_attributes.unwrap_or_default();
        let values: BTreeMap<_, _> = attributes
            .iter()
            .map(|(name, value)| (name.clone(), attribute(value)))
            .collect();
        let unpacked = Unpacked::of_dead_letter(values, moved);
        Self {
            id: message.message_id.unwrap_or_default(),
            receipt: message.receipt_handle.unwrap_or_default(),
            body: message.body.unwrap_or_default(),
            attributes,
            sent: sent.and_then(|millis| millis.parse().ok()).map(Timestamp::from_millis),
            group: system.remove(&MessageSystemAttributeName::MessageGroupId),
            trace_header: system.remove(&MessageSystemAttributeName::AwsTraceHeader),
            deduplication_id: system.remove(&MessageSystemAttributeName::MessageDeduplicationId),
            moved,
            original: unpacked.original,
            rejection: unpacked.rejection,
        }
    }

    /// The idempotency key, without its namespace, as far as the message states it. SQS keeps the message ID of a message
    /// that it moves. That ID is the key, unless the function uses another.
    pub(super) fn key(&self) -> &str {
        let original = self.original.as_ref();
        let key = original.and_then(|original| original.key.as_deref());
        (key.or_else(|| self.text(IDEMPOTENCY_KEY)))
            .or_else(|| self.original_id())
            .unwrap_or(&self.id)
    }

    /// The ID of the message before it: the one that a function rejected, or that SQS moved and an operator redrove.
    pub(super) fn original_id(&self) -> Option<&str> {
        let original = self.original.as_ref();
        let id = original.and_then(|original| original.message_id.as_deref());
        id.or_else(|| self.text(ORIGINAL_MESSAGE_ID))
    }

    /// The namespace of the handler that rejected it, if it names one.
    pub(super) fn function(&self) -> Option<&str> {
        let rejection = self.rejection.as_ref()?;
        Some(rejection.function.as_str()).filter(|function| !function.is_empty())
    }

    pub(super) fn reason(&self) -> &str {
        match &self.rejection {
            Some(rejection) => &rejection.reason,
            None if self.moved => "moved by the redrive policy",
            None => "sent here without a reason",
        }
    }

    fn text(&self, name: &str) -> Option<&str> {
        let value = self.attributes.get(name)?.string_value()?;
        (!value.is_empty()).then_some(value)
    }

    /// The attributes of the redriven message: its own, and its identity.
    ///
    /// # Errors
    ///
    /// One line: they are more than SQS allows.
    pub(super) fn attributes_to_send(&self) -> Result<Attributes, String> {
        let mut attributes = self.attributes.clone();
        if attributes.contains_key(ORIGINAL) {
            // It has the identity, and the attributes that find no room.
            attributes.remove(FAILURE);
            return Ok(attributes);
        }
        attributes.retain(|name, _| !FAILURE_ATTRIBUTES.contains(&name.as_str()));
        let identity = self.identity();
        for (name, _) in &identity {
            attributes.remove(*name);
        }
        if attributes.len() + identity.len() > MAX_ATTRIBUTES {
            let names: Vec<_> = identity.iter().map(|(name, _)| *name).collect();
            return Err(format!(
                "its own {} attributes leave no room for {}, without which a copy would be processed again",
                attributes.len(),
                names.join(" and ")
            ));
        }
        for (name, value) in identity {
            let value = MessageAttributeValue::builder().data_type("String").string_value(value);
            attributes.insert(name.to_owned(), value.build().map_err(|error| error.to_string())?);
        }
        Ok(attributes)
    }

    /// The attributes by which functions recognise it. A message that states no key gets none: a key of ours would take
    /// precedence over the one in its envelope or its deduplication ID, and finished work would be repeated.
    fn identity(&self) -> Vec<(&'static str, &str)> {
        if let Some(key) = self.text(IDEMPOTENCY_KEY) {
            return vec![(IDEMPOTENCY_KEY, key)];
        }
        let first = self.text(ORIGINAL_DEDUPLICATION_ID);
        let deduplication_id = first.or(self.deduplication_id.as_deref());
        let deduplication_id = deduplication_id.map(|id| (ORIGINAL_DEDUPLICATION_ID, id));
        [(ORIGINAL_MESSAGE_ID, self.key())]
            .into_iter()
            .chain(deduplication_id)
            .collect()
    }
}
