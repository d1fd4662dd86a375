//! Transactions: all or nothing, a reason for each action, and repeats under one token.

use std::thread;

use super::*;

fn put_action(id: &str) -> Value {
    json!({ "Put": { "TableName": HASH, "Item": key(id), "ConditionExpression": "attribute_not_exists(id)" } })
}

fn count(id: &str, by: &str) -> Value {
    json!({ "Update": {
        "TableName": HASH, "Key": key(id), "UpdateExpression": "ADD n :by",
        "ExpressionAttributeValues": { ":by": { "N": by } },
    } })
}

fn transact(store: &DynamoDb, actions: Value) -> Result<Value, ApiError> {
    call(store, "TransactWriteItems", json!({ "TransactItems": actions }))
}

fn refusal(actions: Value) -> ApiError {
    transact(&store(), actions).unwrap_err()
}

#[test]
fn a_transaction_does_everything_across_tables() {
    let store = store();
    put(&store, json!({ "id": { "S": "old" }, "n": { "N": "1" } }));
    put(&store, json!({ "id": { "S": "gone" } }));
    put(&store, json!({ "id": { "S": "seen" } }));
    let actions = json!([
        put_action("new"),
        count("old", "4"),
        { "Delete": { "TableName": HASH, "Key": key("gone") } },
        { "ConditionCheck": { "TableName": HASH, "Key": key("seen"), "ConditionExpression": "attribute_exists(id)" } },
        { "Put": { "TableName": BOTH, "Item": { "id": { "S": "new" }, "sort": { "N": "1" } } } },
    ]);
    assert_eq!(transact(&store, actions).unwrap(), json!({}));
    assert_eq!(
        store.scan(HASH),
        [
            key("new"),
            json!({ "id": { "S": "old" }, "n": { "N": "5" } }),
            key("seen")
        ]
    );
    assert_eq!(store.scan(BOTH).len(), 1);
}

#[test]
fn a_cancelled_transaction_gives_a_reason_for_each_action() {
    let store = store();
    put(&store, json!({ "id": { "S": "taken" }, "n": { "N": "1" } }));
    put(&store, json!({ "id": { "S": "text" }, "n": { "S": "no number" } }));
    let before = store.scan(HASH);
    let mut with_old = put_action("taken");
    with_old["Put"]["ReturnValuesOnConditionCheckFailure"] = json!("ALL_OLD");
    let check = json!({ "ConditionCheck": {
        "TableName": BOTH, "Key": { "id": { "S": "x" }, "sort": { "N": "1" } },
        "ConditionExpression": "attribute_exists(id)", "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    } });
    let wrong_key = json!({ "Delete": { "TableName": HASH, "Key": { "id": { "N": "1" } } } });
    let actions = json!([
        put_action("new"),
        with_old,
        check,
        count("text", "1"),
        wrong_key,
        count("fresh", "1")
    ]);
    let error = transact(&store, actions).unwrap_err();
    assert_eq!(
        error.code,
        "com.amazonaws.dynamodb.v20120810#TransactionCanceledException"
    );
    assert_eq!(
        error.message,
        "Transaction cancelled, please refer cancellation reasons for specific reasons [None, ConditionalCheckFailed, \
         ConditionalCheckFailed, ValidationError, ValidationError, None]"
    );
    let failed = "The conditional request failed";
    assert_eq!(
        error.body()["CancellationReasons"],
        json!([
            { "Code": "None" },
            {
                "Code": "ConditionalCheckFailed", "Message": failed,
                "Item": { "id": { "S": "taken" }, "n": { "N": "1" } },
            },
            { "Code": "ConditionalCheckFailed", "Message": failed },
            { "Code": "ValidationError", "Message": "An operand in the update expression has an incorrect data type" },
            { "Code": "ValidationError", "Message": "The provided key element does not match the schema" },
            { "Code": "None" },
        ])
    );
    assert_eq!(store.scan(HASH), before);
}

#[test]
fn two_actions_on_one_item_are_refused() {
    let twice = "Transaction request cannot include multiple operations on one item";
    assert_eq!(refusal(json!([put_action("a"), count("a", "1")])).message, twice);
    let sort =
        |sort: &str| json!({ "Put": { "TableName": BOTH, "Item": { "id": { "S": "a" }, "sort": { "N": sort } } } });
    assert_eq!(refusal(json!([sort("1"), sort("1.0")])).message, twice);
    transact(&store(), json!([put_action("a"), sort("1"), sort("2")])).unwrap();
}

#[test]
fn a_missing_table_fails_the_whole_transaction() {
    let mut missing = put_action("b");
    missing["Put"]["TableName"] = json!("none");
    let error = refusal(json!([put_action("a"), missing]));
    assert_eq!(
        (error.name(), error.message.as_str()),
        ("ResourceNotFoundException", "Requested resource not found")
    );
}

#[test]
fn a_transaction_holds_at_most_100_actions_and_4_megabytes() {
    let many = |count: usize| {
        (0..count)
            .map(|number| put_action(&number.to_string()))
            .collect::<Value>()
    };
    transact(&store(), many(100)).unwrap();
    assert!(
        refusal(many(101))
            .message
            .ends_with("Member must have length less than or equal to 100")
    );
    assert!(
        refusal(json!([]))
            .message
            .ends_with("Member must have length greater than or equal to 1")
    );
    let large = |count: usize| {
        let item =
            |number: usize| json!({ "id": { "S": format!("{number:02}") }, "x": { "S": "x".repeat(399 * 1024) } });
        (0..count)
            .map(|number| json!({ "Put": { "TableName": HASH, "Item": item(number) } }))
            .collect::<Value>()
    };
    transact(&store(), large(10)).unwrap();
    let error = refusal(large(11));
    assert_eq!(error.name(), "ValidationException");
    assert!(error.message.contains("4MB"), "{error}");
}

#[test]
fn an_impossible_action_fails_the_whole_request() {
    for action in [
        json!({}),
        merged(put_action("a"), count("b", "1")),
        json!({ "ConditionCheck": { "TableName": HASH, "Key": key("a") } }),
        json!({ "Update": { "TableName": HASH, "Key": key("a") } }),
        json!({ "Put": { "TableName": HASH, "Item": key("a"), "ConditionExpression": "a =" } }),
        json!({ "Put": { "TableName": HASH, "Item": { "id": { "S": "" } } } }),
    ] {
        let store = store();
        let error = transact(&store, json!([put_action("first"), action])).unwrap_err();
        assert_eq!(error.name(), "ValidationException", "{action}: {error}");
        assert!(store.scan(HASH).is_empty(), "{action}");
    }
}

#[test]
fn an_item_that_is_too_large_fails_the_transaction() {
    let item = json!({ "id": { "S": "a" }, "x": { "S": "x".repeat(400 * 1024) } });
    let error = refusal(json!([put_action("b"), { "Put": { "TableName": HASH, "Item": item } }]));
    assert!(error.message.contains("exceeded the maximum allowed size"), "{error}");
}

fn with_token(token: &str, by: &str) -> Value {
    json!({ "TransactItems": [count("a", by)], "ClientRequestToken": token })
}

#[test]
fn a_transaction_sent_again_under_its_token_is_applied_once() {
    let store = store();
    for _ in 0..3 {
        assert_eq!(ok(&store, "TransactWriteItems", with_token("token", "1")), json!({}));
    }
    assert_eq!(get(&store, "a")["n"], json!({ "N": "1" }));
    ok(&store, "TransactWriteItems", with_token("other", "1"));
    assert_eq!(get(&store, "a")["n"], json!({ "N": "2" }));
}

#[test]
fn a_token_with_another_transaction_is_a_mismatch() {
    let store = store();
    ok(&store, "TransactWriteItems", with_token("token", "1"));
    let error = err(&store, "TransactWriteItems", with_token("token", "2"));
    assert_eq!(
        error.code,
        "com.amazonaws.dynamodb.v20120810#IdempotentParameterMismatchException"
    );
    assert_eq!(get(&store, "a")["n"], json!({ "N": "1" }));
}

#[test]
fn the_token_of_a_cancelled_transaction_is_free() {
    let store = store();
    put(&store, key("a"));
    let request = |id: &str| json!({ "TransactItems": [put_action(id)], "ClientRequestToken": "token" });
    assert_eq!(
        err(&store, "TransactWriteItems", request("a")).name(),
        "TransactionCanceledException"
    );
    ok(&store, "TransactWriteItems", request("b"));
    assert_eq!(get(&store, "b"), key("b"));
}

#[test]
fn no_reader_ever_sees_half_a_transaction() {
    let store = store();
    put(&store, json!({ "id": { "S": "a" }, "n": { "N": "0" } }));
    put(&store, json!({ "id": { "S": "b" }, "n": { "N": "0" } }));
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..100 {
                    transact(&store, json!([count("a", "1"), count("b", "-1")])).unwrap();
                }
            });
        }
        scope.spawn(|| {
            for _ in 0..500 {
                let items = ok(&store, "Scan", json!({ "TableName": HASH }))["Items"].clone();
                let amount = |index: usize| items[index]["n"]["N"].as_str().unwrap().parse::<i64>().unwrap();
                assert_eq!(amount(0) + amount(1), 0);
            }
        });
    });
    assert_eq!(get(&store, "a")["n"], json!({ "N": "400" }));
}
