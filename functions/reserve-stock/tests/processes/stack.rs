//! A test stack with this function and its stock, and what reservations leave there.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use emulator::ApiError;
use emulator::dynamodb::{FaultKind, Reply};
use serde_json::{Value, json};
use testing::{DeadLetter, TestStack, text};

/// The name of the function and the path of its binary.
pub(super) const RESERVE_STOCK: (&str, &str) = ("reserve-stock", env!("CARGO_BIN_EXE_reserve-stock"));

/// Starts a stack with this stock of each SKU.
pub(super) async fn start(stock: &[(&str, i64)], parameters: &[(&str, &str)]) -> TestStack {
    with_stock(stock, TestStack::start(&[RESERVE_STOCK], parameters).await)
}

/// The same, but the function has no dead-letter queue configured.
pub(super) async fn start_without_dead_letter_queue(stock: &[(&str, i64)], parameters: &[(&str, &str)]) -> TestStack {
    let stack = TestStack::start_without_dead_letter_queues(&[RESERVE_STOCK], parameters).await;
    with_stock(stock, stack)
}

fn with_stock(stock: &[(&str, i64)], stack: TestStack) -> TestStack {
    for (sku, stock) in stock {
        put(&stack, sku, *stock);
    }
    stack
}

/// Sets the stock of a SKU.
pub(super) fn put(stack: &TestStack, sku: &str, stock: i64) {
    let item = json!({ "id": { "S": sku }, "stock": { "N": stock.to_string() } });
    let put = json!({ "TableName": "stock", "Item": item });
    let reply = stack.stack.dynamodb().call("PutItem", put);
    assert!(matches!(reply, Reply::Answer(Ok(_))), "{reply:?}");
}

pub(super) fn reservation(sku: &str, quantity: i64, order: &str) -> Value {
    json!({ "sku": sku, "quantity": quantity, "order": order })
}

/// The key of a reservation.
pub(super) fn key(sku: &str, order: &str) -> String {
    format!("{sku:?} for order {order:?}")
}

/// The dead letter of a reservation that was rejected at its first receive.
pub(super) fn dead_letter(message: &str, sku: &str, order: &str, reason: &str) -> DeadLetter {
    DeadLetter {
        key: key(sku, order),
        ..DeadLetter::sent("reserve-stock", message, reason)
    }
}

/// Sends a reservation to its message group. Returns the message ID.
pub(super) async fn reserve(stack: &TestStack, sku: &str, quantity: i64, order: &str) -> String {
    let body = reservation(sku, quantity, order);
    stack.send_in_group("reservations.fifo", sku, &body).await
}

/// The stock of each SKU.
pub(super) fn stock(stack: &TestStack) -> BTreeMap<String, i64> {
    let items = stack.stack.dynamodb().scan("stock");
    let stock = |item: &Value| (text(item, "id"), text(item, "stock").parse().unwrap());
    items.iter().map(stock).collect()
}

/// Keys of the committed reservations, in the order of their commits.
pub(super) type Commits = Arc<Mutex<Vec<String>>>;

/// Records commits. Calls `on_commit` with the number of commits so far, before the reply is sent.
pub(super) fn watch(stack: &TestStack, mut on_commit: impl FnMut(usize) + Send + 'static) -> Commits {
    let commits = Commits::default();
    let recorded = Arc::clone(&commits);
    // A request whose reply was late is sent again with its token. It succeeds again, but commits nothing.
    let mut tokens = BTreeSet::new();
    let hook = move |request: &Value, answer: &Result<Value, ApiError>| {
        if answer.is_ok() && tokens.insert(request["ClientRequestToken"].to_string()) {
            let record = request["TransactItems"][0]["Put"]["Item"]["id"]["S"].as_str().unwrap();
            let key = record.strip_prefix("reserve-stock#").unwrap().to_owned();
            let mut recorded = recorded.lock().unwrap();
            recorded.push(key);
            on_commit(recorded.len());
        }
    };
    let kind = FaultKind::AfterApply(Box::new(hook));
    stack.inject("TransactWriteItems", None, u32::MAX, kind);
    commits
}
