//! A stage with this function on it, stock to take from, and what reservations leave there.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use emulator::ApiError;
use emulator::dynamodb::{FaultKind, Reply};
use serde_json::{Value, json};
use testing::{DeadLetter, TestStack, text};

/// The function and its program.
pub(super) const RESERVE_STOCK: (&str, &str) = ("reserve-stock", env!("CARGO_BIN_EXE_reserve-stock"));

/// A stage of its own for a test, with this much of each SKU in stock.
pub(super) async fn set(stock: &[(&str, i64)], parameters: &[(&str, &str)]) -> TestStack {
    stocked(stock, TestStack::start(&[RESERVE_STOCK], &hurried(parameters)).await)
}

/// The same, but the function knows of no dead-letter queue.
pub(super) async fn set_without_dead_letter_queue(stock: &[(&str, i64)], parameters: &[(&str, &str)]) -> TestStack {
    let line = "          DEAD_LETTER_QUEUE_URL: !Ref ReservationsDeadLetterQueue\n";
    let stage = TestStack::start_edited(&[RESERVE_STOCK], (line, ""), &hurried(parameters)).await;
    stocked(stock, stage)
}

/// With delays that do not grow.
fn hurried<'a>(parameters: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    [&[("LongestRetryDelay", "1")], parameters].concat()
}

fn stocked(stock: &[(&str, i64)], stage: TestStack) -> TestStack {
    for (sku, stock) in stock {
        put(&stage, sku, *stock);
    }
    stage
}

/// Has this much of a SKU in stock from now on.
pub(super) fn put(stage: &TestStack, sku: &str, stock: i64) {
    let item = json!({ "id": { "S": sku }, "stock": { "N": stock.to_string() } });
    let put = json!({ "TableName": "stock", "Item": item });
    let reply = stage.stack.dynamodb().call("PutItem", put);
    assert!(matches!(reply, Reply::Answer(Ok(_))), "{reply:?}");
}

pub(super) fn reservation(sku: &str, quantity: i64, order: &str) -> Value {
    json!({ "sku": sku, "quantity": quantity, "order": order })
}

/// The key of a reservation.
pub(super) fn key(sku: &str, order: &str) -> String {
    format!("{sku:?} for order {order:?}")
}

/// What the dead-letter queue says of a reservation that was sent there at its first receive.
pub(super) fn letter(message: &str, sku: &str, order: &str, reason: &str) -> DeadLetter {
    DeadLetter {
        key: key(sku, order),
        ..DeadLetter::sent("reserve-stock", message, reason)
    }
}

/// Sends a reservation to its group, and gives back its message's ID.
pub(super) async fn reserve(stage: &TestStack, sku: &str, quantity: i64, order: &str) -> String {
    let body = reservation(sku, quantity, order);
    stage.send_in_group("reservations.fifo", sku, &body).await
}

/// What is left of each SKU.
pub(super) fn stock(stage: &TestStack) -> BTreeMap<String, i64> {
    let items = stage.stack.dynamodb().scan("stock");
    let stock = |item: &Value| (text(item, "id"), text(item, "stock").parse().unwrap());
    items.iter().map(stock).collect()
}

/// Keys of the reservations whose transactions were committed, in that order, each as often as it was.
pub(super) type Commits = Arc<Mutex<Vec<String>>>;

/// Notes commits, and is told of each, by its number, before its reply is given.
pub(super) fn watch(stage: &TestStack, mut told: impl FnMut(usize) + Send + 'static) -> Commits {
    let commits = Commits::default();
    let noted = Arc::clone(&commits);
    // A request whose answer came too late is sent again under its token, and answered again, but commits nothing.
    let mut tokens = BTreeSet::new();
    let hook = move |request: &Value, answer: &Result<Value, ApiError>| {
        if answer.is_ok() && tokens.insert(request["ClientRequestToken"].to_string()) {
            let record = request["TransactItems"][0]["Put"]["Item"]["id"]["S"].as_str().unwrap();
            let key = record.strip_prefix("reserve-stock#").unwrap().to_owned();
            let mut noted = noted.lock().unwrap();
            noted.push(key);
            told(noted.len());
        }
    };
    let kind = FaultKind::AfterApply(Box::new(hook));
    stage.inject("TransactWriteItems", None, u32::MAX, kind);
    commits
}
