//! What is promised, compared with the snapshot.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::cases::{Expected, STOCK};
use crate::sent::text;
use crate::snapshot::{Place, Seen, Snapshot, attribute};

pub(crate) struct Promise {
    pub(crate) held: bool,
    pub(crate) text: String,
}

pub(crate) fn promises(snapshot: &Snapshot<'_>) -> Vec<Promise> {
    let promise = |held, text: String| Promise { held, text };
    let all = |holds: &dyn Fn(&Seen<'_>) -> bool| snapshot.messages.iter().all(holds);
    let messages = snapshot.messages.len();
    let deliveries: u32 = snapshot.messages.iter().map(|seen| seen.deliveries).sum();
    vec![
        promise(
            messages > 0 && all(&|seen| seen.deliveries > 0 && seen.place != Place::InQueue),
            format!("nothing is lost: each of {messages} messages is done, or in a dead-letter queue with its reason"),
        ),
        promise(
            all(&|seen| (seen.place == Place::Acknowledged) == (seen.status.as_deref() == Some("COMPLETED"))),
            "a message was acknowledged if and only if its record is completed".to_owned(),
        ),
        promise(
            outcomes_are_right(snapshot),
            "what can be done was done; what can't was dead-lettered at once".to_owned(),
        ),
        promise(
            all(&|seen| seen.effects <= 1) && every_order_counted_once(snapshot),
            format!("no effect was repeated, although these messages were delivered {deliveries} times"),
        ),
        promise(
            totals_are_right(snapshot),
            "each customer's total is the sum of their accepted orders".to_owned(),
        ),
        promise(
            !snapshot.confirmations.is_empty() && snapshot.confirmations.values().all(|accepted| *accepted == 1),
            format!(
                "each of {} orders was confirmed once, although a function died before it sent a confirmation",
                snapshot.confirmations.len()
            ),
        ),
        promise(
            stock_is_right(snapshot),
            "the stock is what it was, less each reservation once".to_owned(),
        ),
        promise(
            snapshot.killed > 1 && snapshot.refused && all(&|seen| !seen.sent.doubled || seen.deliveries > 1),
            format!(
                "under faults: a function was killed during a batch of {}, messages came twice, a receiver was busy",
                snapshot.killed
            ),
        ),
    ]
}

fn outcomes_are_right(snapshot: &Snapshot<'_>) -> bool {
    let mut done_of_file: BTreeMap<&str, usize> = BTreeMap::new();
    let each = snapshot.messages.iter().all(|seen| {
        let done = seen.place == Place::Acknowledged;
        *done_of_file.entry(seen.sent.file).or_default() += usize::from(done);
        let is_right = match seen.sent.expected {
            Expected::Done => done,
            Expected::DeadLettered => !done,
            Expected::OneIsDone => true,
        };
        // A killed function had no time to dead-letter it.
        let at_once = done || seen.deliveries as usize <= 1 + seen.killed;
        is_right && at_once && has_effect(snapshot, seen) == done && (done || seen.reason.is_some())
    });
    let one_of_many = snapshot
        .messages
        .iter()
        .filter(|seen| seen.sent.expected == Expected::OneIsDone);
    each && one_of_many
        .map(|seen| seen.sent.file)
        .all(|file| done_of_file.get(file) == Some(&1))
}

/// Whether the effect that the message asks for happened.
fn has_effect(snapshot: &Snapshot<'_>, seen: &Seen<'_>) -> bool {
    match seen.sent.queue {
        "orders" => snapshot.orders.iter().any(|order| is_of(order, seen)),
        _ => seen.effects == 1,
    }
}

/// Whether this is the message's order.
fn is_of(order: &Value, seen: &Seen<'_>) -> bool {
    let body = &seen.sent.body;
    text(body, "id") == attribute(order, "id")
        && text(body, "customer") == attribute(order, "customer")
        && body["amount"].as_i64() == attribute(order, "amount").parse().ok()
}

/// Whether every stored order was committed by one message, and no other order at all.
fn every_order_counted_once(snapshot: &Snapshot<'_>) -> bool {
    let mut commits: BTreeMap<String, u32> = BTreeMap::new();
    for seen in snapshot.messages.iter().filter(|seen| seen.sent.queue == "orders") {
        *commits.entry(seen.sent.subject()).or_default() += seen.effects;
    }
    let stored: Vec<_> = snapshot.orders.iter().map(|order| attribute(order, "id")).collect();
    commits
        .iter()
        .all(|(order, commits)| *commits == u32::from(stored.contains(order)))
}

fn stock_is_right(snapshot: &Snapshot<'_>) -> bool {
    let left = |sku: &str| {
        snapshot
            .stock
            .iter()
            .find(|item| attribute(item, "id") == sku)
            .map(|item| attribute(item, "stock"))
    };
    let reserved = |sku: &str| {
        let done = snapshot
            .messages
            .iter()
            .filter(|seen| seen.place == Place::Acknowledged);
        let of_sku = done.filter(|seen| text(&seen.sent.body, "sku") == sku);
        of_sku
            .filter_map(|seen| seen.sent.body["quantity"].as_i64())
            .sum::<i64>()
    };
    let mut stock = STOCK.iter();
    stock.all(|(sku, there)| reserved(sku) > 0 && left(sku) == Some((there - reserved(sku)).to_string()))
}

/// Whether the totals are the sums of the stored orders, and the stored orders were sent.
fn totals_are_right(snapshot: &Snapshot<'_>) -> bool {
    let mut sums: BTreeMap<String, i128> = BTreeMap::new();
    for order in &snapshot.orders {
        *sums.entry(attribute(order, "customer")).or_default() +=
            attribute(order, "amount").parse::<i128>().unwrap_or_default();
    }
    let totals: BTreeMap<_, _> = snapshot
        .customers
        .iter()
        .map(|customer| {
            (
                attribute(customer, "id"),
                attribute(customer, "total").parse().unwrap_or_default(),
            )
        })
        .collect();
    let sent = |order: &Value| snapshot.messages.iter().any(|seen| is_of(order, seen));
    !sums.is_empty() && sums == totals && snapshot.orders.iter().all(sent)
}
