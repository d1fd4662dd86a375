use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, UNIX_EPOCH};

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
fn a_cancelled_transaction_changes_nothing_and_gives_a_reason_for_each_action() {
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
fn a_transaction_holds_at_most_a_hundred_actions_and_four_megabytes() {
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
    assert!(error.message.contains("4 MB"), "{error}");
}

#[test]
fn an_item_that_is_too_large_cancels_the_transaction() {
    let item = json!({ "id": { "S": "a" }, "x": { "S": "x".repeat(400 * 1024) } });
    let error = refusal(json!([put_action("b"), { "Put": { "TableName": HASH, "Item": item } }]));
    assert_eq!(
        error.members["CancellationReasons"][1],
        json!({ "Code": "ValidationError", "Message": "Item size has exceeded the maximum allowed size" })
    );
}

#[test]
fn an_action_that_makes_no_sense_fails_the_whole_request() {
    let single = "TransactItems can only contain one of Check, Put, Update or Delete";
    for (actions, part) in [
        (json!([{}]), single),
        (json!([merged(put_action("a"), count("b", "1"))]), single),
        (json!([{ "Get": {} }]), single),
        (
            json!([{ "ConditionCheck": { "TableName": HASH, "Key": key("a") } }]),
            "'conditionExpression'",
        ),
        (
            json!([{ "Update": { "TableName": HASH, "Key": key("a") } }]),
            "'updateExpression'",
        ),
        (
            json!([{ "Put": { "TableName": HASH, "Item": key("a"), "ConditionExpression": "a =" } }]),
            "<EOF>",
        ),
        (
            json!([{ "Put": { "TableName": HASH, "Item": key("a"), "Expected": {} } }]),
            "Expected",
        ),
    ] {
        let error = refusal(actions.clone());
        assert_eq!(error.name(), "ValidationException", "{actions}");
        assert!(error.message.contains(part), "{actions}: {error}");
    }
    assert_eq!(refusal(json!({})).name(), "SerializationException");
    assert_eq!(refusal(json!([1])).name(), "SerializationException");
    assert_eq!(refusal(json!(null)).name(), "ValidationException");
}

/// A store whose clock the test moves, in seconds.
fn with_time() -> (DynamoDb, Arc<AtomicU64>) {
    let seconds = Arc::new(AtomicU64::new(1_000));
    let clock = Arc::clone(&seconds);
    let now = move || UNIX_EPOCH + Duration::from_secs(clock.load(Ordering::SeqCst));
    (with_tables(DynamoDb::with_clock("eu-central-1", now)), seconds)
}

fn with_token(token: &str, by: &str) -> Value {
    json!({ "TransactItems": [count("a", by)], "ClientRequestToken": token })
}

#[test]
fn a_transaction_sent_again_under_its_token_is_applied_once() {
    let (store, seconds) = with_time();
    for _ in 0..3 {
        assert_eq!(ok(&store, "TransactWriteItems", with_token("token", "1")), json!({}));
        seconds.fetch_add(299, Ordering::SeqCst);
    }
    assert_eq!(get(&store, "a")["n"], json!({ "N": "1" }));
    ok(&store, "TransactWriteItems", with_token("other", "1"));
    assert_eq!(get(&store, "a")["n"], json!({ "N": "2" }));
}

#[test]
fn a_token_is_forgotten_after_ten_minutes() {
    let (store, seconds) = with_time();
    ok(&store, "TransactWriteItems", with_token("token", "1"));
    seconds.fetch_add(600, Ordering::SeqCst);
    ok(&store, "TransactWriteItems", with_token("token", "2"));
    assert_eq!(get(&store, "a")["n"], json!({ "N": "3" }));
}

#[test]
fn another_transaction_under_a_used_token_is_a_mismatch() {
    let (store, _) = with_time();
    ok(&store, "TransactWriteItems", with_token("token", "1"));
    let error = err(&store, "TransactWriteItems", with_token("token", "2"));
    assert_eq!(
        error.code,
        "com.amazonaws.dynamodb.v20120810#IdempotentParameterMismatchException"
    );
    assert_eq!(get(&store, "a")["n"], json!({ "N": "1" }));
}

#[test]
fn the_token_of_a_cancelled_transaction_can_be_used_again() {
    let (store, _) = with_time();
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
fn a_token_has_one_to_thirty_six_characters() {
    let store = store();
    ok(&store, "TransactWriteItems", with_token(&"t".repeat(36), "1"));
    for token in ["", &"t".repeat(37)] {
        let error = err(&store, "TransactWriteItems", with_token(token, "1"));
        assert!(error.message.contains("at 'clientRequestToken'"), "{error}");
    }
}

#[test]
fn a_transaction_costs_double_and_repeating_it_a_read() {
    let (store, _) = with_time();
    let request = merged(with_token("token", "1"), json!({ "ReturnConsumedCapacity": "TOTAL" }));
    let units = |units: f64| json!([{ "TableName": HASH, "CapacityUnits": units }]);
    let mut large = request.clone();
    large["TransactItems"] = json!([put_action("x"), { "Put": {
        "TableName": HASH, "Item": { "id": { "S": "y" }, "x": { "S": "x".repeat(1500) } },
    } }]);
    assert_eq!(
        ok(&store, "TransactWriteItems", large.clone())["ConsumedCapacity"],
        units(6.0)
    );
    assert_eq!(ok(&store, "TransactWriteItems", large)["ConsumedCapacity"], units(4.0));
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
