//! Properties of items, for any input. Tests check them on hostile inputs, and so do the fuzz targets in `tests/fuzz`.

#![allow(clippy::expect_used, reason = "a property that does not hold is what a panic is for")]

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use hostile::quotes;
use serde_json::Value;

use super::item::{self, Item};
use crate::{Attempt, Change, Condition, Key, NoWrites, Record, Timestamp, decide};

/// An item is a record that is written as it was read, or an error that names the record and an attribute, and quotes
/// nothing. Whatever the record states, every change has an answer.
pub fn reads_what_it_writes(input: &[u8]) {
    let Some(item) = item_of(input) else {
        return;
    };
    let key = Key::new("place-order", "m-1").expect("neither is empty");
    match item::record(&key, &item) {
        Err(error) => {
            let error = error.to_string();
            assert!(error.contains("place-order#m-1") && !quotes(&error, input), "{error}");
        }
        Ok(record) => {
            let written = item::of(&key, &record);
            assert_eq!(
                item::record(&key, &written).expect("it was written as a record"),
                record
            );
            answers_every_change(&key, &record);
        }
    }
}

fn answers_every_change(key: &Key, record: &Record) {
    for now in [0, 1_700_000_000_000, u64::MAX].map(Timestamp::from_millis) {
        let attempt = Attempt::new(key.clone(), now, now).with_fingerprint("f");
        let claimed = Record::claimed(&attempt);
        let conditions = [
            Condition::Free(&attempt),
            Condition::Held(attempt.owner()),
            Condition::HeldUntil(attempt.owner(), now),
        ];
        for condition in conditions {
            for after in [Some(&claimed), None] {
                let change = Change::<NoWrites> {
                    key,
                    condition,
                    record: after,
                    writes: &[],
                };
                let _ = decide(Some(record), &change);
            }
        }
    }
}

/// An item in DynamoDB's JSON; `None` if the input is nothing like that.
fn item_of(input: &[u8]) -> Option<Item> {
    let Value::Object(members) = serde_json::from_slice(input).ok()? else {
        return None;
    };
    let attributes = members.into_iter().map(|(name, value)| (name, attribute(&value)));
    Some(attributes.collect())
}

/// A value without its type is text, a number or a list of such, as it would be in the item.
fn attribute(value: &Value) -> AttributeValue {
    let text = |name: &str| value.get(name)?.as_str().map(str::to_owned);
    match value {
        Value::Object(_) if text("S").is_some() => AttributeValue::S(text("S").unwrap_or_default()),
        Value::Object(_) if text("N").is_some() => AttributeValue::N(text("N").unwrap_or_default()),
        Value::Object(_) if text("B").is_some() => AttributeValue::B(Blob::new(text("B").unwrap_or_default())),
        Value::Object(members) => {
            let members = members.iter().map(|(name, value)| (name.clone(), attribute(value)));
            AttributeValue::M(members.collect())
        }
        Value::Array(items) => AttributeValue::L(items.iter().map(attribute).collect()),
        Value::String(text) => AttributeValue::S(text.clone()),
        Value::Number(number) => AttributeValue::N(number.to_string()),
        Value::Bool(value) => AttributeValue::Bool(*value),
        Value::Null => AttributeValue::Null(true),
    }
}

#[cfg(test)]
mod tests {
    use hostile::{check, files};

    use super::*;

    #[test]
    fn hostile_items_are_records_or_errors_without_values() {
        check(&files(&["tests/fuzz/seeds/record"]), 5_000, reads_what_it_writes);
    }
}
