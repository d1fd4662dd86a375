//! Conditions, as the ledger and the samples write them.

use super::*;

fn item() -> Value {
    json!({
        "id": { "S": "a" },
        "status": { "S": "INPROGRESS" },
        "owner": { "S": "me" },
        "n": { "N": "5" },
        "ends": { "N": "1700000000000" },
        "tags": { "SS": ["x", "y"] },
        "l": { "L": [{ "N": "7" }] },
        "m": { "M": { "k": { "N": "1" } } },
    })
}

/// Whether the condition holds for the item; an update without an expression leaves it as it is.
fn holds(store: &DynamoDb, condition: &str, values: Value) -> bool {
    let names = ["#status", "#owner"]
        .into_iter()
        .filter(|name| condition.contains(name));
    let names: serde_json::Map<_, _> = names
        .map(|name| (name.to_owned(), Value::from(name.trim_start_matches('#'))))
        .collect();
    let mut request = json!({ "TableName": HASH, "Key": key("a"), "ConditionExpression": condition });
    if !names.is_empty() {
        request["ExpressionAttributeNames"] = names.into();
    }
    if values != json!({}) {
        request["ExpressionAttributeValues"] = values;
    }
    match call(store, "UpdateItem", request) {
        Ok(_) => true,
        Err(error) => {
            assert_eq!(error.name(), "ConditionalCheckFailedException", "{condition}: {error}");
            assert_eq!(error.message, "The conditional request failed");
            false
        }
    }
}

#[track_caller]
fn assert_all(expected: bool, conditions: &[(&str, Value)]) {
    let store = store();
    put(&store, item());
    for (condition, values) in conditions {
        assert_eq!(holds(&store, condition, values.clone()), expected, "{condition}");
    }
}

fn number(number: &str) -> Value {
    json!({ "N": number })
}

#[test]
fn conditions_of_the_ledger_hold_as_written() {
    let free = "attribute_not_exists(id) OR expiration < :now OR (#status = :in_progress AND ends < :now \
                AND (attribute_not_exists(payload) OR payload = :payload))";
    let values = |now: &str| {
        json!({
            ":now": number(now), ":in_progress": { "S": "INPROGRESS" }, ":payload": { "S": "other" },
        })
    };
    let held = "#owner = :owner AND #status = :in_progress";
    let by = |owner: &str| json!({ ":owner": { "S": owner }, ":in_progress": { "S": "INPROGRESS" } });
    assert_all(true, &[(free, values("1700000000001")), (held, by("me"))]);
    assert_all(false, &[(free, values("1700000000000")), (held, by("you"))]);
    assert!(holds(&store(), free, values("0")), "no item");
    assert!(!holds(&store(), held, by("me")), "no item");
}

#[test]
fn comparisons_are_by_value_and_by_type() {
    let v = |value: Value| json!({ ":v": value });
    assert_all(
        true,
        &[
            ("n = :v", v(number("5.0"))),
            ("n >= :v", v(number("5"))),
            ("n BETWEEN :v AND :v", v(number("5"))),
            ("n IN (:v)", v(number("5"))),
            ("tags = :v", v(json!({ "SS": ["y", "x"] }))),
            ("m.k < l[0]", json!({})),
            ("contains(tags, :v)", v(json!({ "S": "x" }))),
            ("begins_with(#status, :v)", v(json!({ "S": "IN" }))),
            ("attribute_type(n, :v)", v(json!({ "S": "N" }))),
            ("size(tags) = :v", v(number("2"))),
        ],
    );
    assert_all(
        false,
        &[
            ("n = :v", v(json!({ "S": "5" }))),
            ("n > :v", v(number("5"))),
            ("n < :v", v(json!({ "S": "9" }))),
            ("contains(tags, :v)", v(json!({ "S": "z" }))),
        ],
    );
}

#[test]
fn a_comparison_with_a_missing_attribute_is_false() {
    let five = json!({ ":v": number("5") });
    for condition in [
        "nil = :v",
        "nil < :v",
        "nil >= :v",
        "nil IN (:v)",
        "n.k = :v",
        "l[9] = :v",
    ] {
        assert_all(false, &[(condition, five.clone())]);
        assert_all(true, &[(&format!("NOT {condition}"), five.clone())]);
    }
    assert_all(true, &[("nil <> :v", five)]);
}

#[test]
fn not_binds_tighter_than_and_and_and_tighter_than_or() {
    let yes_and_no = |condition: &str| {
        let mut values = json!({});
        for (name, value) in [(":yes", "5"), (":no", "6")] {
            if condition.contains(name) {
                values[name] = number(value);
            }
        }
        values
    };
    for (expected, condition) in [
        (true, "n = :yes OR n = :yes AND n = :no"),
        (false, "(n = :yes OR n = :yes) AND n = :no"),
        (true, "NOT n = :no AND n = :yes"),
        (false, "NOT n = :yes OR n = :no"),
        (false, "NOT (n = :yes OR n = :no)"),
    ] {
        assert_all(expected, &[(condition, yes_and_no(condition))]);
    }
}

#[test]
fn a_wrong_condition_is_refused_with_its_reason() {
    let five = json!({ ":v": number("5") });
    for (condition, values, reason) in [
        ("n =", json!({}), "Syntax error; token: \"<EOF>\""),
        ("", json!({}), "The expression can not be empty"),
        ("status = :v", five.clone(), "reserved keyword: status"),
        ("n = :none", five.clone(), "attribute value: :none"),
        ("#none = :v", five.clone(), "attribute name: #none"),
        ("dog(n)", json!({}), "Invalid function name; function: dog"),
        ("attribute_exists(n)", five, "unused in expressions: keys: {:v}"),
    ] {
        let mut request = json!({ "TableName": HASH, "Key": key("a"), "ConditionExpression": condition });
        if values != json!({}) {
            request["ExpressionAttributeValues"] = values;
        }
        let error = err(&store(), "DeleteItem", request);
        assert_eq!(error.name(), "ValidationException", "{condition}");
        assert!(error.message.contains(reason), "{condition}: {error}");
    }
}

#[test]
fn a_condition_refers_to_any_name_by_placeholder() {
    let store = store();
    let named = json!({ "id": { "S": "a" }, "a.b": { "M": { "status": { "S": "done" } } } });
    put(&store, named);
    let request = json!({
        "TableName": HASH,
        "Key": key("a"),
        "ConditionExpression": "#1.#status = :done",
        "ExpressionAttributeNames": { "#1": "a.b", "#status": "status" },
        "ExpressionAttributeValues": { ":done": { "S": "done" } },
    });
    ok(&store, "DeleteItem", request);
    assert_eq!(get(&store, "a"), Value::Null);
}
