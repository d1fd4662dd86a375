//! What a queue accepts as a message, checked before anything is committed that could then never be sent.

use std::error::Error;

use crate::{Attribute, QueueMessage};

/// What one queue accepts as a message. Each crate of a queue states its own.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Body and attributes together, in bytes.
    pub message_bytes: usize,
    /// Attributes of a message.
    pub attributes: usize,
    /// Whether a body may be empty.
    pub empty_body: bool,
    /// Whether each message must name its message group, because the queue keeps the order of groups.
    pub ordered: bool,
    /// The characters that a body or the value of an attribute may have.
    pub character: fn(char) -> bool,
    /// The names that an attribute may have.
    pub attribute_name: fn(&str) -> bool,
    /// The names that a message group may have.
    pub group: fn(&str) -> bool,
    /// Why the queue would refuse the message for another reason, such as a bound on what attributes take together.
    pub other: fn(&QueueMessage) -> Result<(), String>,
}

/// Why a queue would refuse a message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unsendable {
    #[error("its body is empty")]
    Empty,
    #[error("{0} contains characters that the queue does not accept")]
    Characters(String),
    #[error("attribute {0:?} has a name or a value that the queue does not accept")]
    Attribute(String),
    #[error("it has {has} attributes, its key included, of at most {most}")]
    Attributes { has: usize, most: usize },
    #[error("body and attributes take {has} bytes of at most {most}")]
    Size { has: usize, most: usize },
    #[error("its message group has a name that the queue does not accept")]
    Group,
    #[error("it has no message group, and the queue is ordered (FIFO)")]
    NoGroup,
    #[error("{0}")]
    Other(String),
}

impl Limits {
    /// Whether the queue would accept the message, as far as the message itself shows it.
    ///
    /// # Errors
    ///
    /// The first thing that the queue would refuse.
    pub fn check(&self, message: &QueueMessage) -> Result<(), impl Error + Send + Sync + use<>> {
        self.first_refusal(message)
    }

    pub(crate) fn first_refusal(&self, message: &QueueMessage) -> Result<(), Unsendable> {
        if message.body.is_empty() && !self.empty_body {
            return Err(Unsendable::Empty);
        }
        if !message.body.chars().all(self.character) {
            return Err(Unsendable::Characters("its body".to_owned()));
        }
        if message.attributes.len() > self.attributes {
            return Err(Unsendable::Attributes {
                has: message.attributes.len(),
                most: self.attributes,
            });
        }
        for (name, value) in &message.attributes {
            self.check_attribute(name, value)?;
        }
        match message.group.as_deref() {
            None if self.ordered => return Err(Unsendable::NoGroup),
            Some(group) if !(self.group)(group) => return Err(Unsendable::Group),
            _ => {}
        }
        match message.bytes() {
            has if has > self.message_bytes => Err(Unsendable::Size {
                has,
                most: self.message_bytes,
            }),
            _ => (self.other)(message).map_err(Unsendable::Other),
        }
    }

    fn check_attribute(&self, name: &str, value: &Attribute) -> Result<(), Unsendable> {
        if !(self.attribute_name)(name) || value.is_empty() {
            return Err(Unsendable::Attribute(name.to_owned()));
        }
        let mut characters = value.string_value.iter().flat_map(|text| text.chars());
        match characters.all(self.character) {
            true => Ok(()),
            false => Err(Unsendable::Characters(format!("attribute {name}"))),
        }
    }

    /// The text with every character replaced that the queue does not accept.
    pub(crate) fn sendable(&self, text: &str) -> String {
        let replaced = |character| {
            if (self.character)(character) {
                character
            } else {
                '\u{fffd}'
            }
        };
        text.chars().map(replaced).collect()
    }
}
