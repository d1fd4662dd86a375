//! A stage with this function on it, and what orders leave there.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use testing::{TestStack, text};

/// The function and its program.
pub(super) const PLACE_ORDER: (&str, &str) = ("place-order", env!("CARGO_BIN_EXE_place-order"));

/// A stage of its own for a test. Confirmations stay in their queue, for nobody delivers them.
pub(super) async fn set(parameters: &[(&str, &str)]) -> TestStack {
    let parameters = [&[("LongestRetryDelay", "1")], parameters].concat();
    TestStack::start(&[PLACE_ORDER], &parameters).await
}

/// The same, one line of the template written otherwise.
pub(super) async fn set_otherwise(line: (&str, &str), parameters: &[(&str, &str)]) -> TestStack {
    TestStack::start_edited(&[PLACE_ORDER], line, parameters).await
}

/// Names the dead-letter queue in the function's environment.
const DEAD_LETTER_QUEUE: &str = "          DEAD_LETTER_QUEUE_URL: !Ref OrdersDeadLetterQueue\n";

/// A stage whose function knows of no dead-letter queue.
pub(super) async fn set_without_dead_letter_queue(parameters: &[(&str, &str)]) -> TestStack {
    set_otherwise((DEAD_LETTER_QUEUE, ""), parameters).await
}

/// An order of one line that adds up.
pub(super) fn order(id: &str, customer: &str, amount: i64) -> Value {
    let items = json!([{ "sku": "tea", "quantity": 1, "price": amount }]);
    json!({ "id": id, "customer": customer, "items": items, "amount": amount })
}

/// IDs of the orders that were stored, sorted.
pub(super) fn orders(stage: &TestStack) -> Vec<String> {
    let orders = stage.stack.dynamodb().scan("orders");
    orders.iter().map(|order| text(order, "id")).collect()
}

/// The key of each confirmation that was sent, in the order of arrival.
pub(super) fn confirmations(stage: &TestStack) -> Vec<String> {
    let sent = stage.stack.sqs().peek("notifications");
    sent.into_iter()
        .map(|mut message| message.attributes.remove("IdempotencyKey").unwrap_or_default())
        .collect()
}

/// Each customer's total.
pub(super) fn totals(stage: &TestStack) -> BTreeMap<String, i64> {
    let customers = stage.stack.dynamodb().scan("customers");
    let total = |customer: &Value| (text(customer, "id"), text(customer, "total").parse().unwrap());
    customers.iter().map(total).collect()
}

/// What each customer's total should be: the sum of the stored orders.
pub(super) fn sums(stage: &TestStack) -> BTreeMap<String, i64> {
    let mut sums = BTreeMap::new();
    for order in stage.stack.dynamodb().scan("orders") {
        *sums.entry(text(&order, "customer")).or_default() += text(&order, "amount").parse::<i64>().unwrap();
    }
    sums
}
