//! Attribute values: read from and written to the wire's JSON.
//!
//! Shapes: [AttributeValue](https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_AttributeValue.html).

use std::collections::{BTreeMap, BTreeSet};

use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::{Map, Value, json};

use super::error::{serialization, validation};
use super::number::Number;
use crate::ApiError;

/// The attributes of one item, or of one map inside it.
pub(super) type Item = BTreeMap<String, AttributeValue>;

/// How deep lists and maps may nest.
///
/// [Limits](https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html#limits-attributes).
pub(super) const MAX_NESTING: usize = 32;

const TYPES: [&str; 10] = ["S", "N", "B", "BOOL", "NULL", "SS", "NS", "BS", "L", "M"];

#[derive(Debug, Clone, PartialEq)]
pub(super) enum AttributeValue {
    S(String),
    N(Number),
    B(Vec<u8>),
    Bool(bool),
    Null,
    Ss(BTreeSet<String>),
    Ns(BTreeSet<Number>),
    Bs(BTreeSet<Vec<u8>>),
    L(Vec<Self>),
    M(Item),
}

impl AttributeValue {
    pub(super) fn parse(json: &Value) -> Result<Self, ApiError> {
        parse_nested(json, 0)
    }

    pub(super) fn to_json(&self) -> Value {
        match self {
            Self::S(text) => json!({ "S": text }),
            Self::N(number) => json!({ "N": number.to_string() }),
            Self::B(bytes) => json!({ "B": BASE64_STANDARD.encode(bytes) }),
            Self::Bool(flag) => json!({ "BOOL": flag }),
            Self::Null => json!({ "NULL": true }),
            Self::Ss(texts) => json!({ "SS": texts }),
            Self::Ns(numbers) => json!({ "NS": numbers.iter().map(Number::to_string).collect::<Vec<_>>() }),
            Self::Bs(blobs) => {
                json!({ "BS": blobs.iter().map(|blob| BASE64_STANDARD.encode(blob)).collect::<Vec<_>>() })
            }
            Self::L(values) => json!({ "L": values.iter().map(Self::to_json).collect::<Vec<_>>() }),
            Self::M(item) => json!({ "M": item_to_json(item) }),
        }
    }

    /// The type's name on the wire, such as `NS`.
    pub(super) fn type_name(&self) -> &'static str {
        match self {
            Self::S(_) => "S",
            Self::N(_) => "N",
            Self::B(_) => "B",
            Self::Bool(_) => "BOOL",
            Self::Null => "NULL",
            Self::Ss(_) => "SS",
            Self::Ns(_) => "NS",
            Self::Bs(_) => "BS",
            Self::L(_) => "L",
            Self::M(_) => "M",
        }
    }

    /// Bytes it takes in an item.
    ///
    /// Rules: [Item sizes and formats](https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html).
    pub(super) fn size(&self) -> usize {
        // Each list or map costs three bytes, and each of its elements one.
        match self {
            Self::S(text) => text.len(),
            Self::N(number) => number.size(),
            Self::B(bytes) => bytes.len(),
            Self::Bool(_) | Self::Null => 1,
            Self::Ss(texts) => texts.iter().map(String::len).sum(),
            Self::Ns(numbers) => numbers.iter().map(Number::size).sum(),
            Self::Bs(blobs) => blobs.iter().map(Vec::len).sum(),
            Self::L(values) => 3 + values.iter().map(|value| 1 + value.size()).sum::<usize>(),
            Self::M(item) => 3 + item.len() + item_size(item),
        }
    }

    /// How many lists and maps lie inside each other, itself included.
    pub(super) fn nesting(&self) -> usize {
        match self {
            Self::L(values) => 1 + values.iter().map(Self::nesting).max().unwrap_or(0),
            Self::M(item) => 1 + item.values().map(Self::nesting).max().unwrap_or(0),
            _ => 0,
        }
    }
}

pub(super) fn is_type_name(name: &str) -> bool {
    TYPES.contains(&name)
}

/// Bytes of all names and values.
pub(super) fn item_size(item: &Item) -> usize {
    item.iter().map(|(name, value)| name.len() + value.size()).sum()
}

pub(super) fn item_to_json(item: &Item) -> Value {
    Value::Object(
        item.iter()
            .map(|(name, value)| (name.clone(), value.to_json()))
            .collect(),
    )
}

pub(super) fn too_deep() -> ApiError {
    validation(format!(
        "Nesting Levels have exceeded supported limits: more than {MAX_NESTING} levels"
    ))
}

fn parse_nested(json: &Value, depth: usize) -> Result<AttributeValue, ApiError> {
    let members = json
        .as_object()
        .ok_or_else(|| serialization("Unexpected value type in payload: not an AttributeValue"))?;
    let mut typed = TYPES
        .iter()
        .filter_map(|name| Some((*name, members.get(*name).filter(|value| !value.is_null())?)));
    let (name, content) = typed.next().ok_or_else(|| {
        validation("Supplied AttributeValue is empty, must contain exactly one of the supported datatypes")
    })?;
    if typed.next().is_some() {
        return Err(validation(
            "Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported datatypes",
        ));
    }
    match name {
        "L" | "M" if depth == MAX_NESTING => Err(too_deep()),
        "L" => Ok(AttributeValue::L(
            array(content)?
                .iter()
                .map(|value| parse_nested(value, depth + 1))
                .collect::<Result<_, _>>()?,
        )),
        "M" => Ok(AttributeValue::M(parse_map(content, depth + 1)?)),
        "SS" | "NS" | "BS" => parse_set(name, content),
        _ => parse_scalar(name, content),
    }
}

fn parse_scalar(name: &str, content: &Value) -> Result<AttributeValue, ApiError> {
    match name {
        "S" => Ok(AttributeValue::S(text(content)?.to_owned())),
        "N" => Ok(AttributeValue::N(Number::parse(text(content)?)?)),
        "B" => Ok(AttributeValue::B(bytes(content)?)),
        "BOOL" => flag(content).map(AttributeValue::Bool),
        _ if flag(content)? => Ok(AttributeValue::Null),
        _ => Err(validation(
            "One or more parameter values were invalid: Null attribute value types must have the value of true",
        )),
    }
}

fn parse_set(name: &str, content: &Value) -> Result<AttributeValue, ApiError> {
    let members = array(content)?;
    match name {
        "SS" => Ok(AttributeValue::Ss(set(
            members,
            |member| text(member).map(str::to_owned),
            "An string set  may not be empty",
        )?)),
        "NS" => Ok(AttributeValue::Ns(set(
            members,
            |member| Number::parse(text(member)?),
            "An number set  may not be empty",
        )?)),
        _ => Ok(AttributeValue::Bs(set(
            members,
            bytes,
            "Binary sets should not be empty",
        )?)),
    }
}

/// The doubled space in the messages above is DynamoDB's.
fn set<T: Ord>(
    members: &[Value],
    parse: impl Fn(&Value) -> Result<T, ApiError>,
    when_empty: &str,
) -> Result<BTreeSet<T>, ApiError> {
    if members.is_empty() {
        return Err(validation(format!(
            "One or more parameter values were invalid: {when_empty}"
        )));
    }
    let set = members.iter().map(parse).collect::<Result<BTreeSet<_>, _>>()?;
    if set.len() < members.len() {
        let shown = members.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", ");
        return Err(validation(format!(
            "One or more parameter values were invalid: Input collection [{shown}] contains duplicates."
        )));
    }
    Ok(set)
}

/// An item or key as it stands in a request.
pub(super) fn parse_item(json: &Value) -> Result<Item, ApiError> {
    parse_map(json, 0)
}

fn parse_map(json: &Value, depth: usize) -> Result<Item, ApiError> {
    let members: &Map<String, Value> = json
        .as_object()
        .ok_or_else(|| serialization("Unexpected field type: not a map of AttributeValues"))?;
    members
        .iter()
        .map(|(name, value)| Ok((name.clone(), parse_nested(value, depth)?)))
        .collect()
}

fn text(json: &Value) -> Result<&str, ApiError> {
    json.as_str()
        .ok_or_else(|| serialization(format!("{} cannot be converted to String", token(json))))
}

fn flag(json: &Value) -> Result<bool, ApiError> {
    json.as_bool()
        .ok_or_else(|| serialization(format!("{} cannot be converted to Boolean", token(json))))
}

fn array(json: &Value) -> Result<&Vec<Value>, ApiError> {
    json.as_array()
        .ok_or_else(|| serialization("Unexpected field type: not a list"))
}

fn bytes(json: &Value) -> Result<Vec<u8>, ApiError> {
    let encoded = json
        .as_str()
        .ok_or_else(|| serialization("only base-64-encoded strings are convertible to bytes"))?;
    BASE64_STANDARD
        .decode(encoded)
        .map_err(|error| serialization(format!("Invalid Base64: {error}")))
}

/// What the service's JSON parser calls the token it found.
pub(super) fn token(json: &Value) -> &'static str {
    match json {
        Value::Null => "NULL_VALUE",
        Value::Bool(true) => "TRUE_VALUE",
        Value::Bool(false) => "FALSE_VALUE",
        Value::Number(_) => "NUMBER_VALUE",
        Value::String(_) => "STRING_VALUE",
        Value::Array(_) => "START_ARRAY",
        Value::Object(_) => "START_OBJECT",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(json: Value) -> AttributeValue {
        AttributeValue::parse(&json).unwrap()
    }

    fn refusal(json: Value) -> ApiError {
        AttributeValue::parse(&json).unwrap_err()
    }

    fn nested(levels: usize) -> Value {
        (0..levels).fold(json!({ "S": "deep" }), |inner, _| json!({ "L": [inner] }))
    }

    #[test]
    fn every_type_comes_back_as_it_was_sent() {
        for value in [
            json!({ "S": "" }),
            json!({ "N": "-1.5" }),
            json!({ "B": "AQI=" }),
            json!({ "BOOL": false }),
            json!({ "NULL": true }),
            json!({ "SS": ["a", "b"] }),
            json!({ "NS": ["1", "2"] }),
            json!({ "BS": ["AQ==", "Ag=="] }),
            json!({ "L": [{ "S": "a" }, { "L": [] }] }),
            json!({ "M": { "a": { "M": {} } } }),
        ] {
            let parsed = parse(value.clone());
            assert_eq!(parsed.to_json(), value);
            assert!(value.get(parsed.type_name()).is_some());
            assert!(is_type_name(parsed.type_name()));
        }
    }

    #[test]
    fn sets_are_equal_in_any_order() {
        assert_eq!(parse(json!({ "SS": ["a", "b"] })), parse(json!({ "SS": ["b", "a"] })));
        assert_eq!(
            parse(json!({ "NS": ["1", "2.0"] })),
            parse(json!({ "NS": ["2", "1.0"] }))
        );
    }

    #[test]
    fn sets_may_not_be_empty_nor_hold_a_member_twice() {
        for name in ["SS", "NS", "BS"] {
            assert!(refusal(json!({ name: [] })).message.contains("empty"), "{name}");
        }
        assert!(
            refusal(json!({ "SS": ["a", "a"] }))
                .message
                .ends_with("Input collection [a, a] contains duplicates.")
        );
        assert!(refusal(json!({ "NS": ["1", "1.0"] })).message.contains("duplicates"));
        assert!(
            refusal(json!({ "BS": ["AQ==", "AQ=="] }))
                .message
                .contains("duplicates")
        );
    }

    #[test]
    fn exactly_one_type_is_demanded() {
        assert!(
            refusal(json!({}))
                .message
                .starts_with("Supplied AttributeValue is empty")
        );
        assert!(
            refusal(json!({ "X": "1" }))
                .message
                .starts_with("Supplied AttributeValue is empty")
        );
        assert!(
            refusal(json!({ "S": null }))
                .message
                .starts_with("Supplied AttributeValue is empty")
        );
        assert!(
            refusal(json!({ "S": "1", "N": "1" }))
                .message
                .contains("more than one datatypes")
        );
        assert!(
            refusal(json!({ "NULL": false }))
                .message
                .contains("must have the value of true")
        );
    }

    #[test]
    fn the_wrong_json_type_is_a_serialization_error() {
        for value in [
            json!({ "S": 1 }),
            json!({ "N": 1 }),
            json!({ "B": "?" }),
            json!({ "B": 1 }),
            json!({ "BOOL": "yes" }),
            json!({ "NULL": [] }),
            json!({ "SS": "a" }),
            json!({ "SS": [1] }),
            json!({ "L": {} }),
            json!({ "M": [] }),
            json!("S"),
            json!(null),
        ] {
            assert_eq!(refusal(value.clone()).name(), "SerializationException", "{value}");
        }
    }

    #[test]
    fn values_nest_thirty_two_levels_deep_and_no_deeper() {
        assert_eq!(parse(nested(MAX_NESTING)).nesting(), MAX_NESTING);
        assert!(refusal(nested(MAX_NESTING + 1)).message.contains("Nesting Levels"));
        assert!(refusal(nested(100)).message.contains("Nesting Levels"));
    }

    #[test]
    fn sizes_follow_the_documented_rules() {
        for (value, size) in [
            (json!({ "S": "é" }), 2),
            (json!({ "N": "123" }), 3),
            (json!({ "B": "AQI=" }), 2),
            (json!({ "BOOL": true }), 1),
            (json!({ "NULL": true }), 1),
            (json!({ "SS": ["ab", "c"] }), 3),
            (json!({ "L": [] }), 3),
            (json!({ "L": [{ "S": "a" }] }), 5),
            (json!({ "M": { "ab": { "S": "c" } } }), 7),
        ] {
            assert_eq!(parse(value.clone()).size(), size, "{value}");
        }
        assert_eq!(item_size(&parse_item(&json!({ "id": { "S": "abc" } })).unwrap()), 5);
    }
}
