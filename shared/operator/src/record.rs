//! A record as text and as JSON.

use aws_sdk_dynamodb::types::AttributeValue;
use base64::Engine;
use base64::prelude::BASE64_STANDARD as BASE64;
use cli::printable;
use idempotency::{Item, Key, Timestamp};
use serde_json::{Map, Number, Value};

use crate::time;

/// The attributes with a label, in the order in which they are shown. Others follow under their own names.
const KNOWN: [(&str, &str); 9] = [
    ("id", "record"),
    ("status", "status"),
    ("owner", "owner"),
    ("in_progress_expiration", "lease ends"),
    ("expiration", "expires"),
    ("validation", "fingerprint"),
    ("reason", "reason"),
    ("data", "data"),
    ("outgoing", "outgoing"),
];

/// What a claim states whose lease is over.
pub(crate) const NO_REASON: &str =
    "no reason is recorded: its process ended before it could record one, or its handler was cancelled";

/// A line for each attribute, and one for the idempotency token that receivers get.
pub(crate) fn text(key: &Key, item: &Item, now: Timestamp) -> String {
    let known = KNOWN
        .iter()
        .filter_map(|(name, label)| Some((*name, *label, item.get(*name)?)));
    let is_known = |name: &str| KNOWN.iter().any(|(known, _)| *known == name);
    let mut others: Vec<_> = item.iter().filter(|(name, _)| !is_known(name)).collect();
    others.sort_by_key(|(name, _)| *name);
    let others = others
        .into_iter()
        .map(|(name, value)| (name.as_str(), name.as_str(), value));
    let line = |label: &str, value: &str| format!("{label:<12} {value}");
    let lines = known.chain(others);
    let lease_end = item
        .get("in_progress_expiration")
        .and_then(|end| end.as_n().ok()?.parse().ok());
    let lease_is_over = lease_end.is_some_and(|end| Timestamp::from_millis(end) < now);
    let lines = lines.map(|(name, label, value)| line(&printable(label), &explained(name, value, lease_is_over, now)));
    lines
        .chain([line("token", &key.token())])
        .collect::<Vec<_>>()
        .join("\n")
}

fn explained(name: &str, value: &AttributeValue, lease_is_over: bool, now: Timestamp) -> String {
    let millis = |factor: u64| {
        let number: u64 = value.as_n().ok()?.parse().ok()?;
        Some(time::point(Timestamp::from_millis(number.checked_mul(factor)?), now))
    };
    let explained = match name {
        "in_progress_expiration" => millis(1),
        "expiration" => millis(1000),
        "status" => value.as_s().ok().and_then(|word| meaning(word, lease_is_over)),
        "outgoing" => value.as_s().ok().and_then(|text| indented(text)),
        _ => None,
    };
    explained.unwrap_or_else(|| plain(value))
}

fn meaning(status: &str, lease_is_over: bool) -> Option<String> {
    let meaning = match status {
        "INPROGRESS" if lease_is_over => NO_REASON,
        "INPROGRESS" => "its holder is processing it, or has died",
        "COMPLETED" => "done",
        "REJECTED" => "failed permanently",
        _ => return None,
    };
    Some(format!("{status}: {meaning}"))
}

/// The outgoing messages as indented JSON.
fn indented(outgoing: &str) -> Option<String> {
    let messages: Value = serde_json::from_str(outgoing).ok()?;
    let lines = format!("{messages:#}").replace('\n', "\n             ");
    Some(lines)
}

fn plain(value: &AttributeValue) -> String {
    match value {
        AttributeValue::S(text) => printable(text),
        other => value_json(other).to_string(),
    }
}

/// Every attribute under its own name; binary values in Base64.
pub(crate) fn json(item: &Item) -> Value {
    let attributes = item.iter().map(|(name, value)| (name.clone(), value_json(value)));
    // By name, because the order of a map is random.
    let mut attributes: Vec<_> = attributes.collect();
    attributes.sort_by(|(one, _), (other, _)| one.cmp(other));
    Value::Object(attributes.into_iter().collect())
}

fn value_json(value: &AttributeValue) -> Value {
    let texts = |texts: &[String]| texts.iter().map(|text| Value::String(text.clone())).collect();
    match value {
        AttributeValue::S(text) => Value::String(text.clone()),
        AttributeValue::N(digits) => number(digits),
        AttributeValue::Bool(truth) => Value::Bool(*truth),
        AttributeValue::B(bytes) => Value::String(BASE64.encode(bytes)),
        AttributeValue::Ss(set) => texts(set),
        AttributeValue::Ns(set) => set.iter().map(|digits| number(digits)).collect(),
        AttributeValue::Bs(set) => set.iter().map(|bytes| Value::String(BASE64.encode(bytes))).collect(),
        AttributeValue::L(list) => list.iter().map(value_json).collect(),
        AttributeValue::M(map) => {
            let entries = map.iter().map(|(name, value)| (name.clone(), value_json(value)));
            Value::Object(entries.collect::<Map<_, _>>())
        }
        // Null, and types that DynamoDB may add.
        _ => Value::Null,
    }
}

/// A number that JSON readers would round stays text.
fn number(digits: &str) -> Value {
    let whole = digits.parse::<i64>().map(Number::from).ok();
    whole.map_or_else(|| Value::String(digits.to_owned()), Value::Number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_never_rounded() {
        assert_eq!(number("1700000000123"), serde_json::json!(1_700_000_000_123_i64));
        assert_eq!(number("0.1"), serde_json::json!("0.1"));
        assert_eq!(number("1e38"), serde_json::json!("1e38"));
    }
}
