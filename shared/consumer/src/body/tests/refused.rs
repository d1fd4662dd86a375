//! Values that a handler's type refuses: path, expected type, and nothing of the body.

#![expect(dead_code, reason = "only why a value is refused matters")]

use std::collections::HashMap;
use std::num::NonZeroU8;

use serde::Deserialize;
use serde::de::Error;

use crate::body::decode;
use crate::{Body, Envelope};

#[derive(Debug, Deserialize)]
struct Line {
    sku: String,
    quantity: NonZeroU8,
    #[serde(default)]
    price: Option<i64>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Size {
    Small,
    Large,
}

#[derive(Debug, Deserialize)]
struct Order {
    #[serde(default)]
    items: Vec<Line>,
    #[serde(default)]
    pair: Option<(u8, bool)>,
    #[serde(default)]
    size: Option<Size>,
    #[serde(default)]
    limits: HashMap<String, u32>,
    #[serde(default)]
    by_number: HashMap<u64, Line>,
    #[serde(default, deserialize_with = "quoting")]
    custom: (),
}

/// As a careless author writes it.
fn quoting<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<(), D::Error> {
    let text = String::deserialize(deserializer)?;
    Err(D::Error::custom(format!("can't use {text}, expected something else")))
}

/// Several types of messages on one queue.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
enum Event {
    OrderPlaced(Line),
    OrderCancelled { order: String },
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Either {
    Number(u8),
    Line(Line),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Strict {
    order: String,
}

fn reason<M: Body + std::fmt::Debug>(body: &str) -> String {
    let why = decode::<M>(body, Envelope::None).unwrap_err();
    let why = why.strip_prefix("malformed body: ").unwrap();
    assert!(!why.contains("4111") && !why.contains("secret"), "{why}");
    why.to_owned()
}

#[test]
fn path_and_expected_type_of_a_refused_value_are_stated() {
    for (body, why) in [
        (
            r#"{"items": [{"sku": "a", "quantity": 1}, {"sku": 4111, "quantity": 1}]}"#,
            "`items[1].sku`: expected a string, found an integer (line 1, column 52)",
        ),
        (
            "{\"items\": [\n  {\"sku\": \"secret\", \"quantity\": \"4111\"}]}",
            "`items[0].quantity`: expected a nonzero u8, found a string (line 2, column 38)",
        ),
        (
            r#"{"items": [{"sku": "a", "quantity": 4111}]}"#,
            "`items[0].quantity`: expected a nonzero u8, found an integer with another value or range (line 1, column 40)",
        ),
        (
            r#"{"items": [{"sku": "a", "quantity": 0}]}"#,
            "`items[0].quantity`: expected a nonzero u8, found an integer with another value or range (line 1, column 37)",
        ),
        (
            r#"{"items": [{"sku": "a", "quantity": 1, "price": 4111.5}]}"#,
            "`items[0].price`: expected an integer (i64), found a number with a fraction (line 1, column 54)",
        ),
        (
            r#"{"items": [{"sku": "a"}]}"#,
            "`items[0]`: missing field `quantity` (line 1, column 23)",
        ),
        (
            r#"{"items": [{"sku": "a", "sku": "secret"}]}"#,
            "`items[0]`: duplicate field `sku` (line 1, column 29)",
        ),
        (
            r#"{"items": {"sku": "secret"}}"#,
            "`items`: expected a list, found an object (line 1, column 10)",
        ),
        (
            r#"{"items": null}"#,
            "`items`: expected a list, found null (line 1, column 14)",
        ),
        (
            r#"{"items": true}"#,
            "`items`: expected a list, found true or false (line 1, column 14)",
        ),
        (
            r#"{"pair": [1]}"#,
            "`pair`: expected a tuple of size 2, found another number of values (line 1, column 12)",
        ),
        (
            r#"{"size": "secret"}"#,
            "`size`: unknown variant: expected one of `small` or `large` (line 1, column 17)",
        ),
    ] {
        assert_eq!(reason::<Order>(body), why, "{body}");
    }
}

#[test]
fn a_key_of_a_map_is_not_shown() {
    for (body, why) in [
        (
            r#"{"limits": {"secret": "4111"}}"#,
            "`limits.*`: expected a non-negative integer (u32), found a string (line 1, column 28)",
        ),
        (
            r#"{"by_number": {"4111111111111111": {"sku": 1, "quantity": 1}}}"#,
            "`by_number.*.sku`: expected a string, found an integer (line 1, column 44)",
        ),
        (
            r#"{"by_number": {"secret": {}}}"#,
            "a value is not what the handler expects (line 1, column 16)",
        ),
    ] {
        assert_eq!(reason::<Order>(body), why, "{body}");
    }
}

#[test]
fn a_text_of_the_author_that_quotes_the_body_is_not_shown() {
    for body in [
        r#"{"custom": "secret"}"#,
        r#"{"custom": "invalid type: string, expected secret"}"#,
        r#"{"custom": "x at line 1 column 4111"}"#,
    ] {
        let why = reason::<Order>(body);
        assert!(why.starts_with("a value is not what the handler expects"), "{why}");
    }
}

#[test]
fn an_unknown_tag_is_refused_with_the_known_ones() {
    for (body, why) in [
        (
            r#"{"type": "secret", "order": "o-1"}"#,
            "`type`: unknown variant: expected one of `order-placed` or `order-cancelled` (line 1, column 17)",
        ),
        (r#"{"order": "secret"}"#, "missing field `type` (line 1, column 19)"),
        (
            r#"{"type": 4111}"#,
            "`type`: expected the name of a variant, found an integer (line 1, column 13)",
        ),
        (r#"{"type": "order-cancelled"}"#, "missing field `order`"),
        // serde has read the whole object before it knows its type, so there is neither path nor position.
        (
            r#"{"type": "order-placed", "sku": 4111, "quantity": 1}"#,
            "expected a string, found an integer",
        ),
    ] {
        assert_eq!(reason::<Event>(body), why, "{body}");
    }
    let known = decode::<Event>(r#"{"order": "o-1", "type": "order-cancelled"}"#, Envelope::None);
    assert!(matches!(known, Ok(Event::OrderCancelled { order }) if order == "o-1"));
}

#[test]
fn an_untagged_enum_states_its_name_only() {
    assert_eq!(
        reason::<Either>(r#"{"sku": "secret", "quantity": 0}"#),
        "data did not match any variant of untagged enum Either"
    );
}

#[test]
fn an_unknown_field_is_refused_without_its_name() {
    assert_eq!(
        reason::<Strict>(r#"{"order": "o-1", "secret": 1}"#),
        "unknown field: expected one of `order` (line 1, column 25)"
    );
}

#[test]
fn variants_and_values_of_a_long_list_are_cut() {
    #[derive(Debug, Deserialize)]
    struct Named(#[serde(deserialize_with = "one_of_many")] ());
    fn one_of_many<'de, D: serde::Deserializer<'de>>(_: D) -> Result<(), D::Error> {
        const MANY: [&str; 100] = ["variant"; 100];
        Err(D::Error::unknown_variant("secret", &MANY))
    }
    let why = reason::<Named>("1");
    assert!(
        why.len() < 400 && why.contains("`variant`, `var") && why.contains("..."),
        "{why}"
    );
}

#[test]
fn a_long_path_is_cut() {
    #[derive(Debug, Deserialize)]
    struct Nested {
        a: Option<Box<Nested>>,
    }
    let body = [&"{\"a\": ".repeat(20), "4111", &"}".repeat(20)].concat();
    let why = reason::<Nested>(&body);
    assert!(
        why.starts_with("`a.a.a.a.a.a.a.a...`: expected struct Nested, found an integer"),
        "{why}"
    );
}
