//! Message attributes: reading, checking, hashing and selecting them.

use std::collections::BTreeMap;

use base64::{Engine, engine::general_purpose::STANDARD};
use md5::{Digest, Md5};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::characters::check_characters;
use super::errors;
use super::fields::Fields;
use crate::ApiError;

/// [Amazon SQS message attributes](https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-message-metadata.html).
const MAX_ATTRIBUTES: usize = 10;
/// In bytes, of a name and of a type.
const MAX_NAME: usize = 256;
const MAX_DIGITS: usize = 38;

/// A message's attributes by name, sorted as their hash needs it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Attributes(BTreeMap<String, Attribute>);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Attribute {
    /// `String`, `Number` or `Binary`, perhaps with a suffix of the sender's: `Number.cents`.
    pub(crate) data_type: String,
    pub(crate) value: AttributeValue,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum AttributeValue {
    Text(String),
    Binary(Vec<u8>),
}

impl Attributes {
    /// The valid attributes of the map in this member of a request.
    pub(crate) fn read(request: &Fields<'_>, member: &str) -> Result<Self, ApiError> {
        let entries = request.object_map(member)?;
        if entries.len() > MAX_ATTRIBUTES {
            let count = entries.len();
            let message =
                format!("Number of message attributes [{count}] exceeds the allowed maximum [{MAX_ATTRIBUTES}].");
            return Err(errors::invalid_parameter(message));
        }
        let attribute = |(name, fields): &(&str, Fields<'_>)| Ok(((*name).to_owned(), Attribute::read(name, fields)?));
        Ok(Self(entries.iter().map(attribute).collect::<Result<_, ApiError>>()?))
    }

    /// Those whose values are text.
    pub(crate) fn texts(&self) -> BTreeMap<String, String> {
        let text = |(name, attribute): (&String, &Attribute)| match &attribute.value {
            AttributeValue::Text(text) => Some((name.clone(), text.clone())),
            AttributeValue::Binary(_) => None,
        };
        self.0.iter().filter_map(text).collect()
    }

    /// Bytes, as they count towards the size of a message: names, types and values.
    pub(crate) fn size(&self) -> usize {
        self.0
            .iter()
            .map(|(name, attribute)| name.len() + attribute.data_type.len() + attribute.bytes().len())
            .sum()
    }

    /// [Calculating the MD5 message digest for message attributes](https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-message-metadata.html#sqs-attributes-md5-message-digest-calculation);
    /// `None` if there are no attributes.
    pub(crate) fn md5(&self) -> Option<String> {
        if self.0.is_empty() {
            return None;
        }
        let mut hash = Md5::new();
        for (name, attribute) in &self.0 {
            update_with_length(&mut hash, name.as_bytes());
            update_with_length(&mut hash, attribute.data_type.as_bytes());
            hash.update([attribute.value.transport_type()]);
            update_with_length(&mut hash, attribute.bytes());
        }
        Some(hex::encode(hash.finalize()))
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Attribute> {
        self.0.get(name)
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Those that a receiver requested, by `All`, exact name, or prefix as in `order.*`.
    pub(crate) fn selected(&self, wanted: &[String]) -> Self {
        let matches = |name: &str| wanted.iter().any(|pattern| names_attribute(pattern, name));
        Self(
            self.0
                .iter()
                .filter(|(name, _)| matches(name))
                .map(|(name, a)| (name.clone(), a.clone()))
                .collect(),
        )
    }

    pub(crate) fn to_json(&self) -> Value {
        Value::Object(
            self.0
                .iter()
                .map(|(name, a)| (name.clone(), a.to_json()))
                .collect::<Map<_, _>>(),
        )
    }
}

/// A lone `*` is not documented, but SQS takes it as all.
fn names_attribute(pattern: &str, name: &str) -> bool {
    match pattern {
        "All" | "*" => true,
        _ => {
            pattern == name
                || pattern
                    .strip_suffix(".*")
                    .is_some_and(|prefix| name.starts_with(prefix))
        }
    }
}

fn update_with_length(hash: &mut Md5, bytes: &[u8]) {
    // A message is at most 1 MiB, so a length fits.
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    hash.update(length.to_be_bytes());
    hash.update(bytes);
}

impl Attribute {
    fn read(name: &str, fields: &Fields<'_>) -> Result<Self, ApiError> {
        check_name(name)?;
        let data_type = fields.text("DataType")?.unwrap_or_default();
        let base = check_type(name, data_type)?;
        if !fields.list("StringListValues")?.is_empty() || !fields.list("BinaryListValues")?.is_empty() {
            let message =
                format!("Message (user) attribute '{name}' must not contain list values: SQS doesn't implement them.");
            return Err(errors::invalid_parameter(message));
        }
        let text = fields.text("StringValue")?.filter(|text| !text.is_empty());
        let binary = fields.text("BinaryValue")?.filter(|binary| !binary.is_empty());
        let value = match (base, text, binary) {
            ("Binary", None, Some(binary)) => AttributeValue::Binary(decode(fields, binary)?),
            ("String" | "Number", Some(text), None) => AttributeValue::Text(text.to_owned()),
            _ => {
                let problem = format!("must contain a non-empty value of type '{base}'.");
                return Err(errors::invalid_parameter(format!(
                    "Message (user) attribute '{name}' {problem}"
                )));
            }
        };
        if let AttributeValue::Text(text) = &value {
            check_characters(text).map_err(errors::invalid_parameter)?;
            if base == "Number" && !is_number(text) {
                let message = format!("Can't cast the value of message (user) attribute '{name}' to a number.");
                return Err(errors::invalid_parameter(message));
            }
        }
        Ok(Self {
            data_type: data_type.to_owned(),
            value,
        })
    }

    fn bytes(&self) -> &[u8] {
        match &self.value {
            AttributeValue::Text(text) => text.as_bytes(),
            AttributeValue::Binary(bytes) => bytes,
        }
    }

    fn to_json(&self) -> Value {
        match &self.value {
            AttributeValue::Text(text) => json!({ "DataType": self.data_type, "StringValue": text }),
            AttributeValue::Binary(bytes) => {
                json!({ "DataType": self.data_type, "BinaryValue": STANDARD.encode(bytes) })
            }
        }
    }
}

impl AttributeValue {
    fn transport_type(&self) -> u8 {
        match self {
            Self::Text(_) => 1,
            Self::Binary(_) => 2,
        }
    }
}

fn decode(fields: &Fields<'_>, binary: &str) -> Result<Vec<u8>, ApiError> {
    STANDARD
        .decode(binary)
        .map_err(|_| errors::malformed(&fields.path("BinaryValue"), "base64"))
}

fn check_name(name: &str) -> Result<(), ApiError> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
    let lower = name.to_ascii_lowercase();
    let problem = if name.is_empty() || name.len() > MAX_NAME {
        "must be 1 to 256 characters long."
    } else if !name.bytes().all(allowed) {
        "can only contain A-Z, a-z, 0-9, underscore (_), hyphen (-), and period (.) characters."
    } else if name.starts_with('.') || name.ends_with('.') || name.contains("..") {
        "can't start or end with a period or have periods in succession."
    } else if lower.starts_with("aws.") || lower.starts_with("amazon.") {
        "can't start with a prefix reserved for AWS."
    } else {
        return Ok(());
    };
    Err(errors::invalid_parameter(format!(
        "The message attribute name '{name}' is invalid. Attribute name {problem}"
    )))
}

/// The part of the type before its suffix.
fn check_type<'a>(name: &str, data_type: &'a str) -> Result<&'a str, ApiError> {
    let base = data_type.split('.').next().unwrap_or_default();
    let problem = if data_type.is_empty() {
        "must contain a non-empty message attribute type."
    } else if !["String", "Number", "Binary"].contains(&base) {
        "has an invalid message attribute type, the set of supported type prefixes is Binary, Number, and String."
    } else if data_type.len() > MAX_NAME {
        "has a message attribute type longer than 256 bytes."
    } else {
        return Ok(base);
    };
    Err(errors::invalid_parameter(format!(
        "The message attribute '{name}' {problem}"
    )))
}

/// "Up to 38 digits of precision, and between 10^-128 and 10^+126": same page. Leading and trailing zeros are no precision.
/// Rust's `f64` also reads `inf` and `NaN`, which are no numbers here.
fn is_number(text: &str) -> bool {
    let numeric = |byte: u8| byte.is_ascii_digit() || b"+-.eE".contains(&byte);
    let mantissa = text.split(['e', 'E']).next().unwrap_or_default();
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    let in_range = |number: f64| number == 0.0 || (1e-128..=1e126).contains(&number.abs());
    digits.trim_matches('0').len() <= MAX_DIGITS && text.bytes().all(numeric) && text.parse().is_ok_and(in_range)
}
