//! Keys: what a table's key is made of, and finding it in an item.

use super::error::validation;
use super::number::Number;
use super::value::{AttributeValue, Item};
use crate::ApiError;

/// [Limits](https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html#limits-partition-sort-keys).
const MAX_PARTITION_KEY: usize = 2048;
const MAX_SORT_KEY: usize = 1024;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Schema {
    pub(super) partition: KeyAttribute,
    pub(super) sort: Option<KeyAttribute>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct KeyAttribute {
    pub(super) name: String,
    /// `S`, `N` or `B`.
    pub(super) kind: String,
}

/// An item's key. Ordered, so that a scan that is continued knows its place.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    partition: Part,
    sort: Option<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    S(String),
    N(Number),
    B(Vec<u8>),
}

impl Schema {
    pub(super) fn attributes(&self) -> impl Iterator<Item = &KeyAttribute> {
        std::iter::once(&self.partition).chain(&self.sort)
    }

    /// The key of a whole item.
    pub(super) fn key_of_item(&self, item: &Item) -> Result<Key, ApiError> {
        self.key(|attribute| {
            let name = &attribute.name;
            let value = item
                .get(name)
                .ok_or_else(|| invalid(format!("Missing the key {name} in the item")))?;
            attribute.part(value).ok_or_else(|| {
                let (expected, actual) = (&attribute.kind, value.type_name());
                invalid(format!(
                    "Type mismatch for key {name} expected: {expected} actual: {actual}"
                ))
            })
        })
    }

    /// The key that a request's `Key` states: the key attributes and nothing else.
    pub(super) fn key_of_request(&self, key: &Item) -> Result<Key, ApiError> {
        let mismatch = || validation("The provided key element does not match the schema");
        if key.len() != self.attributes().count() {
            return Err(mismatch());
        }
        self.key(|attribute| {
            key.get(&attribute.name)
                .and_then(|value| attribute.part(value))
                .ok_or_else(mismatch)
        })
    }

    /// The key attributes of an item.
    pub(super) fn key_attributes(&self, item: &Item) -> Item {
        self.attributes()
            .filter_map(|attribute| Some((attribute.name.clone(), item.get(&attribute.name)?.clone())))
            .collect()
    }

    fn key(&self, part: impl Fn(&KeyAttribute) -> Result<Part, ApiError>) -> Result<Key, ApiError> {
        let partition = part(&self.partition)?;
        check_part(
            &self.partition,
            &partition,
            MAX_PARTITION_KEY,
            "Size of hashkey has exceeded the maximum size limit of2048 bytes",
        )?;
        let sort = self.sort.as_ref().map(&part).transpose()?;
        if let (Some(attribute), Some(sort)) = (&self.sort, &sort) {
            check_part(
                attribute,
                sort,
                MAX_SORT_KEY,
                "Aggregated size of all range keys has exceeded the size limit of 1024 bytes",
            )?;
        }
        Ok(Key { partition, sort })
    }
}

impl KeyAttribute {
    /// `None` if the value is of another type than the key's.
    fn part(&self, value: &AttributeValue) -> Option<Part> {
        match value {
            AttributeValue::S(text) if self.kind == "S" => Some(Part::S(text.clone())),
            AttributeValue::N(number) if self.kind == "N" => Some(Part::N(number.clone())),
            AttributeValue::B(bytes) if self.kind == "B" => Some(Part::B(bytes.clone())),
            _ => None,
        }
    }
}

/// The missing space in the messages for a key that is too long is DynamoDB's.
fn check_part(attribute: &KeyAttribute, part: &Part, limit: usize, too_long: &str) -> Result<(), ApiError> {
    let (size, kind) = match part {
        Part::S(text) => (text.len(), "string"),
        Part::B(bytes) => (bytes.len(), "binary"),
        Part::N(_) => return Ok(()),
    };
    match size {
        0 => Err(validation(format!(
            "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an \
             empty {kind} value. Key: {}",
            attribute.name
        ))),
        _ if size > limit => Err(invalid(too_long)),
        _ => Ok(()),
    }
}

fn invalid(reason: impl AsRef<str>) -> ApiError {
    validation(format!(
        "One or more parameter values were invalid: {}",
        reason.as_ref()
    ))
}
