//! The attributes of a message that is sent again: the producer's, and ours beside them.

use std::collections::BTreeMap;

use super::{FAILURE, Malformed, ORIGINAL, Original, Rejection, old};
use crate::{Attribute, Limits};

/// The message attributes of a received message, ours taken out of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Unpacked {
    /// The producer's attributes, also those that had no room. There may be more than a queue accepts.
    pub attributes: BTreeMap<String, Attribute>,
    /// What the message was before it was sent again, if it was.
    pub original: Option<Original>,
    /// Why a function rejected it, if one did.
    pub rejection: Option<Rejection>,
    /// Why [`ORIGINAL`] was left among the producer's attributes.
    pub malformed: Option<Malformed>,
}

impl Unpacked {
    /// The attributes of a message.
    ///
    /// An attribute with one of our names and another value than we write is left where it is, because it is the
    /// producer's.
    pub fn of(mut attributes: BTreeMap<String, Attribute>) -> Self {
        let rejection = attributes
            .get(FAILURE)
            .and_then(|value| read(value, FAILURE, Rejection::from_json).ok());
        if rejection.is_some() {
            attributes.remove(FAILURE);
        }
        let original = attributes
            .get(ORIGINAL)
            .map(|value| read(value, ORIGINAL, Original::from_json));
        let (original, malformed) = match original {
            None => (None, None),
            Some(Err(why)) => (None, Some(why)),
            Some(Ok(mut original)) => {
                attributes.remove(ORIGINAL);
                for (name, value) in std::mem::take(&mut original.attributes) {
                    attributes.entry(name).or_insert(value);
                }
                (Some(original), None)
            }
        };
        Self {
            attributes,
            original,
            rejection,
            malformed,
        }
    }

    /// The attributes of a message in a dead-letter queue, also of one that an earlier version of this crate sent there.
    ///
    /// `moved`: SQS itself moved the message, which then has the attribute `DeadLetterQueueSourceArn`. Its attributes are
    /// the producer's, whatever their names.
    pub fn of_dead_letter(attributes: BTreeMap<String, Attribute>, moved: bool) -> Self {
        let ours = [ORIGINAL, FAILURE].iter().any(|name| attributes.contains_key(*name));
        match moved || ours {
            true => Self::of(attributes),
            false => old::unpack(attributes),
        }
    }
}

fn read<T>(
    value: &Attribute,
    name: &'static str,
    from_json: impl Fn(&str) -> Result<T, Malformed>,
) -> Result<T, Malformed> {
    let why = || "not a String".to_owned();
    let text = value
        .string_value
        .as_deref()
        .ok_or_else(|| Malformed { name, why: why() })?;
    from_json(text)
}

/// The attributes of a message that is sent again: the producer's, `original`, and `rejection` if there is one.
///
/// Those of the producer that find no room among the queue's, the last by name, are put into `original`, and so is one
/// that has a name of ours. One without a value is left out: no queue accepts it, nor would [`ORIGINAL`] be readable with it.
/// The total size is not checked.
pub fn pack(
    mut attributes: BTreeMap<String, Attribute>,
    mut original: Original,
    rejection: Option<&Rejection>,
    limits: &Limits,
) -> BTreeMap<String, Attribute> {
    attributes.retain(|_, attribute| !attribute.is_empty());
    for name in [ORIGINAL, FAILURE] {
        original.attributes.extend(attributes.remove_entry(name));
    }
    let room = limits.attributes.saturating_sub(1 + usize::from(rejection.is_some()));
    while attributes.len() > room {
        original.attributes.extend(attributes.pop_last());
    }
    attributes.insert(ORIGINAL.to_owned(), text(&original.to_json(), limits));
    if let Some(rejection) = rejection {
        attributes.insert(FAILURE.to_owned(), text(&rejection.to_json(), limits));
    }
    attributes
}

/// JSON as an attribute's value.
pub(super) fn text(json: &str, limits: &Limits) -> Attribute {
    Attribute::string(escaped(json, limits))
}

/// JSON in which characters that the queue does not accept are escaped: they can only be in strings.
pub(crate) fn escaped(json: &str, limits: &Limits) -> String {
    let mut escaped = String::with_capacity(json.len());
    for character in json.chars() {
        match (limits.character)(character) {
            true => escaped.push(character),
            false => {
                let units = character.encode_utf16(&mut [0; 2]).to_vec();
                units
                    .iter()
                    .for_each(|unit| escaped.push_str(&format!("\\u{unit:04x}")));
            }
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{MemoryQueues, Queues};

    fn limits() -> Limits {
        MemoryQueues::new().limits("dlq")
    }

    fn named<'a>(names: impl IntoIterator<Item = &'a str>) -> BTreeMap<String, Attribute> {
        let attribute = |name: &str| (name.to_owned(), Attribute::string(format!("value of {name}")));
        names.into_iter().map(attribute).collect()
    }

    fn rejection() -> Rejection {
        Rejection {
            reason: "never".to_owned(),
            code: None,
            function: "f".to_owned(),
            receive_count: 1,
        }
    }

    #[test]
    fn the_last_attributes_by_name_travel_in_the_original() {
        let ten = named(["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"]);
        let sent = pack(ten.clone(), Original::default(), Some(&rejection()), &limits());
        let names: Vec<_> = sent.keys().map(String::as_str).collect();
        assert_eq!(
            names,
            [
                "Consumer.Failure",
                "Consumer.Original",
                "a",
                "b",
                "c",
                "d",
                "e",
                "f",
                "g",
                "h"
            ]
        );
        let received = Unpacked::of(sent);
        assert_eq!(received.attributes, ten);
        assert_eq!(received.original, Some(Original::default()));
        assert_eq!(received.rejection, Some(rejection()));

        let nine = named(["a", "b", "c", "d", "e", "f", "g", "h", "i"]);
        let sent = pack(nine.clone(), Original::default(), None, &limits());
        assert_eq!(sent.len(), 10);
        assert_eq!(sent[ORIGINAL].string_value.as_deref(), Some("{}"));
    }

    #[test]
    fn binary_values_and_types_survive_in_the_original() {
        let binary = Attribute {
            data_type: Some("Binary.png".to_owned()),
            string_value: None,
            binary_value: Some((0..=255).collect()),
        };
        let number = Attribute {
            data_type: Some("Number".to_owned()),
            ..Attribute::string("41")
        };
        let mut own = named(["a", "b", "c", "d", "e", "f", "g", "h"]);
        own.extend([("y".to_owned(), binary), ("z".to_owned(), number)]);
        let sent = pack(own.clone(), Original::default(), Some(&rejection()), &limits());
        assert!(!sent.contains_key("y") && !sent.contains_key("z"));
        assert_eq!(Unpacked::of(sent).attributes, own);
    }

    #[test]
    fn a_producers_attribute_with_our_name_is_not_lost() {
        let own = named([ORIGINAL, FAILURE, "tenant"]);
        let received = Unpacked::of(own.clone());
        assert_eq!(
            (&received.attributes, &received.original, &received.rejection),
            (&own, &None, &None)
        );
        assert_eq!(received.malformed.unwrap().name, ORIGINAL);
        let sent = pack(own.clone(), Original::default(), Some(&rejection()), &limits());
        assert_eq!(Unpacked::of(sent.clone()).attributes, own);
        // And not after another time either.
        let again = Unpacked::of(sent);
        let sent = pack(again.attributes, again.original.unwrap(), None, &limits());
        assert_eq!(Unpacked::of(sent).attributes, own);
    }

    #[test]
    fn a_binary_attribute_with_our_name_is_the_producers() {
        let binary = Attribute {
            data_type: Some("Binary".to_owned()),
            string_value: None,
            binary_value: Some(b"{}".to_vec()),
        };
        let received = Unpacked::of([(ORIGINAL.to_owned(), binary)].into());
        assert_eq!(received.original, None);
        let why = received.malformed.unwrap().to_string();
        assert_eq!(
            why,
            "attribute Consumer.Original is malformed: not a String; its name is reserved"
        );
    }

    #[test]
    fn an_attribute_without_a_value_makes_nothing_unreadable() {
        let mut own = named(["a", "b", "c", "d", "e", "f", "g", "h"]);
        let sendable = own.clone();
        own.extend(["b0", "z"].map(|name| (name.to_owned(), Attribute::default())));
        let sent = pack(own, Original::default(), Some(&rejection()), &limits());
        let received = Unpacked::of(sent);
        assert_eq!((received.attributes, received.malformed), (sendable, None));
    }

    #[test]
    fn characters_that_a_queue_refuses_are_escaped() {
        let ascii = Limits {
            character: |character| character.is_ascii(),
            ..limits()
        };
        let key = "a\u{0}b\u{ffff}c\u{1f375}".to_owned();
        let original = Original {
            key: Some(key.clone()),
            ..Original::default()
        };
        let sent = pack(BTreeMap::new(), original, None, &ascii);
        let text = sent[ORIGINAL].string_value.as_deref().unwrap();
        assert_eq!(text, r#"{"key":"a\u0000b\uffffc\ud83c\udf75"}"#);
        assert_eq!(Unpacked::of(sent).original.unwrap().key, Some(key));
    }
}
