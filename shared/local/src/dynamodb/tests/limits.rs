use super::*;

const TOO_LARGE: &str = "Item size has exceeded the maximum allowed size";

fn sized(bytes: usize) -> Value {
    // "id" and "a" and "x" are names and a value of four bytes together.
    json!({ "id": { "S": "a" }, "x": { "S": "x".repeat(bytes - 4) } })
}

#[test]
fn an_item_may_have_exactly_four_hundred_kilobytes() {
    let store = store();
    put(&store, sized(400 * 1024));
    let error = err(
        &store,
        "PutItem",
        json!({ "TableName": HASH, "Item": sized(400 * 1024 + 1) }),
    );
    assert_eq!(
        (error.name(), error.message.as_str()),
        ("ValidationException", TOO_LARGE)
    );
}

#[test]
fn an_update_may_not_grow_an_item_past_the_limit() {
    let store = store();
    put(&store, sized(400 * 1024 - 2));
    let request = |value: &str| {
        json!({
            "TableName": HASH, "Key": key("a"), "UpdateExpression": "SET y = :v",
            "ExpressionAttributeValues": { ":v": { "S": value } },
        })
    };
    let error = err(&store, "UpdateItem", request("12"));
    assert_eq!(
        error.message,
        "Item size to update has exceeded the maximum allowed size"
    );
    ok(&store, "UpdateItem", request("1"));
}

#[test]
fn an_update_may_not_nest_deeper_than_thirty_two_levels() {
    let store = store();
    let deep = |levels: usize| (0..levels).fold(json!({ "S": "deep" }), |inner, _| json!({ "M": { "x": inner } }));
    put(&store, json!({ "id": { "S": "a" }, "m": deep(31) }));
    let request = |levels| {
        json!({
            "TableName": HASH, "Key": key("a"), "UpdateExpression": format!("SET m{} = :v", ".x".repeat(31)),
            "ExpressionAttributeValues": { ":v": deep(levels) },
        })
    };
    assert!(
        err(&store, "UpdateItem", request(2))
            .message
            .starts_with("Nesting Levels have exceeded")
    );
    ok(&store, "UpdateItem", request(1));
}

#[test]
fn keys_have_their_own_limits() {
    let store = store();
    let item = |id: usize| json!({ "id": { "S": "k".repeat(id) } });
    put(&store, item(2048));
    let too_long =
        "One or more parameter values were invalid: Size of hashkey has exceeded the maximum size limit of2048 bytes";
    assert_eq!(
        err(&store, "PutItem", json!({ "TableName": HASH, "Item": item(2049) })).message,
        too_long
    );
    assert_eq!(
        err(&store, "GetItem", json!({ "TableName": HASH, "Key": item(2049) })).message,
        too_long
    );
    let empty = err(&store, "PutItem", json!({ "TableName": HASH, "Item": item(0) }));
    assert!(
        empty.message.ends_with("cannot contain an empty string value. Key: id"),
        "{empty}"
    );

    ok(
        &store,
        "CreateTable",
        table("blobs", &[("id", "S", "HASH"), ("sort", "B", "RANGE")]),
    );
    let blob =
        |kilobyte: &str| json!({ "TableName": "blobs", "Item": { "id": { "S": "a" }, "sort": { "B": kilobyte } } });
    ok(&store, "PutItem", blob(&format!("{}AA==", "AAAA".repeat(341))));
    let error = err(&store, "PutItem", blob(&format!("{}AAA=", "AAAA".repeat(341))));
    assert!(
        error
            .message
            .ends_with("Aggregated size of all range keys has exceeded the size limit of 1024 bytes")
    );
}

#[test]
fn an_expression_may_have_four_kilobytes() {
    let store = store();
    let request = |name: usize| {
        let condition = format!("attribute_not_exists({})", "n".repeat(name));
        json!({ "TableName": HASH, "Key": key("a"), "ConditionExpression": condition })
    };
    ok(&store, "DeleteItem", request(4096 - 22));
    let error = err(&store, "DeleteItem", request(4096 - 21));
    assert!(
        error
            .message
            .starts_with("Invalid ConditionExpression: Expression size has exceeded"),
        "{error}"
    );
}

#[test]
fn an_expression_may_have_three_hundred_operators_however_they_nest() {
    let store = store();
    let request = |condition: String| json!({ "TableName": HASH, "Key": key("a"), "ConditionExpression": condition });
    ok(
        &store,
        "DeleteItem",
        request(format!("{}attribute_exists(n)", "NOT ".repeat(299))),
    );
    for condition in [
        format!("{}attribute_exists(n)", "NOT ".repeat(300)),
        "(".repeat(4000),
        format!("{}a = b{}", "(".repeat(1500), ")".repeat(1500)),
        format!("size{}", "(size".repeat(800)),
        format!("{}a = b", "NOT (".repeat(700)),
    ] {
        let error = err(&store, "DeleteItem", request(condition.clone()));
        assert!(error.message.contains("too many operators"), "{error}");
    }
    let nested =
        json!({ "TableName": HASH, "Key": key("a"), "UpdateExpression": format!("SET a = {}", "(".repeat(4000)) });
    assert!(err(&store, "UpdateItem", nested).message.contains("too many operators"));
}

#[test]
fn in_compares_with_at_most_a_hundred_operands() {
    let store = store();
    let request = |count: usize| {
        let condition = format!("NOT a IN ({})", vec!["b"; count].join(", "));
        json!({ "TableName": HASH, "Key": key("a"), "ConditionExpression": condition })
    };
    ok(&store, "DeleteItem", request(100));
    assert!(
        err(&store, "DeleteItem", request(101))
            .message
            .ends_with("IN, number of operands: 101")
    );
}
