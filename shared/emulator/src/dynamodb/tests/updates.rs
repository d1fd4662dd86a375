//! Updates, as the samples and users' functions write them.

use super::*;

fn update(expression: &str, values: Value) -> Value {
    let mut request = json!({ "TableName": HASH, "Key": key("a"), "UpdateExpression": expression });
    if values != json!({}) {
        request["ExpressionAttributeValues"] = values;
    }
    request
}

fn number(number: &str) -> Value {
    json!({ "N": number })
}

fn list(numbers: &[&str]) -> Value {
    json!({ "L": numbers.iter().map(|text| number(text)).collect::<Vec<_>>() })
}

/// What the update makes of an item with these attributes, without its key.
#[track_caller]
fn after(attributes: Value, expression: &str, values: Value) -> Value {
    let store = store();
    put(&store, merged(key("a"), attributes));
    ok(&store, "UpdateItem", update(expression, values));
    let mut item = get(&store, "a");
    item.as_object_mut().unwrap().remove("id");
    item
}

#[test]
fn set_assigns_and_computes() {
    let item = json!({ "a": number("10"), "l": list(&["1"]) });
    let expression = "SET b = a + :two, c = :two - a, d = if_not_exists(e, :two), f = if_not_exists(a, :two), \
                      g = list_append(l, l)";
    let wanted = json!({
        "b": number("12"), "c": number("-8"), "d": number("2"), "f": number("10"), "g": list(&["1", "1"]),
    });
    let values = json!({ ":two": number("2") });
    assert_eq!(after(item.clone(), expression, values), merged(item, wanted));
}

#[test]
fn every_right_hand_side_reads_the_item_as_it_was() {
    let item = json!({ "a": number("1"), "b": number("2") });
    let swapped = json!({ "a": number("2"), "b": number("1") });
    assert_eq!(after(item.clone(), "SET a = b, b = a", json!({})), swapped);
    let moved = json!({ "b": number("2"), "c": number("1") });
    assert_eq!(after(item, "REMOVE a SET c = a", json!({})), moved);
}

#[test]
fn add_counts_exactly_and_joins_sets() {
    let item = json!({ "n": number("0.1"), "ss": { "SS": ["a", "b"] } });
    let values = json!({ ":n": number("0.2"), ":s": { "SS": ["b", "c"] } });
    let wanted = json!({
        "n": number("0.3"), "ss": { "SS": ["a", "b", "c"] }, "m": number("0.2"), "ts": { "SS": ["b", "c"] },
    });
    assert_eq!(after(item, "ADD n :n, ss :s, m :n, ts :s", values), wanted);
}

#[test]
fn delete_takes_from_sets_and_leaves_no_empty_one() {
    let item = json!({ "a": { "SS": ["x", "y"] }, "b": { "SS": ["x"] } });
    let values = json!({ ":gone": { "SS": ["x", "z"] } });
    let wanted = json!({ "a": { "SS": ["y"] } });
    assert_eq!(after(item, "DELETE a :gone, b :gone, c :gone", values), wanted);
}

#[test]
fn nested_attributes_are_changed_in_place() {
    let item = json!({ "m": { "M": { "x": number("1"), "l": { "L": [{ "M": {} }] } } } });
    let wanted = json!({ "m": { "M": { "y": number("2"), "l": { "L": [{ "M": { "z": number("2") } }] } } } });
    let expression = "SET m.y = :v, m.l[0].z = :v REMOVE m.x, m.nil";
    assert_eq!(after(item, expression, json!({ ":v": number("2") })), wanted);
}

#[test]
fn an_update_creates_the_item() {
    let store = store();
    let add = update("ADD n :one", json!({ ":one": number("1") }));
    ok(&store, "UpdateItem", add);
    assert_eq!(get(&store, "a"), json!({ "id": { "S": "a" }, "n": number("1") }));
    ok(&store, "UpdateItem", json!({ "TableName": HASH, "Key": key("b") }));
    assert_eq!(get(&store, "b"), key("b"));
}

#[test]
fn return_values_show_the_requested_part_of_the_item() {
    let old = json!({ "id": { "S": "a" }, "n": number("1"), "gone": number("0") });
    let new = json!({ "id": { "S": "a" }, "n": number("2") });
    for (requested, attributes) in [
        ("NONE", Value::Null),
        ("ALL_OLD", old.clone()),
        ("ALL_NEW", new.clone()),
        ("UPDATED_OLD", json!({ "n": number("1"), "gone": number("0") })),
        ("UPDATED_NEW", json!({ "n": number("2") })),
    ] {
        let store = store();
        put(&store, old.clone());
        let request = merged(
            update("ADD n :one REMOVE gone", json!({ ":one": number("1") })),
            json!({ "ReturnValues": requested }),
        );
        assert_eq!(
            ok(&store, "UpdateItem", request)["Attributes"],
            attributes,
            "{requested}"
        );
        assert_eq!(get(&store, "a"), new);
    }
}

#[test]
fn a_wrong_update_is_refused_and_changes_nothing() {
    let item = json!({ "id": { "S": "a" }, "s": { "S": "text" }, "l": list(&["1"]), "n": number("9e125") });
    let one = json!({ ":v": number("1") });
    let missing = "The provided expression refers to an attribute that does not exist in the item";
    let wrong_type = "An operand in the update expression has an incorrect data type";
    let wrong_path = "The document path provided in the update expression is invalid for update";
    for (expression, values, message) in [
        ("SET a = nil", json!({}), missing),
        ("SET a = s + :v", one.clone(), wrong_type),
        ("ADD s :v", one.clone(), wrong_type),
        ("SET s.x = :v", one.clone(), wrong_path),
        ("SET a = n + n", json!({}), "Number overflow"),
        (
            "SET id = :v",
            json!({ ":v": { "S": "b" } }),
            "Cannot update attribute id",
        ),
        ("SET a = :v REMOVE a", one.clone(), "Two document paths overlap"),
        ("SET owner = :v", one.clone(), "reserved keyword: owner"),
        ("SET a = :v,", one.clone(), "Syntax error"),
        ("SET a = f(b, c)", json!({}), "Invalid function name; function: f"),
        ("", json!({}), "The expression can not be empty"),
    ] {
        let store = store();
        put(&store, item.clone());
        let before = get(&store, "a");
        let error = err(&store, "UpdateItem", update(expression, values));
        assert_eq!(error.name(), "ValidationException");
        assert!(error.message.contains(message), "{expression}: {error}");
        assert_eq!(get(&store, "a"), before);
    }
}
