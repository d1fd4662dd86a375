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

#[track_caller]
fn refusal(attributes: Value, expression: &str, values: Value) -> String {
    let store = store();
    put(&store, merged(key("a"), attributes));
    let before = get(&store, "a");
    let error = err(&store, "UpdateItem", update(expression, values));
    assert_eq!(error.name(), "ValidationException");
    assert_eq!(get(&store, "a"), before);
    error.message
}

#[test]
fn set_assigns_and_computes() {
    let item = json!({ "a": number("10"), "l": list(&["1"]) });
    let expression = "SET b = a + :two, c = :two - a, d = if_not_exists(e, :two), f = if_not_exists(a, :two), \
                      g = list_append(l, l), h = list_append(if_not_exists(nope, :empty), l), i = (a) + (:two), j = (a - :two)";
    let values = json!({ ":two": number("2"), ":empty": { "L": [] } });
    let wanted = json!({
        "b": number("12"), "c": number("-8"), "d": number("2"), "f": number("10"),
        "g": list(&["1", "1"]), "h": list(&["1"]), "i": number("12"), "j": number("8"),
    });
    assert_eq!(after(item.clone(), expression, values), merged(item, wanted));
}

#[test]
fn every_right_hand_side_reads_the_item_as_it_was() {
    let item = json!({ "a": number("1"), "b": number("2") });
    assert_eq!(
        after(item.clone(), "SET a = b, b = a", json!({})),
        json!({ "a": number("2"), "b": number("1") })
    );
    assert_eq!(
        after(item, "REMOVE a SET c = a", json!({})),
        json!({ "b": number("2"), "c": number("1") })
    );
}

#[test]
fn add_counts_and_joins_sets_and_creates_what_is_missing() {
    let item = json!({ "n": number("0.1"), "ss": { "SS": ["a", "b"] } });
    let values = json!({ ":n": number("0.2"), ":s": { "SS": ["b", "c"] } });
    assert_eq!(
        after(item, "ADD n :n, ss :s, m :n, ts :s", values),
        json!({
            "n": number("0.3"), "ss": { "SS": ["a", "b", "c"] },
            "m": number("0.2"), "ts": { "SS": ["b", "c"] },
        })
    );
}

#[test]
fn delete_takes_from_sets_and_leaves_no_empty_one() {
    let item = json!({ "a": { "NS": ["1", "2"] }, "b": { "NS": ["1"] } });
    let values = json!({ ":gone": { "NS": ["1.0", "9"] } });
    assert_eq!(
        after(item, "DELETE a :gone, b :gone, c :gone", values),
        json!({ "a": { "NS": ["2"] } })
    );
}

#[test]
fn list_indices_mean_the_list_as_it_was() {
    let item = json!({ "a": list(&["2", "3", "4", "5", "6", "7"]) });
    let value = json!({ ":v": number("17") });
    let wanted = json!({ "a": list(&["2", "4", "17", "6", "7"]) });
    assert_eq!(after(item.clone(), "REMOVE a[1] SET a[3] = :v", value.clone()), wanted);
    assert_eq!(after(item.clone(), "SET a[3] = :v REMOVE a[1]", value), wanted);
    assert_eq!(
        after(item, "REMOVE a[0], a[2], a[9], a[4]", json!({})),
        json!({ "a": list(&["3", "5", "7"]) })
    );
}

#[test]
fn elements_beyond_the_end_are_appended_in_the_order_of_their_indices() {
    let values = json!({ ":1": number("1"), ":2": number("2"), ":3": number("3") });
    let appended = after(
        json!({ "a": list(&["0"]) }),
        "SET a[84] = :3, a[37] = :2, a[1] = :1 REMOVE a[2]",
        values,
    );
    assert_eq!(appended, json!({ "a": list(&["0", "1", "2", "3"]) }));
}

#[test]
fn nested_attributes_are_changed_in_place() {
    let item = json!({ "m": { "M": { "x": number("1"), "l": { "L": [{ "M": {} }] } } } });
    let values = json!({ ":v": number("2") });
    assert_eq!(
        after(item, "SET m.y = :v, m.l[0].z = :v REMOVE m.x, m.nil", values),
        json!({ "m": { "M": { "y": number("2"), "l": { "L": [{ "M": { "z": number("2") } }] } } } })
    );
}

#[test]
fn an_update_creates_the_item_unless_it_only_takes_away() {
    let store = store();
    for expression in ["REMOVE b", "REMOVE b.c, d[0]"] {
        let request = merged(update(expression, json!({})), json!({ "ReturnValues": "ALL_NEW" }));
        assert_eq!(ok(&store, "UpdateItem", request), json!({}));
        assert_eq!(get(&store, "a"), Value::Null);
    }
    ok(
        &store,
        "UpdateItem",
        update("ADD n :one", json!({ ":one": number("1") })),
    );
    assert_eq!(get(&store, "a"), json!({ "id": { "S": "a" }, "n": number("1") }));
    ok(&store, "UpdateItem", json!({ "TableName": HASH, "Key": key("b") }));
    assert_eq!(get(&store, "b"), key("b"));
}

#[test]
fn every_kind_of_return_value_shows_its_part_of_the_item() {
    let nested = json!({ "M": { "l": list(&["1", "2", "3"]), "x": { "S": "x" } } });
    let old = json!({ "id": { "S": "a" }, "n": number("1"), "m": nested, "gone": number("0") });
    let new_nested = json!({ "M": { "l": list(&["1", "9", "3"]), "x": { "S": "x" } } });
    let new = json!({ "id": { "S": "a" }, "n": number("2"), "m": new_nested, "new": number("9") });
    for (wanted, attributes) in [
        ("NONE", Value::Null),
        ("ALL_OLD", old.clone()),
        ("ALL_NEW", new.clone()),
        (
            "UPDATED_OLD",
            json!({ "n": number("1"), "m": { "M": { "l": list(&["2"]) } }, "gone": number("0") }),
        ),
        (
            "UPDATED_NEW",
            json!({ "n": number("2"), "m": { "M": { "l": list(&["9"]) } }, "new": number("9") }),
        ),
    ] {
        let store = store();
        put(&store, old.clone());
        let expression = "ADD n :one SET m.l[1] = :nine, #new = :nine REMOVE gone";
        let request = merged(
            update(expression, json!({ ":one": number("1"), ":nine": number("9") })),
            json!({ "ReturnValues": wanted, "ExpressionAttributeNames": { "#new": "new" } }),
        );
        assert_eq!(ok(&store, "UpdateItem", request)["Attributes"], attributes, "{wanted}");
        assert_eq!(get(&store, "a"), new);
    }
}

#[test]
fn return_values_without_attributes_are_left_out() {
    let store = store();
    let values = json!({ ":v": number("1") });
    let request = merged(update("SET n = :v", values), json!({ "ReturnValues": "UPDATED_OLD" }));
    assert_eq!(ok(&store, "UpdateItem", request), json!({}));
    let request = merged(update("REMOVE n", json!({})), json!({ "ReturnValues": "UPDATED_NEW" }));
    assert_eq!(ok(&store, "UpdateItem", request), json!({}));
}

#[test]
fn key_attributes_can_not_be_updated() {
    for (expression, values) in [
        ("SET id = :v", json!({ ":v": { "S": "b" } })),
        ("REMOVE id", json!({})),
        ("SET id.x = :v", json!({ ":v": { "S": "b" } })),
    ] {
        assert_eq!(
            refusal(json!({}), expression, values),
            "One or more parameter values were invalid: Cannot update attribute id. This attribute is part of the key"
        );
    }
}

#[test]
fn paths_that_overlap_or_conflict_are_refused() {
    let text = "these paths; path one:";
    let values = json!({ ":v": number("1") });
    for (expression, how, paths) in [
        ("SET a = :v REMOVE a", "overlap", "[a], path two: [a]"),
        ("SET a.b = :v REMOVE a", "overlap", "[a, b], path two: [a]"),
        ("SET a = :v REMOVE b, a[1].c", "overlap", "[a], path two: [a, [1], c]"),
        ("SET a.b = :v REMOVE a[1]", "conflict", "[a, b], path two: [a, [1]]"),
    ] {
        let wanted = format!(
            "Invalid UpdateExpression: Two document paths {how} with each other; must remove or rewrite one of {text} {paths}"
        );
        assert_eq!(refusal(json!({}), expression, values.clone()), wanted);
    }
}

#[test]
fn what_the_item_holds_decides_whether_an_update_is_possible() {
    let item = json!({ "s": { "S": "text" }, "l": list(&["1"]), "n": number("9e125"), "ss": { "SS": ["a"] } });
    let one = json!({ ":v": number("1") });
    let missing = "The provided expression refers to an attribute that does not exist in the item";
    let wrong_type = "An operand in the update expression has an incorrect data type";
    let wrong_path = "The document path provided in the update expression is invalid for update";
    let overflow = "Number overflow. Attempting to store a number with magnitude larger than supported range";
    for (expression, values, message) in [
        ("SET a = nil", json!({}), missing),
        ("SET a = nil + :v", one.clone(), missing),
        ("SET a = list_append(l, nil)", json!({}), missing),
        ("SET a = s + :v", one.clone(), wrong_type),
        ("SET a = list_append(l, s)", json!({}), wrong_type),
        ("ADD s :v", one.clone(), wrong_type),
        ("ADD ss :v", one.clone(), wrong_type),
        ("ADD n :v", json!({ ":v": { "NS": ["1"] } }), wrong_type),
        ("DELETE ss :v", json!({ ":v": { "NS": ["1"] } }), wrong_type),
        ("SET s.x = :v", one.clone(), wrong_path),
        ("SET nil.x = :v", one.clone(), wrong_path),
        ("SET l.x = :v", one.clone(), wrong_path),
        ("REMOVE nil[0]", json!({}), wrong_path),
        ("SET a = n + n", json!({}), overflow),
        ("SET a = n + :v", one, overflow),
    ] {
        assert_eq!(refusal(item.clone(), expression, values), message, "{expression}");
    }
}

#[test]
fn an_update_that_makes_no_sense_is_refused_with_the_reason() {
    let v = json!({ ":v": { "S": "x" } });
    let l = json!({ ":v": { "L": [] } });
    for (expression, values, reason) in [
        ("", json!({}), "The expression can not be empty;"),
        (
            "HELLO b = :v",
            v.clone(),
            "Syntax error; token: \"HELLO\", near: \"HELLO b\"",
        ),
        ("SET a = :v,", v.clone(), "Syntax error; token: \"<EOF>\", near: \",\""),
        (
            "SET a = :v + :v + :v",
            v.clone(),
            "Syntax error; token: \"+\", near: \":v + :v\"",
        ),
        (
            "SET :v = a",
            v.clone(),
            "Syntax error; token: \":v\", near: \"SET :v =\"",
        ),
        (
            "SET a = if_not_exists(a, :v + :v)",
            v.clone(),
            "Syntax error; token: \"+\", near: \":v + :v\"",
        ),
        ("ADD a b", json!({}), "Syntax error; token: \"b\", near: \"a b\""),
        (
            "SET a[#x] = :v",
            v.clone(),
            "Syntax error; token: \"#x\", near: \"[#x]\"",
        ),
        (
            "SET a[99999999999] = :v",
            v.clone(),
            "List index is not within the allowable range; index: [99999999999]",
        ),
        (
            "SET a = :v SET b = :v",
            v.clone(),
            "The \"SET\" section can only be used once in an update expression;",
        ),
        (
            "SET owner = :v",
            v.clone(),
            "Attribute name is a reserved keyword; reserved keyword: owner",
        ),
        ("SET a = f(b, c)", json!({}), "Invalid function name; function: f"),
        (
            "SET a = LIST_APPEND(:v, b)",
            l.clone(),
            "Invalid function name; function: LIST_APPEND",
        ),
        (
            "SET a = list_append(:v)",
            l.clone(),
            "Incorrect number of operands for operator or function; operator or function: list_append, number of \
             operands: 1",
        ),
        (
            "SET a = list_append(list_append(:v, b), c)",
            l.clone(),
            "The function is not allowed to be used this way in an expression; function: list_append",
        ),
        (
            "SET a = if_not_exists(:v, b)",
            v.clone(),
            "Operator or function requires a document path; operator or function: if_not_exists",
        ),
        (
            "SET a = b - :v",
            v.clone(),
            "Incorrect operand type for operator or function; operator or function: -, operand type: S",
        ),
        (
            "SET a = list_append(b, :v)",
            v.clone(),
            "Incorrect operand type for operator or function; operator or function: list_append, operand type: S",
        ),
        (
            "ADD a :v",
            v,
            "Incorrect operand type for operator or function; operator: ADD, operand type: STRING",
        ),
        (
            "DELETE a :v",
            l,
            "Incorrect operand type for operator or function; operator: DELETE, operand type: LIST",
        ),
    ] {
        assert_eq!(
            refusal(json!({}), expression, values),
            format!("Invalid UpdateExpression: {reason}")
        );
    }
}
