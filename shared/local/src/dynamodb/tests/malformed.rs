use proptest::prelude::*;

use super::*;

const SERIALIZATION: &str = "SerializationException";
const VALIDATION: &str = "ValidationException";

#[test]
fn what_is_not_emulated_is_refused_by_name() {
    let store = store();
    let error = err(&store, "DescribeEndpoints", json!({}));
    assert_eq!(error.name(), "UnknownOperationException");
    assert_eq!(
        error.message,
        "DescribeEndpoints: the local stack does not emulate it; point --endpoint-url at another emulator or at AWS"
    );
    for (operation, member, value) in [
        ("PutItem", "Expected", json!({})),
        ("PutItem", "ConditionalOperator", json!("AND")),
        ("UpdateItem", "AttributeUpdates", json!({})),
        ("DeleteItem", "ReturnItemCollectionMetrics", json!("SIZE")),
        ("TransactWriteItems", "ReturnItemCollectionMetrics", json!("SIZE")),
        ("GetItem", "AttributesToGet", json!(["a"])),
        ("Scan", "ScanFilter", json!({})),
        ("Scan", "IndexName", json!("index")),
        ("Scan", "TotalSegments", json!(2)),
    ] {
        let request = json!({ "TableName": HASH, "Item": key("a"), "Key": key("a"), member: value });
        let error = err(&store, operation, request);
        assert_eq!(error.name(), VALIDATION);
        assert!(error.message.contains(&format!("does not emulate {member}")), "{error}");
    }
}

#[test]
fn a_table_that_is_not_there_is_not_found() {
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
fn a_member_that_is_missing_or_of_the_wrong_type_is_named() {
    let store = store();
    for (operation, request, name, part) in [
        ("PutItem", json!([]), SERIALIZATION, "START_ARRAY"),
        ("PutItem", json!({}), VALIDATION, "Value null at 'tableName'"),
        (
            "PutItem",
            json!({ "TableName": null }),
            VALIDATION,
            "Value null at 'tableName'",
        ),
        (
            "PutItem",
            json!({ "TableName": 1 }),
            SERIALIZATION,
            "NUMBER_VALUE cannot be converted to String: TableName",
        ),
        (
            "PutItem",
            json!({ "TableName": "ab" }),
            VALIDATION,
            "greater than or equal to 3",
        ),
        ("PutItem", json!({ "TableName": "a/b" }), VALIDATION, "[a-zA-Z0-9_.-]+"),
        (
            "PutItem",
            json!({ "TableName": HASH }),
            VALIDATION,
            "Value null at 'item'",
        ),
        (
            "PutItem",
            json!({ "TableName": HASH, "Item": [] }),
            SERIALIZATION,
            "map of AttributeValues",
        ),
        (
            "PutItem",
            json!({ "TableName": HASH, "Item": { "id": "a" } }),
            SERIALIZATION,
            "not an AttributeValue",
        ),
        (
            "GetItem",
            json!({ "TableName": HASH }),
            VALIDATION,
            "Value null at 'key'",
        ),
        (
            "GetItem",
            json!({ "TableName": HASH, "ConsistentRead": "yes" }),
            SERIALIZATION,
            "ConsistentRead",
        ),
        (
            "Scan",
            json!({ "TableName": HASH, "Limit": 0 }),
            VALIDATION,
            "Value '0' at 'limit'",
        ),
        (
            "Scan",
            json!({ "TableName": HASH, "Limit": 1.5 }),
            SERIALIZATION,
            "Limit",
        ),
        (
            "Scan",
            json!({ "TableName": HASH, "Select": "X" }),
            VALIDATION,
            "Value 'X' at 'select'",
        ),
        (
            "DeleteItem",
            json!({ "TableName": HASH, "Key": key("a"), "ReturnValues": "none" }),
            VALIDATION,
            "Value 'none' at 'returnValues' failed to satisfy constraint: Member must satisfy enum value set",
        ),
        (
            "PutItem",
            json!({ "TableName": HASH, "Item": key("a"), "ReturnValuesOnConditionCheckFailure": "ALL_NEW" }),
            VALIDATION,
            "returnValuesOnConditionCheckFailure",
        ),
    ] {
        let error = err(&store, operation, request.clone());
        assert_eq!(error.name(), name, "{request}: {error}");
        assert!(error.message.contains(part), "{request}: {error}");
        assert_eq!(error.status, 400);
    }
    assert!(store.scan(HASH).is_empty());
}

const OPERATIONS: [&str; 12] = [
    "PutItem",
    "GetItem",
    "UpdateItem",
    "DeleteItem",
    "Scan",
    "TransactWriteItems",
    "CreateTable",
    "DescribeTable",
    "ListTables",
    "DeleteTable",
    "UpdateTimeToLive",
    "DescribeTimeToLive",
];

/// JSON that is nearly a request: the members' names are right, what they hold is anything.
fn nearly_a_request() -> impl Strategy<Value = Value> {
    let word = prop::sample::select(vec![
        "TableName",
        "Item",
        "Key",
        "TransactItems",
        "Put",
        "Update",
        "ConditionExpression",
        "UpdateExpression",
        "ExpressionAttributeValues",
        "ExpressionAttributeNames",
        "id",
        "S",
        "N",
        "NS",
        "M",
        "L",
        ":v",
        "#n",
        HASH,
        "KeySchema",
        "AttributeDefinitions",
        "Limit",
        "ExclusiveStartKey",
        "ClientRequestToken",
        "1e9999",
    ]);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        word.clone().prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
    ];
    let inner = leaf.prop_recursive(4, 32, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::hash_map(word.clone().prop_map(str::to_owned), inner, 0..5)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    });
    inner.prop_map(|value| match value {
        Value::Object(_) => merged(json!({ "TableName": HASH }), value),
        other => other,
    })
}

/// Text made of what expressions are made of.
fn nearly_an_expression() -> impl Strategy<Value = String> {
    let part = prop::sample::select(vec![
        "a",
        "#n",
        ":v",
        "(",
        ")",
        ",",
        ".",
        "[",
        "]",
        "0",
        "1",
        "=",
        "<",
        "<>",
        ">=",
        "+",
        "-",
        " ",
        "AND",
        "OR",
        "NOT",
        "IN",
        "BETWEEN",
        "SET",
        "REMOVE",
        "ADD",
        "DELETE",
        "size",
        "contains",
        "attribute_exists",
        "attribute_type",
        "begins_with",
        "if_not_exists",
        "list_append",
        "é",
        "#",
        ":",
        "status",
        "99999999999",
    ]);
    prop::collection::vec(part, 0..24).prop_map(|parts| parts.join(" "))
}

proptest! {
    #[test]
    fn no_request_however_malformed_panics(request in nearly_a_request(), operation in prop::sample::select(&OPERATIONS[..])) {
        let store = store();
        store.call(operation, request);
    }

    #[test]
    fn no_expression_however_malformed_panics(text in prop_oneof![nearly_an_expression(), ".{0,40}"]) {
        let store = store();
        put(&store, json!({ "id": { "S": "a" }, "a": { "L": [{ "N": "1" }] } }));
        let names = json!({ "#n": "a" });
        let values = json!({ ":v": { "N": "1" } });
        for member in ["ConditionExpression", "UpdateExpression"] {
            let request = json!({
                "TableName": HASH, "Key": key("a"), member: text,
                "ExpressionAttributeNames": names, "ExpressionAttributeValues": values,
            });
            store.call("UpdateItem", request.clone());
            store.call("UpdateItem", json!({ "TableName": HASH, "Key": key("a"), member: text }));
        }
        store.call("GetItem", json!({ "TableName": HASH, "Key": key("a"), "ProjectionExpression": text }));
    }
}
