//! What this stack relies on, as AWS documents it: requests as a client sends them, and the answers.

mod conditions;
mod faults;
mod items;
mod limits;
mod malformed;
mod scans;
mod statements;
mod tables;
mod transactions;
mod updates;

use serde_json::{Value, json};

use super::{DynamoDb, Reply};
use crate::ApiError;

const HASH: &str = "hash";
const BOTH: &str = "both";

/// A table `hash` with the key `id` (S), and a table `both` with the keys `id` (S) and `sort` (N).
fn store() -> DynamoDb {
    with_tables(DynamoDb::in_memory("eu-central-1").unwrap())
}

fn with_tables(store: DynamoDb) -> DynamoDb {
    ok(&store, "CreateTable", table(HASH, &[("id", "S", "HASH")]));
    ok(
        &store,
        "CreateTable",
        table(BOTH, &[("id", "S", "HASH"), ("sort", "N", "RANGE")]),
    );
    store
}

fn table(name: &str, keys: &[(&str, &str, &str)]) -> Value {
    let definitions = keys
        .iter()
        .map(|(name, kind, _)| json!({ "AttributeName": name, "AttributeType": kind }));
    let schema = keys
        .iter()
        .map(|(name, _, role)| json!({ "AttributeName": name, "KeyType": role }));
    json!({
        "TableName": name,
        "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": definitions.collect::<Vec<_>>(),
        "KeySchema": schema.collect::<Vec<_>>(),
    })
}

fn call(store: &DynamoDb, operation: &str, request: Value) -> Result<Value, ApiError> {
    match store.call(operation, request) {
        Reply::Answer(answer) => answer,
        Reply::Lost => panic!("{operation} is not answered"),
    }
}

fn ok(store: &DynamoDb, operation: &str, request: Value) -> Value {
    call(store, operation, request).unwrap_or_else(|error| panic!("{operation}: {error}"))
}

fn err(store: &DynamoDb, operation: &str, request: Value) -> ApiError {
    match call(store, operation, request) {
        Err(error) => error,
        Ok(answer) => panic!("{operation} succeeds: {answer}"),
    }
}

/// Puts an item into the table `hash`.
fn put(store: &DynamoDb, item: Value) {
    ok(store, "PutItem", json!({ "TableName": HASH, "Item": item }));
}

/// The item of the table `hash`; `null` if there is none.
fn get(store: &DynamoDb, id: &str) -> Value {
    ok(store, "GetItem", json!({ "TableName": HASH, "Key": key(id) }))["Item"].clone()
}

fn key(id: &str) -> Value {
    json!({ "id": { "S": id } })
}

/// One object of both; the second wins.
fn merged(mut one: Value, two: Value) -> Value {
    let members = two.as_object().cloned().unwrap_or_default();
    one.as_object_mut().unwrap().extend(members);
    one
}
