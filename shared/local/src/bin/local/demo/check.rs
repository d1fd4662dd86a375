//! What is promised, held against what was seen.

use std::collections::BTreeMap;

use serde_json::Value;

use super::cast::{Fate, STOCK};
use super::scene::{Place, Scene, Seen, attribute};
use super::sent::text;

pub(super) struct Promise {
    pub(super) held: bool,
    pub(super) text: String,
}

pub(super) fn promises(scene: &Scene<'_>) -> Vec<Promise> {
    let promise = |held, text: String| Promise { held, text };
    let all = |holds: &dyn Fn(&Seen<'_>) -> bool| scene.messages.iter().all(holds);
    let messages = scene.messages.len();
    let deliveries: u32 = scene.messages.iter().map(|seen| seen.deliveries).sum();
    vec![
        promise(
            messages > 0 && all(&|seen| seen.deliveries > 0 && seen.place != Place::InQueue),
            format!("nothing is lost: each of {messages} messages is done, or in a dead-letter queue with its reason"),
        ),
        promise(
            all(&|seen| (seen.place == Place::Acknowledged) == (seen.status.as_deref() == Some("COMPLETED"))),
            "a message left for good if and only if its record says that its work is done".to_owned(),
        ),
        promise(
            fates_are_right(scene),
            "what can be done was done, and what can't went to its dead-letter queue at once".to_owned(),
        ),
        promise(
            all(&|seen| seen.effects <= 1) && every_order_counted_once(scene),
            format!("no effect was repeated, although there were {deliveries} deliveries"),
        ),
        promise(
            totals_are_right(scene),
            "each customer's total is the sum of their accepted orders".to_owned(),
        ),
        promise(
            !scene.confirmations.is_empty() && scene.confirmations.values().all(|accepted| *accepted == 1),
            format!(
                "each of {} orders was confirmed once, although a function died before it sent a confirmation",
                scene.confirmations.len()
            ),
        ),
        promise(
            stock_is_right(scene),
            "what is left in stock is what there was, less each reservation once".to_owned(),
        ),
        promise(
            scene.killed > 1 && scene.refused && all(&|seen| !seen.sent.doubled || seen.deliveries > 1),
            format!(
                "and life was hard: a function was killed over a batch of {}, messages came twice, a receiver was busy",
                scene.killed
            ),
        ),
    ]
}

fn fates_are_right(scene: &Scene<'_>) -> bool {
    let mut done_of_file: BTreeMap<&str, usize> = BTreeMap::new();
    let each = scene.messages.iter().all(|seen| {
        let done = seen.place == Place::Acknowledged;
        *done_of_file.entry(seen.sent.file).or_default() += usize::from(done);
        let is_right = match seen.sent.fate {
            Fate::Done => done,
            Fate::DeadLettered => !done,
            Fate::OneIsDone => true,
        };
        // Whoever is killed at it had no time to hand it over.
        let at_once = done || seen.deliveries as usize <= 1 + seen.killed;
        is_right && at_once && has_effect(scene, seen) == done && (done || seen.reason.is_some())
    });
    let lucky = scene.messages.iter().filter(|seen| seen.sent.fate == Fate::OneIsDone);
    each && lucky
        .map(|seen| seen.sent.file)
        .all(|file| done_of_file.get(file) == Some(&1))
}

/// Whether what the message asks for is to be seen in the world.
fn has_effect(scene: &Scene<'_>, seen: &Seen<'_>) -> bool {
    match seen.sent.queue {
        "orders" => scene.orders.iter().any(|order| is_of(order, seen)),
        _ => seen.effects == 1,
    }
}

/// Whether this is the order that the message asks for.
fn is_of(order: &Value, seen: &Seen<'_>) -> bool {
    let body = &seen.sent.body;
    text(body, "id") == attribute(order, "id")
        && text(body, "customer") == attribute(order, "customer")
        && body["amount"].as_i64() == attribute(order, "amount").parse().ok()
}

/// Whether every order that was sent and is possible is there, and was committed by one message.
fn every_order_counted_once(scene: &Scene<'_>) -> bool {
    let mut commits: BTreeMap<String, u32> = BTreeMap::new();
    for seen in scene.messages.iter().filter(|seen| seen.sent.queue == "orders") {
        *commits.entry(seen.sent.subject()).or_default() += seen.effects;
    }
    let stored: Vec<_> = scene.orders.iter().map(|order| attribute(order, "id")).collect();
    commits
        .iter()
        .all(|(order, commits)| *commits == u32::from(stored.contains(order)))
}

fn stock_is_right(scene: &Scene<'_>) -> bool {
    let left = |sku: &str| {
        scene
            .stock
            .iter()
            .find(|item| attribute(item, "id") == sku)
            .map(|item| attribute(item, "stock"))
    };
    let reserved = |sku: &str| {
        let done = scene.messages.iter().filter(|seen| seen.place == Place::Acknowledged);
        let of_sku = done.filter(|seen| text(&seen.sent.body, "sku") == sku);
        of_sku
            .filter_map(|seen| seen.sent.body["quantity"].as_i64())
            .sum::<i64>()
    };
    let mut stock = STOCK.iter();
    stock.all(|(sku, there)| reserved(sku) > 0 && left(sku) == Some((there - reserved(sku)).to_string()))
}

/// Whether the totals are what the stored orders make, and the stored orders what was sent.
fn totals_are_right(scene: &Scene<'_>) -> bool {
    let mut sums: BTreeMap<String, i128> = BTreeMap::new();
    for order in &scene.orders {
        *sums.entry(attribute(order, "customer")).or_default() +=
            attribute(order, "amount").parse::<i128>().unwrap_or_default();
    }
    let totals: BTreeMap<_, _> = scene
        .customers
        .iter()
        .map(|customer| {
            (
                attribute(customer, "id"),
                attribute(customer, "total").parse().unwrap_or_default(),
            )
        })
        .collect();
    let sent = |order: &Value| scene.messages.iter().any(|seen| is_of(order, seen));
    !sums.is_empty() && sums == totals && scene.orders.iter().all(sent)
}
