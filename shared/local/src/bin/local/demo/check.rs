//! What is promised, held against what was seen.

use std::collections::BTreeMap;

use super::cast::Fate;
use super::stage::{Place, Scene, Seen, attribute, text};

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
            format!("nothing is lost: each of {messages} messages was acknowledged or is in a dead-letter queue"),
        ),
        promise(
            all(&|seen| (seen.place == Place::Acknowledged) == (seen.status.as_deref() == Some("COMPLETED"))),
            "a message was acknowledged if and only if its record says that its work is done".to_owned(),
        ),
        promise(
            fates_are_right(scene),
            "what can be done was done, and what can't ended in its dead-letter queue with a reason".to_owned(),
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
            scene.kills > 0 && scene.notified_again && all(&|seen| !seen.sent.doubled || seen.deliveries > 1),
            "and life was hard: a function killed in mid-batch, messages delivered twice, a receiver that was busy"
                .to_owned(),
        ),
    ]
}

fn fates_are_right(scene: &Scene<'_>) -> bool {
    let mut done_of_file: BTreeMap<&str, usize> = BTreeMap::new();
    let each = scene.messages.iter().all(|seen| {
        let done = seen.place == Place::Acknowledged;
        *done_of_file.entry(seen.sent.file).or_default() += usize::from(done);
        match seen.sent.fate {
            Fate::Done => done,
            Fate::DeadLettered => !done && seen.effects == 0 && seen.reason.is_some(),
            Fate::OneIsDone => done || seen.reason.is_some(),
        }
    });
    let lucky = scene.messages.iter().filter(|seen| seen.sent.fate == Fate::OneIsDone);
    each && lucky
        .map(|seen| seen.sent.file)
        .all(|file| done_of_file.get(file) == Some(&1))
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
    let sent = |order: &serde_json::Value| {
        scene.messages.iter().any(|seen| {
            let body = &seen.sent.body;
            text(body, "id") == attribute(order, "id") && body["amount"].to_string() == attribute(order, "amount")
        })
    };
    !sums.is_empty() && sums == totals && scene.orders.iter().all(sent)
}
