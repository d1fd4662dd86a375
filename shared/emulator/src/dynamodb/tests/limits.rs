//! Sizes that DynamoDB refuses.

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
}
