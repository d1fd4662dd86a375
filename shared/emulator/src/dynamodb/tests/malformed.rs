//! Requests that DynamoDB refuses before it looks at an item.

use super::*;

const SERIALIZATION: &str = "SerializationException";
const VALIDATION: &str = "ValidationException";

#[test]
fn an_operation_that_is_not_emulated_is_refused_by_name() {
    let error = err(&store(), "DescribeEndpoints", json!({}));
    assert_eq!(error.name(), "UnknownOperationException");
    let message = "DescribeEndpoints is not emulated; point --endpoint-url at another emulator or at AWS";
    assert_eq!(error.message, message);
}

#[test]
fn an_unknown_table_is_not_found() {
    let store = store();
    let item = |operation: &str| {
        let request = json!({ "TableName": "none", "Item": key("a"), "Key": key("a") });
        err(&store, operation, request)
    };
    for operation in ["PutItem", "GetItem", "UpdateItem", "DeleteItem", "Scan"] {
        let error = item(operation);
        assert_eq!(
            error.code, "com.amazonaws.dynamodb.v20120810#ResourceNotFoundException",
            "{operation}"
        );
        assert_eq!(error.message, "Requested resource not found", "{operation}");
    }
    for operation in ["DescribeTable", "DeleteTable", "DescribeTimeToLive"] {
        assert_eq!(
            item(operation).message,
            "Requested resource not found: Table: none not found",
            "{operation}"
        );
    }
}

#[test]
fn a_key_that_does_not_fit_the_table_is_refused() {
    let store = store();
    let mismatch = "The provided key element does not match the schema";
    for key in [
        json!({}),
        json!({ "x": { "S": "a" } }),
        json!({ "id": { "N": "1" } }),
        merged(key("a"), json!({ "x": { "S": "" } })),
    ] {
        for operation in ["GetItem", "UpdateItem", "DeleteItem"] {
            assert_eq!(
                err(&store, operation, json!({ "TableName": HASH, "Key": key })).message,
                mismatch,
                "{key}"
            );
        }
    }
    let put = |item| err(&store, "PutItem", json!({ "TableName": BOTH, "Item": item })).message;
    let prefix = "One or more parameter values were invalid: ";
    assert_eq!(put(json!({})), format!("{prefix}Missing the key id in the item"));
    assert_eq!(put(key("a")), format!("{prefix}Missing the key sort in the item"));
    assert_eq!(
        put(merged(key("a"), json!({ "sort": { "S": "1" } }))),
        format!("{prefix}Type mismatch for key sort expected: N actual: S")
    );
}

#[test]
fn a_malformed_request_is_refused_and_changes_nothing() {
    let store = store();
    for (operation, request, name) in [
        ("PutItem", json!([]), SERIALIZATION),
        ("PutItem", json!({}), VALIDATION),
        ("PutItem", json!({ "TableName": 1 }), SERIALIZATION),
        ("PutItem", json!({ "TableName": "ab" }), VALIDATION),
        ("PutItem", json!({ "TableName": "a/b" }), VALIDATION),
        ("PutItem", json!({ "TableName": HASH }), VALIDATION),
        (
            "PutItem",
            json!({ "TableName": HASH, "Item": { "id": {} } }),
            VALIDATION,
        ),
        (
            "PutItem",
            json!({ "TableName": HASH, "Item": { "id": { "N": "x" } } }),
            VALIDATION,
        ),
        ("GetItem", json!({ "TableName": HASH }), VALIDATION),
        (
            "GetItem",
            json!({ "TableName": HASH, "Key": key("a"), "ConsistentRead": [] }),
            SERIALIZATION,
        ),
        ("Scan", json!({ "TableName": HASH, "Limit": 0 }), VALIDATION),
        (
            "DeleteItem",
            json!({ "TableName": HASH, "Key": key("a"), "ReturnValues": "none" }),
            VALIDATION,
        ),
        ("TransactWriteItems", json!({ "TransactItems": [1] }), SERIALIZATION),
    ] {
        let error = err(&store, operation, request.clone());
        assert_eq!(
            (error.name(), error.status),
            (name, 400),
            "{operation} {request}: {error}"
        );
        assert!(!error.message.contains("VALIDATION"), "{error}");
        assert!(!error.message.contains("SERIALIZATION"), "{error}");
    }
    assert!(store.scan(HASH).is_empty());
}
