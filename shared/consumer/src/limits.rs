//! The limits of SQS, checked before a completion is committed whose messages could never be sent
//! ([SendMessage](https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html),
//! [message quotas](https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html)).

use crate::QueueMessage;

/// Body and attributes together; also the limit of a batch request.
pub(crate) const MAX_MESSAGE_BYTES: usize = 1024 * 1024;
/// Entries per batch request.
pub(crate) const MAX_ENTRIES: usize = 10;
/// Attributes per message.
pub(crate) const MAX_ATTRIBUTES: usize = 10;
/// Bytes of an attribute's name.
const MAX_NAME_BYTES: usize = 256;
/// Bytes of a message group ID.
const MAX_GROUP_BYTES: usize = 128;

/// Why SQS would refuse a message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unsendable {
    #[error("its body is empty")]
    Empty,
    #[error("{0} holds characters that SQS does not accept")]
    Characters(String),
    #[error("attribute {0:?} has a name or a value that SQS does not accept")]
    Attribute(String),
    #[error("it has {0} attributes, its key included, of at most {MAX_ATTRIBUTES}")]
    Attributes(usize),
    #[error("body and attributes take {0} bytes of at most {MAX_MESSAGE_BYTES}")]
    Size(usize),
    #[error("a FIFO queue wants a message group of 1 to {MAX_GROUP_BYTES} letters, digits or punctuation")]
    Group,
}

impl QueueMessage {
    /// The size as SQS counts it: the body, and each attribute's name, type and value.
    pub(crate) fn bytes(&self) -> usize {
        let attribute = |(name, value): (&String, &crate::Attribute)| {
            let text = |text: &Option<String>| text.as_ref().map_or(0, String::len);
            let binary = value.binary_value.as_ref().map_or(0, |bytes| bytes.len());
            name.len() + text(&value.data_type) + text(&value.string_value) + binary
        };
        self.body.len() + self.attributes.iter().map(attribute).sum::<usize>()
    }

    /// Checks what the message itself shows; the queue may refuse it for other reasons.
    pub(crate) fn check(&self) -> Result<(), Unsendable> {
        if self.body.is_empty() {
            return Err(Unsendable::Empty);
        }
        if !self.body.chars().all(is_sendable) {
            return Err(Unsendable::Characters("its body".to_owned()));
        }
        if self.attributes.len() > MAX_ATTRIBUTES {
            return Err(Unsendable::Attributes(self.attributes.len()));
        }
        for (name, value) in &self.attributes {
            if !is_name(name) || value.is_empty() {
                return Err(Unsendable::Attribute(name.clone()));
            }
            if !value.string_value.iter().flat_map(|text| text.chars()).all(is_sendable) {
                return Err(Unsendable::Characters(format!("attribute {name}")));
            }
        }
        if self.group.as_ref().is_some_and(|group| !is_group(group)) {
            return Err(Unsendable::Group);
        }
        match self.bytes() {
            bytes if bytes > MAX_MESSAGE_BYTES => Err(Unsendable::Size(bytes)),
            _ => Ok(()),
        }
    }
}

/// The text with a replacement for each character that SQS does not accept.
pub(crate) fn sendable(text: &str) -> String {
    let replaced = |character| if is_sendable(character) { character } else { '\u{fffd}' };
    text.chars().map(replaced).collect()
}

/// Whether SQS accepts the character: those of XML 1.0.
fn is_sendable(character: char) -> bool {
    matches!(character, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}

fn is_name(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    (1..=MAX_NAME_BYTES).contains(&name.len())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'))
        && !lower.starts_with("aws.")
        && !lower.starts_with("amazon.")
        && !name.starts_with('.')
        && !name.ends_with('.')
        && !name.contains("..")
}

fn is_group(group: &str) -> bool {
    (1..=MAX_GROUP_BYTES).contains(&group.len()) && group.bytes().all(|byte| byte.is_ascii_graphic())
}
