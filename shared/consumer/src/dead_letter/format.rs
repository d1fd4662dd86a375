//! What the two attributes hold: JSON text, read and written here and nowhere else.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{FAILURE, ORIGINAL};
use crate::Attribute;

/// The value of [`ORIGINAL`]: what a message was before a function or an operator sent it again.
///
/// A field is `None` if it is not known. No field is ever a guess.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Original {
    /// Its message ID, the first one if it was sent again more than once. If it had none, one that its dead letter got.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message_id: Option<String>,
    /// The key of its work without the namespace, if a function has decided it, and it is not the message ID.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The deduplication ID that its producer set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deduplication_id: Option<String>,
    /// The ARN of the queue it was received from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue: Option<String>,
    /// The producer's attributes that have no room as attributes of the message.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", with = "stored")]
    pub attributes: BTreeMap<String, Attribute>,
}

/// The value of [`FAILURE`]: why a function dead-lettered a message.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rejection {
    /// Why it can never be processed, or failed at its last receive.
    pub reason: String,
    /// What all failures of this cause have in common, if the handler [stated](crate::Failure::code) it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// The namespace of the handler.
    #[serde(default)]
    pub function: String,
    /// How often the message was received.
    #[serde(default)]
    pub receive_count: u32,
}

/// The value of an attribute with one of our names is not what we write.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("attribute {name} is malformed: {why}; its name is reserved")]
pub struct Malformed {
    pub(super) name: &'static str,
    pub(super) why: String,
}

impl Original {
    /// The value of an attribute.
    ///
    /// # Errors
    ///
    /// [`Malformed`] if the text is not a JSON object with fields of these types. Unknown fields are ignored.
    pub fn from_json(text: &str) -> Result<Self, Malformed> {
        let original: Self = object(ORIGINAL, text)?;
        // An empty text identifies nothing.
        let stated = |field: Option<String>| field.filter(|text| !text.is_empty());
        Ok(Self {
            message_id: stated(original.message_id),
            key: stated(original.key),
            deduplication_id: stated(original.deduplication_id),
            queue: stated(original.queue),
            attributes: original.attributes,
        })
    }

    /// The value as text of an attribute.
    pub fn to_json(&self) -> String {
        json(self)
    }
}

impl Rejection {
    /// The value of an attribute.
    ///
    /// # Errors
    ///
    /// [`Malformed`] if the text is not a JSON object with at least a reason. Unknown fields are ignored.
    pub fn from_json(text: &str) -> Result<Self, Malformed> {
        object(FAILURE, text)
    }

    /// The value as text of an attribute.
    pub fn to_json(&self) -> String {
        json(self)
    }
}

/// The attribute [`FAILURE`], its reason with this many bytes at most: for queues that bound each attribute, or all of them, more
/// tightly than the whole message. Another value stays as it is.
pub fn with_short_reason(failure: &Attribute, bytes: usize) -> Attribute {
    let text = failure.string_value.as_deref().unwrap_or_default();
    let Ok(mut rejection) = Rejection::from_json(text) else {
        return failure.clone();
    };
    rejection.reason.truncate(rejection.reason.floor_char_boundary(bytes));
    Attribute {
        string_value: Some(rejection.to_json()),
        ..failure.clone()
    }
}

#[expect(clippy::expect_used, reason = "its message says why it can't happen")]
fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("strings, numbers and maps with keys of text are JSON")
}

/// The reason quotes nothing of the value: it goes to the log and into the ledger.
fn object<'a, T: Deserialize<'a>>(name: &'static str, text: &'a str) -> Result<T, Malformed> {
    let malformed = |why: String| Malformed { name, why };
    // serde would take the fields from an array, too.
    if !text.trim_start().starts_with('{') {
        return Err(malformed("not a JSON object".to_owned()));
    }
    serde_json::from_str(text).map_err(|error| {
        let what = if error.is_data() {
            "unexpected shape"
        } else {
            "not JSON"
        };
        malformed(format!("{what} at line {}, column {}", error.line(), error.column()))
    })
}

/// Attributes as JSON: binary values in Base64.
mod stored {
    use std::collections::BTreeMap;

    use base64::Engine;
    use base64::prelude::BASE64_STANDARD;
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use crate::Attribute;

    #[derive(Serialize, Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Stored {
        #[serde(skip_serializing_if = "Option::is_none")]
        data_type: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        string_value: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        binary_value: Option<String>,
    }

    pub(super) fn serialize<S: Serializer>(
        attributes: &BTreeMap<String, Attribute>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let stored = attributes.iter().map(|(name, attribute)| {
            let stored = Stored {
                data_type: attribute.data_type.clone(),
                string_value: attribute.string_value.clone(),
                binary_value: attribute
                    .binary_value
                    .as_ref()
                    .map(|bytes| BASE64_STANDARD.encode(bytes)),
            };
            (name, stored)
        });
        serializer.collect_map(stored)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<BTreeMap<String, Attribute>, D::Error> {
        let stored = Option::<BTreeMap<String, Stored>>::deserialize(deserializer)?.unwrap_or_default();
        let attribute = |(name, stored): (String, Stored)| {
            let binary_value = stored.binary_value.map(|text| BASE64_STANDARD.decode(text)).transpose();
            let attribute = Attribute {
                data_type: stored.data_type,
                string_value: stored.string_value,
                binary_value: binary_value.map_err(|_| D::Error::custom("a binary value is not Base64"))?,
            };
            match attribute.is_empty() {
                true => Err(D::Error::custom("an attribute has no value")),
                false => Ok((name, attribute)),
            }
        };
        stored.into_iter().map(attribute).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn everything() -> Original {
        let text = |value: &str| Some(value.to_owned());
        let binary = Attribute {
            data_type: text("Binary.png"),
            string_value: None,
            binary_value: Some(vec![0, 255]),
        };
        Original {
            message_id: text("m-1"),
            key: text("o-1"),
            deduplication_id: text("d-1"),
            queue: text("arn:aws:sqs:eu-central-1:111122223333:orders.fifo"),
            attributes: [
                ("photo".to_owned(), binary),
                ("tenant".to_owned(), Attribute::string("blue \"1\"")),
            ]
            .into(),
        }
    }

    #[test]
    fn the_format_is_the_one_of_stored_messages() {
        let stored = r#"{"messageId":"m-1","key":"o-1","deduplicationId":"d-1","queue":"arn:aws:sqs:eu-central-1:111122223333:orders.fifo","attributes":{"photo":{"dataType":"Binary.png","binaryValue":"AP8="},"tenant":{"dataType":"String","stringValue":"blue \"1\""}}}"#;
        assert_eq!(everything().to_json(), stored);
        assert_eq!(Original::from_json(stored).unwrap(), everything());
        let rejection = Rejection {
            reason: "not \"ever\"".to_owned(),
            code: None,
            function: "place-order".to_owned(),
            receive_count: 3,
        };
        let stored = r#"{"reason":"not \"ever\"","function":"place-order","receiveCount":3}"#;
        assert_eq!(rejection.to_json(), stored);
        assert_eq!(Rejection::from_json(stored).unwrap(), rejection);
        let rejection = Rejection {
            code: Some("wrong-sum".to_owned()),
            ..rejection
        };
        let stored = r#"{"reason":"not \"ever\"","code":"wrong-sum","function":"place-order","receiveCount":3}"#;
        assert_eq!(rejection.to_json(), stored);
        assert_eq!(Rejection::from_json(stored).unwrap(), rejection);
    }

    #[test]
    fn unknown_empty_and_absent_fields_are_not_known() {
        for nothing in [
            "{}",
            r#"{"later": [1], "attributes": null, "queue": null}"#,
            r#"{"messageId": "", "key": "", "deduplicationId": "", "queue": ""}"#,
        ] {
            assert_eq!(Original::from_json(nothing).unwrap(), Original::default(), "{nothing}");
        }
        assert_eq!(Original::default().to_json(), "{}");
    }

    #[test]
    fn a_malformed_value_is_named_and_not_quoted() {
        for text in [
            "",
            "secret",
            "[]",
            "null",
            r#""secret""#,
            r#"{"key": 4111}"#,
            r#"{"key": "secret""#,
            r#"{"attributes": ["secret"]}"#,
            r#"{"attributes": {"a": {"dataType": "Binary", "binaryValue": "secret!"}}}"#,
            r#"{"attributes": {"a": {"dataType": "String"}}}"#,
        ] {
            let why = Original::from_json(text).unwrap_err().to_string();
            assert!(why.starts_with("attribute Consumer.Original is malformed: "), "{why}");
            assert!(!why.contains("secret") && !why.contains("4111"), "{why}");
        }
        assert!(
            Rejection::from_json(r#"{"function": "f"}"#).is_err(),
            "without a reason"
        );
    }
}
