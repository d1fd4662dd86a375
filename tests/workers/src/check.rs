//! What is promised, checked at the end of a scenario.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::Failed;
use crate::faults::repeated;
use crate::harness::Harness;
use crate::ledger::Found;
use crate::orders::subject;

/// What a scenario shows, for its line.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    pub(crate) messages: usize,
    /// Messages of the queue of orders that were received more than once.
    pub(crate) redelivered: usize,
    /// Effects that arrived again, each explained by a fault.
    pub(crate) repeated: usize,
    pub(crate) dead_letters: usize,
}

/// Checks the promises, which are broken if this is an error.
pub(crate) async fn check(harness: &Harness) -> Result<Figures, Failed> {
    let found = harness.found().await?;
    let dead_letters = dead_letters(harness)?;
    records(harness, &found)?;
    writes(harness, &found)?;
    let repeated = effects(harness)?;
    let deliveries = harness
        .orders
        .messages
        .keys()
        .map(|message| harness.stack.sqs().deliveries(message));
    Ok(Figures {
        messages: harness.orders.messages.len() + harness.expected.len(),
        redelivered: deliveries.filter(|deliveries| *deliveries > 1).count(),
        repeated,
        dead_letters,
    })
}

/// Messages that were received before, are still there, and have a completed record: their acknowledgement was lost.
pub(crate) async fn unacknowledged(harness: &Harness) -> Result<Vec<String>, Failed> {
    let records = harness.found().await?.records;
    let of_queue = |queue: &str, namespace: &str| {
        let messages = harness.stack.sqs().peek(queue).into_iter();
        let received = messages.filter(|message| message.receive_count > 0);
        let key = |mut message: emulator::sqs::QueuedMessage| {
            let key = message
                .attributes
                .remove("IdempotencyKey")
                .unwrap_or(message.message_id);
            format!("{namespace}#{key}")
        };
        received.map(key).collect::<Vec<_>>()
    };
    let mut keys = of_queue("orders", "place-order");
    keys.extend(of_queue("notifications", "send-notification"));
    keys.retain(|key| records.get(key).is_some_and(|status| status == "COMPLETED"));
    Ok(keys)
}

/// Those that can't be processed are dead letters, and no others.
fn dead_letters(harness: &Harness) -> Result<usize, Failed> {
    let dead = harness.stack.sqs().peek("orders-dlq");
    let id = |body: &str| {
        let order: Value = serde_json::from_str(body).unwrap_or_default();
        order["id"].as_str().unwrap_or_default().to_owned()
    };
    let orders: BTreeSet<_> = dead.iter().map(|message| id(&message.body)).collect();
    same(
        "promise 5: orders in the dead-letter queue",
        &orders,
        &harness.orders.poison(),
    )?;
    match harness.stack.sqs().peek("notifications-dlq").len() {
        0 => Ok(dead.len()),
        count => Err(format!("promise 5: {count} notifications are dead letters").into()),
    }
}

/// Each message has a completed record or, if it can't be processed, a rejected one.
fn records(harness: &Harness, found: &Found) -> Result<(), Failed> {
    let poison = harness.orders.poison();
    for (message, order) in &harness.orders.messages {
        let expected = if poison.contains(&format!("o-{order}")) {
            "REJECTED"
        } else {
            "COMPLETED"
        };
        let status = found.records.get(&format!("place-order#{message}"));
        if status.map(String::as_str) != Some(expected) {
            return Err(
                format!("promise 5: order o-{order} is gone, and its record is {status:?}, not {expected}").into(),
            );
        }
    }
    let in_progress = found.records.iter().find(|(_, status)| *status == "INPROGRESS");
    match in_progress {
        Some((key, _)) => Err(format!("promise 5: {key} is gone, and its record is in progress").into()),
        None => Ok(()),
    }
}

/// Each order is stored once, and counts once.
fn writes(harness: &Harness, found: &Found) -> Result<(), Failed> {
    let valid = harness.orders.valid();
    same("promise 6: orders", &found.orders, &valid)?;
    let mut totals = BTreeMap::<String, i64>::new();
    for (customer, amount) in valid.values() {
        *totals.entry(customer.clone()).or_default() += amount;
    }
    same("promise 6: totals of customers", &found.totals, &totals)
}

/// Each notification arrived, under one token; again only if a fault explains it.
fn effects(harness: &Harness) -> Result<usize, Failed> {
    let arrivals = harness.receiver.arrivals();
    let arrived: BTreeSet<_> = arrivals.iter().map(|arrival| arrival.subject.clone()).collect();
    let mut expected = harness.expected.clone();
    expected.extend(harness.orders.valid().keys().map(|order| subject(order)));
    same("promise 5: notifications", &arrived, &expected)?;
    let tokens: BTreeSet<_> = arrivals
        .iter()
        .map(|arrival| (&arrival.subject, &arrival.token))
        .collect();
    if tokens.len() != arrived.len() {
        return Err("promise 1: a notification was sent under two idempotency tokens".into());
    }
    match repeated(&arrivals, &harness.faults) {
        (_, Some(why)) => Err(format!("promises 1 and 3: an effect was repeated: {why}").into()),
        (repeated, None) => Ok(repeated),
    }
}

fn same<T: PartialEq + IntoIterator + Clone>(what: &str, found: &T, expected: &T) -> Result<(), Failed>
where
    T::Item: PartialEq + std::fmt::Debug,
{
    if found == expected {
        return Ok(());
    }
    let list = |items: &T| items.clone().into_iter().collect::<Vec<_>>();
    let (found, expected) = (list(found), list(expected));
    let missing: Vec<_> = expected.iter().filter(|item| !found.contains(item)).take(5).collect();
    let unexpected: Vec<_> = found.iter().filter(|item| !expected.contains(item)).take(5).collect();
    let (count, of) = (found.len(), expected.len());
    Err(format!("{what}: {count} of {of}; missing or different {missing:?}, unexpected {unexpected:?}").into())
}
