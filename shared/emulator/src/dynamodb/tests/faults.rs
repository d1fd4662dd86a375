//! Faults, and the count of requests, before the tables.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use super::super::{Fault, FaultKind};
use super::*;

fn fault(operation: &str, times: u32, kind: FaultKind) -> Fault {
    Fault {
        operation: operation.to_owned(),
        containing: None,
        times,
        kind,
    }
}

fn put_request(id: &str) -> Value {
    json!({ "TableName": HASH, "Item": key(id) })
}

fn is_lost(reply: Reply) -> bool {
    matches!(reply, Reply::Lost)
}

#[test]
fn a_refused_request_is_not_applied_the_next_one_is() {
    for (kind, name, status) in [
        (FaultKind::Throttle, "ProvisionedThroughputExceededException", 400),
        (FaultKind::Conflict, "TransactionConflictException", 400),
        (FaultKind::ServerError, "InternalServerError", 500),
        (FaultKind::Deny, "AccessDeniedException", 400),
    ] {
        let store = store();
        store.inject(fault("PutItem", 2, kind));
        for _ in 0..2 {
            let error = err(&store, "PutItem", put_request("a"));
            assert_eq!((error.name(), error.status), (name, status));
        }
        assert_eq!(get(&store, "a"), Value::Null);
        put(&store, key("a"));
        assert_eq!(get(&store, "a"), key("a"));
    }
}

#[test]
fn refused_statements_are_not_applied_the_others_are() {
    let store = store();
    let insert = |id: &str| json!({ "Statement": format!("INSERT INTO \"{HASH}\" VALUE {{'id': '{id}'}}") });
    let request = json!({ "Statements": [insert("a"), insert("b"), insert("c")] });
    let kind = FaultKind::RefuseStatements {
        code: "ThrottlingError",
        positions: vec![0, 2, 9],
    };
    store.inject(fault("BatchExecuteStatement", 1, kind));
    let answer = ok(&store, "BatchExecuteStatement", request.clone());
    let code = |answer: &Value, position: usize| answer["Responses"][position]["Error"]["Code"].clone();
    assert_eq!(
        [0, 1, 2].map(|position| code(&answer, position)),
        [json!("ThrottlingError"), Value::Null, json!("ThrottlingError")]
    );
    assert_eq!(store.scan(HASH).len(), 1);
    let answer = ok(&store, "BatchExecuteStatement", request);
    assert_eq!(
        [0, 1, 2].map(|position| code(&answer, position)),
        [Value::Null, json!("DuplicateItem"), Value::Null]
    );
}

#[test]
fn a_conflict_cancels_a_transaction_for_every_action() {
    let store = store();
    store.inject(fault("TransactWriteItems", 1, FaultKind::Conflict));
    let request = json!({ "TransactItems": [{ "Put": put_request("a") }, { "Put": put_request("b") }] });
    let error = err(&store, "TransactWriteItems", request.clone());
    assert_eq!(error.name(), "TransactionCanceledException");
    assert!(
        error.message.ends_with("[TransactionConflict, TransactionConflict]"),
        "{error}"
    );
    assert_eq!(error.members["CancellationReasons"][1]["Code"], "TransactionConflict");
    assert!(store.scan(HASH).is_empty());
    ok(&store, "TransactWriteItems", request);
    assert_eq!(store.scan(HASH).len(), 2);
}

#[test]
fn a_lost_request_changes_nothing_a_lost_reply_does() {
    let store = store();
    store.inject(fault("PutItem", 1, FaultKind::LoseRequest));
    store.inject(fault("PutItem", 1, FaultKind::LoseReply));
    assert!(is_lost(store.call("PutItem", put_request("a"))));
    assert!(store.scan(HASH).is_empty());
    assert!(is_lost(store.call("PutItem", put_request("a"))));
    assert_eq!(store.scan(HASH), [key("a")]);
    put(&store, key("b"));
}

#[test]
fn a_fault_affects_only_matching_requests() {
    let store = store();
    let target = Fault {
        containing: Some("\"b\"".to_owned()),
        ..fault("PutItem", 1, FaultKind::Throttle)
    };
    store.inject(target);
    put(&store, key("a"));
    assert_eq!(get(&store, "b"), Value::Null);
    assert_eq!(
        err(&store, "PutItem", put_request("b")).name(),
        "ProvisionedThroughputExceededException"
    );
    put(&store, key("b"));
}

#[test]
fn a_fault_for_zero_requests_affects_none() {
    let store = store();
    store.inject(fault("PutItem", 0, FaultKind::LoseRequest));
    put(&store, key("a"));
}

#[test]
fn a_hook_runs_after_the_commit_and_may_use_the_store() {
    let store = Arc::new(store());
    let committed = Arc::new(AtomicBool::new(false));
    let runs = Arc::new(AtomicU32::new(0));
    let hook = {
        let (store, committed, runs) = (Arc::clone(&store), Arc::clone(&committed), Arc::clone(&runs));
        Box::new(move |request: &Value, answer: &Result<Value, ApiError>| {
            assert!(request["TableName"] == HASH && answer.is_ok());
            committed.store(store.scan(HASH) == [key("a")], Ordering::SeqCst);
            runs.fetch_add(1, Ordering::SeqCst);
        })
    };
    store.inject(fault("PutItem", 2, FaultKind::AfterApply(hook)));
    for _ in 0..3 {
        put(&store, key("a"));
    }
    assert!(committed.load(Ordering::SeqCst));
    assert_eq!(runs.load(Ordering::SeqCst), 2);
}

#[test]
fn every_request_is_counted_whatever_its_result() {
    let store = store();
    store.inject(fault("PutItem", 1, FaultKind::LoseRequest));
    store.call("PutItem", put_request("a"));
    put(&store, key("a"));
    err(&store, "Query", json!({}));
    assert_eq!(
        store.requests(),
        [
            ("CreateTable".to_owned(), 2),
            ("PutItem".to_owned(), 2),
            ("Query".to_owned(), 1)
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_delayed_request_is_applied_after_its_delay() {
    let store = store();
    let delay = Duration::from_secs(5);
    store.inject(fault("PutItem", 1, FaultKind::Delay(delay)));
    let started = tokio::time::Instant::now();
    let mut delayed = std::pin::pin!(store.serve("PutItem", put_request("a")));
    let waited = tokio::time::timeout(delay / 2, &mut delayed).await;
    assert!(waited.is_err() && get(&store, "a") == Value::Null);
    // A client that sends it again is served first.
    let again = store.serve("PutItem", put_request("b")).await;
    assert!(matches!(again, Reply::Answer(Ok(_))) && get(&store, "b") == key("b"));
    assert!(matches!(delayed.await, Reply::Answer(Ok(_))) && get(&store, "a") == key("a"));
    assert_eq!(started.elapsed(), delay);
}
