//! A test stack with this function, and what its orders leave there.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use testing::{TestStack, text};

/// The name of the function and the path of its binary.
pub(super) const PLACE_ORDER: (&str, &str) = ("place-order", env!("CARGO_BIN_EXE_place-order"));

/// Starts a stack. Confirmations stay in their queue, because no other function runs.
pub(super) async fn start(parameters: &[(&str, &str)]) -> TestStack {
    TestStack::start(&[PLACE_ORDER], parameters).await
}

/// The same, with one line of the template replaced.
pub(super) async fn start_edited(line: (&str, &str), parameters: &[(&str, &str)]) -> TestStack {
    TestStack::start_edited(&[PLACE_ORDER], line, parameters).await
}

/// Starts a stack whose function has no dead-letter queue configured.
pub(super) async fn start_without_dead_letter_queue(parameters: &[(&str, &str)]) -> TestStack {
    TestStack::start_without_dead_letter_queues(&[PLACE_ORDER], parameters).await
}

/// A valid order with one line.
pub(super) fn order(id: &str, customer: &str, amount: i64) -> Value {
    let items = json!([{ "sku": "tea", "quantity": 1, "price": amount }]);
    json!({ "id": id, "customer": customer, "items": items, "amount": amount })
}

/// IDs of the stored orders, sorted.
pub(super) fn orders(stack: &TestStack) -> Vec<String> {
    let orders = stack.stack.dynamodb().scan("orders");
    orders.iter().map(|order| text(order, "id")).collect()
}

/// The keys of the confirmations in their queue, in order.
pub(super) fn confirmations(stack: &TestStack) -> Vec<String> {
    let sent = stack.stack.sqs().peek("notifications");
    sent.into_iter()
        .map(|mut message| message.attributes.remove("IdempotencyKey").unwrap_or_default())
        .collect()
}

/// The total of each customer.
pub(super) fn totals(stack: &TestStack) -> BTreeMap<String, i64> {
    let customers = stack.stack.dynamodb().scan("customers");
    let total = |customer: &Value| (text(customer, "id"), text(customer, "total").parse().unwrap());
    customers.iter().map(total).collect()
}

/// The expected total of each customer: the sum of the stored orders.
pub(super) fn sums(stack: &TestStack) -> BTreeMap<String, i64> {
    let mut sums = BTreeMap::new();
    for order in stack.stack.dynamodb().scan("orders") {
        *sums.entry(text(&order, "customer")).or_default() += text(&order, "amount").parse::<i64>().unwrap();
    }
    sums
}
