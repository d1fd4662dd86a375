//! PartiQL statements in batches, as AWS documents them.

use super::*;

fn insert(id: &str) -> Value {
    json!({ "Statement": format!("INSERT INTO \"{HASH}\" VALUE {{'id': ?, 'n': ?}}"),
            "Parameters": [{ "S": id }, { "N": "2" }] })
}

fn update(id: &str, expected: &str) -> Value {
    json!({ "Statement": format!("UPDATE \"{HASH}\" SET n = ? WHERE id = ? AND n = ?"),
            "Parameters": [{ "N": "9" }, { "S": id }, { "N": expected }],
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD" })
}

fn with_one_item() -> DynamoDb {
    let store = store();
    put(&store, json!({ "id": { "S": "a" }, "n": { "N": "1" } }));
    store
}

#[test]
fn a_duplicate_insert_fails_alone_and_returns_no_item() {
    let store = with_one_item();
    let request = json!({ "Statements": [insert("a"), insert("b")] });
    let answer = ok(&store, "BatchExecuteStatement", request);
    let error = &answer["Responses"][0]["Error"];
    assert_eq!(error["Code"], "DuplicateItem", "{answer}");
    assert_eq!(error.get("Item"), None);
    assert_eq!(answer["Responses"][1].get("Error"), None, "{answer}");
    assert_eq!(get(&store, "a")["n"], json!({ "N": "1" }));
    assert_eq!(get(&store, "b")["n"], json!({ "N": "2" }));
}

#[test]
fn a_refused_update_returns_the_old_item_on_request() {
    let store = with_one_item();
    put(&store, json!({ "id": { "S": "b" }, "n": { "N": "2" } }));
    let request = json!({ "Statements": [update("a", "7"), update("b", "2")] });
    let answer = ok(&store, "BatchExecuteStatement", request);
    let error = &answer["Responses"][0]["Error"];
    assert_eq!(error["Code"], "ConditionalCheckFailed", "{answer}");
    assert_eq!(error["Item"], json!({ "id": { "S": "a" }, "n": { "N": "1" } }));
    assert_eq!(answer["Responses"][1].get("Error"), None, "{answer}");
    assert_eq!(get(&store, "a")["n"], json!({ "N": "1" }));
    assert_eq!(get(&store, "b")["n"], json!({ "N": "9" }));
}

#[test]
fn two_statements_for_one_key_fail_the_whole_request() {
    let store = store();
    let request = json!({ "Statements": [insert("b"), insert("a"), insert("a")] });
    let error = err(&store, "BatchExecuteStatement", request);
    assert_eq!(error.name(), "ValidationException");
    assert!(error.message.contains("duplicates"), "{error}");
    assert!(store.scan(HASH).is_empty());
}

#[test]
fn a_batch_holds_at_most_25_statements_of_one_kind() {
    let inserts = |count: usize| (0..count).map(|number| insert(&number.to_string())).collect::<Value>();
    let store = store();
    ok(&store, "BatchExecuteStatement", json!({ "Statements": inserts(25) }));
    assert_eq!(store.scan(HASH).len(), 25);
    let error = err(&store, "BatchExecuteStatement", json!({ "Statements": inserts(26) }));
    assert_eq!(error.name(), "ValidationException");
    let select = json!({ "Statement": format!("SELECT * FROM \"{HASH}\" WHERE id = ?"), "Parameters": [{ "S": "x" }] });
    let mixed = json!({ "Statements": [insert("y"), select] });
    let error = err(&store, "BatchExecuteStatement", mixed);
    assert!(error.message.contains("Read and write requests together"), "{error}");
}
