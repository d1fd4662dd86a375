//! Single items: put, get, delete, and races for one key.

use std::sync::Barrier;
use std::thread;

use super::*;

fn only_once(id: &str, owner: usize) -> Value {
    json!({
        "TableName": HASH,
        "Item": { "id": { "S": id }, "owner": { "N": owner.to_string() } },
        "ConditionExpression": "attribute_not_exists(id)",
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    })
}

#[test]
fn an_item_is_read_as_it_was_put() {
    let store = store();
    let item = json!({ "id": { "S": "a" }, "n": { "N": "1.50" }, "s": { "SS": ["b", "a"] }, "e": { "S": "" } });
    put(&store, item);
    let wanted = json!({ "id": { "S": "a" }, "n": { "N": "1.5" }, "s": { "SS": ["a", "b"] }, "e": { "S": "" } });
    assert_eq!(get(&store, "a"), wanted);
    assert_eq!(store.scan(HASH), [wanted]);
    assert!(store.scan("none").is_empty());
    assert_eq!(
        ok(&store, "GetItem", json!({ "TableName": HASH, "Key": key("b") })),
        json!({})
    );
}

#[test]
fn put_and_delete_return_the_old_item_on_request() {
    let store = store();
    let item = |n: &str| json!({ "id": { "S": "a" }, "n": { "N": n } });
    let put = |n| json!({ "TableName": HASH, "Item": item(n), "ReturnValues": "ALL_OLD" });
    let delete = json!({ "TableName": HASH, "Key": key("a"), "ReturnValues": "ALL_OLD" });
    assert_eq!(ok(&store, "PutItem", put("1")), json!({}));
    assert_eq!(ok(&store, "PutItem", put("2")), json!({ "Attributes": item("1") }));
    assert_eq!(
        ok(&store, "DeleteItem", delete.clone()),
        json!({ "Attributes": item("2") })
    );
    assert_eq!(ok(&store, "DeleteItem", delete), json!({}));
    for operation in ["PutItem", "DeleteItem"] {
        let request = json!({ "TableName": HASH, "Key": key("a"), "Item": item("1"), "ReturnValues": "ALL_NEW" });
        let error = err(&store, operation, request);
        assert!(
            error.message.ends_with("ReturnValues can only be ALL_OLD or NONE"),
            "{error}"
        );
    }
}

#[test]
fn a_failed_condition_returns_the_old_item_on_request() {
    let store = store();
    ok(&store, "PutItem", only_once("a", 1));
    let old = json!({ "id": { "S": "a" }, "owner": { "N": "1" } });
    let base =
        json!({ "TableName": HASH, "Item": old, "Key": key("a"), "ConditionExpression": "attribute_not_exists(id)" });
    for operation in ["PutItem", "UpdateItem", "DeleteItem"] {
        let with_old = merged(
            base.clone(),
            json!({ "ReturnValuesOnConditionCheckFailure": "ALL_OLD" }),
        );
        let error = err(&store, operation, with_old);
        assert_eq!(
            error.code,
            "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException"
        );
        assert_eq!((error.status, error.body()["Item"].clone()), (400, old.clone()));
        assert!(err(&store, operation, base.clone()).members.is_empty());
    }
    assert_eq!(store.scan(HASH), [old]);
}

#[test]
fn a_failed_condition_on_no_item_returns_none() {
    let request = json!({
        "TableName": HASH, "Key": key("a"), "ConditionExpression": "attribute_exists(id)",
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    });
    let error = err(&store(), "DeleteItem", request);
    assert_eq!(
        (error.name(), error.members.len()),
        ("ConditionalCheckFailedException", 0)
    );
}

#[test]
fn of_fifty_puts_at_a_time_exactly_one_wins() {
    const THREADS: usize = 50;
    const ROUNDS: usize = 200;
    let store = store();
    let start = Barrier::new(THREADS);
    let wins: Vec<Vec<usize>> = thread::scope(|scope| {
        let racers: Vec<_> = (0..THREADS)
            .map(|racer| {
                let (store, start) = (&store, &start);
                scope.spawn(move || {
                    let won = |round: &usize| {
                        start.wait();
                        let id = round.to_string();
                        match call(store, "PutItem", only_once(&id, racer)) {
                            Ok(_) => true,
                            Err(refusal) => {
                                assert_eq!(refusal.name(), "ConditionalCheckFailedException");
                                assert_eq!(refusal.members["Item"], get(store, &id));
                                false
                            }
                        }
                    };
                    (0..ROUNDS).filter(won).collect()
                })
            })
            .collect();
        racers.into_iter().map(|racer| racer.join().unwrap()).collect()
    });
    let mut won: Vec<_> = wins.iter().flatten().copied().collect();
    won.sort_unstable();
    assert_eq!(won, (0..ROUNDS).collect::<Vec<_>>());
    for (racer, rounds) in wins.iter().enumerate() {
        for round in rounds {
            assert_eq!(
                get(&store, &format!("{round}"))["owner"],
                json!({ "N": racer.to_string() })
            );
        }
    }
}

#[test]
fn counters_lose_no_increment_to_a_race() {
    let store = store();
    let request = json!({
        "TableName": HASH, "Key": key("a"), "UpdateExpression": "SET n = if_not_exists(n, :zero) + :one",
        "ExpressionAttributeValues": { ":zero": { "N": "0" }, ":one": { "N": "1" } },
    });
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| (0..100).for_each(|_| drop(ok(&store, "UpdateItem", request.clone()))));
        }
    });
    assert_eq!(get(&store, "a")["n"], json!({ "N": "800" }));
}

#[test]
fn number_keys_are_one_key_if_they_are_one_number() {
    let store = store();
    let item = |sort: &str, text: &str| json!({ "id": { "S": "a" }, "sort": { "N": sort }, "text": { "S": text } });
    ok(
        &store,
        "PutItem",
        json!({ "TableName": BOTH, "Item": item("1.0", "first") }),
    );
    ok(
        &store,
        "PutItem",
        json!({ "TableName": BOTH, "Item": item("10e-1", "second") }),
    );
    assert_eq!(store.scan(BOTH), [item("1", "second")]);
    let request = json!({ "TableName": BOTH, "Key": { "id": { "S": "a" }, "sort": { "N": "001" } } });
    assert_eq!(ok(&store, "GetItem", request)["Item"], item("1", "second"));
}
