//! A message in a dead-letter queue, and what it states about its failure and about the message it was.

use std::collections::BTreeMap;

use aws_sdk_sqs::types::{Message, MessageAttributeValue, MessageSystemAttributeName};
use consumer::Attribute;
use consumer::dead_letter::{IDEMPOTENCY_KEY, Original, Rejection, Unpacked};
use idempotency::Timestamp;

#[derive(Debug, Clone, Default)]
pub(super) struct DeadLetter {
    pub(super) id: String,
    pub(super) receipt: String,
    pub(super) body: String,
    /// The producer's.
    pub(super) attributes: BTreeMap<String, Attribute>,
    pub(super) group: Option<String>,
    pub(super) trace_header: Option<String>,
    /// When it was sent, to this queue or to the one it was moved from.
    pub(super) sent: Option<Timestamp>,
    /// When SQS first delivered it.
    pub(super) first_received: Option<Timestamp>,
    /// The ARN of the queue that SQS moved it from by a redrive policy.
    moved_from: Option<String>,
    /// What the message was before it.
    original: Original,
    /// Why a function rejected it.
    rejection: Option<Rejection>,
    /// Whether it was sent back to a queue after the rejection, by another redrive than the operator's, and SQS moved it from
    /// there.
    moved_since: bool,
}

impl DeadLetter {
    pub(super) fn of(message: Message) -> Self {
        let mut system = message.attributes.unwrap_or_default();
        let time = |name| system.get(&name)?.parse().ok().map(Timestamp::from_millis);
        let sent = time(MessageSystemAttributeName::SentTimestamp);
        let first_received = time(MessageSystemAttributeName::ApproximateFirstReceiveTimestamp);
        let moved_from = system.remove(&MessageSystemAttributeName::DeadLetterQueueSourceArn);
        let attributes = message.message_attributes.unwrap_or_default().into_iter();
        let attributes = attributes.map(|(name, value)| (name, attribute(value))).collect();
        let unpacked = Unpacked::of_dead_letter(attributes, moved_from.is_some());
        let rejected_in = unpacked.original.as_ref().and_then(|original| original.queue.as_ref());
        Self {
            moved_since: moved_from.is_some() && moved_from.as_ref() == rejected_in,
            id: message.message_id.unwrap_or_default(),
            receipt: message.receipt_handle.unwrap_or_default(),
            body: message.body.unwrap_or_default(),
            original: unpacked.original.unwrap_or_default(),
            attributes: unpacked.attributes,
            sent,
            first_received,
            group: system.remove(&MessageSystemAttributeName::MessageGroupId),
            trace_header: system.remove(&MessageSystemAttributeName::AwsTraceHeader),
            moved_from,
            rejection: unpacked.rejection,
        }
    }

    /// The idempotency key, without its namespace, as far as the message states it. SQS keeps the message ID of a message
    /// that it moves. That ID is the key, unless the function uses another.
    pub(super) fn key(&self) -> &str {
        self.stated_key().unwrap_or_else(|| self.first_id())
    }

    /// The key that functions use whatever else the message states.
    pub(super) fn stated_key(&self) -> Option<&str> {
        (self.original.key.as_deref()).or_else(|| text(&self.attributes, IDEMPOTENCY_KEY))
    }

    /// The ID of the message before it: the one that a function rejected, or that SQS moved and an operator redrove.
    pub(super) fn original_id(&self) -> Option<&str> {
        self.original.message_id.as_deref()
    }

    /// The ID that the message had first, as far as it is known.
    pub(super) fn first_id(&self) -> &str {
        self.original_id().unwrap_or(&self.id)
    }

    /// The ARN of the queue that it comes from, if SQS or a function states it.
    pub(super) fn source(&self) -> Option<&str> {
        let stated = self.original.queue.as_deref();
        match &self.rejection {
            // If SQS moved it, it was a dead letter before, and came from another dead-letter queue.
            Some(_) if !self.moved_since => stated.or(self.moved_from()),
            _ => self.moved_from().or(stated),
        }
    }

    /// The ARN of the queue that SQS moved it from, if that is another than the one it was rejected in: a dead-letter queue, or
    /// one that it was sent to since.
    pub(super) fn moved_from_another(&self) -> Option<&str> {
        let rejected_in = self.rejection.as_ref().and(self.original.queue.as_deref())?;
        self.moved_from().filter(|moved_from| *moved_from != rejected_in)
    }

    /// SQS moved it from a queue that it was sent to since it was rejected.
    pub(super) fn set_moved_since(&mut self) {
        self.moved_since = true;
    }

    /// The ARN of the queue that SQS moved it from by a redrive policy, if it did.
    pub(super) fn moved_from(&self) -> Option<&str> {
        self.moved_from.as_deref()
    }

    /// The deduplication ID that its producer set, if it is known. The one of the message itself is another: SQS replaces it
    /// when it moves a message, and a function when it sends a dead letter.
    pub(super) fn deduplication_id(&self) -> Option<&str> {
        self.original.deduplication_id.as_deref()
    }

    /// What the message was, for the one that is sent in its place.
    pub(super) fn original(&self) -> Original {
        Original {
            message_id: Some(self.first_id().to_owned()),
            queue: self.source().map(str::to_owned),
            ..self.original.clone()
        }
    }

    /// The namespace of the handler that rejected it, if it names one. None if SQS moved it from another queue since: its
    /// function is another, and the record of the first rejection is not of this message.
    pub(super) fn function(&self) -> Option<&str> {
        let rejection = self.rejection.as_ref()?;
        let is_its_queue = self.moved_from() == self.original.queue.as_deref();
        let function = Some(rejection.function.as_str()).filter(|_| !self.moved_since || is_its_queue);
        function.filter(|function| !function.is_empty())
    }

    /// What a function stated when it dead-lettered the message, unless SQS moved it from its queue since.
    fn stated(&self) -> Option<&Rejection> {
        self.rejection.as_ref().filter(|_| !self.moved_since)
    }

    /// The code of its failure, if the handler stated one.
    pub(super) fn code(&self) -> Option<&str> {
        self.stated()?.code.as_deref()
    }

    /// Whether SQS moved it, so that nothing states why its last attempt failed.
    pub(super) fn lacks_reason(&self) -> bool {
        self.stated().is_none() && self.moved_from.is_some()
    }

    pub(super) fn reason(&self) -> &str {
        match self.stated() {
            Some(rejection) => &rejection.reason,
            None if self.moved_from.is_some() => "moved by the redrive policy",
            None => "sent here without a reason",
        }
    }
}

fn attribute(value: MessageAttributeValue) -> Attribute {
    Attribute {
        data_type: Some(value.data_type),
        string_value: value.string_value,
        binary_value: value.binary_value.map(aws_sdk_sqs::primitives::Blob::into_inner),
    }
}

fn text<'a>(attributes: &'a BTreeMap<String, Attribute>, name: &str) -> Option<&'a str> {
    let value = attributes.get(name)?.string_value.as_deref()?;
    (!value.is_empty()).then_some(value)
}
