//! What is promised, checked at the end of a scenario.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use workers::{orders_hold, same, subject};

use crate::Failed;
use crate::faults::repeated;
use crate::harness::Harness;
use crate::queues::Queues;

/// What a scenario shows, for its line.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    pub(crate) messages: usize,
    /// Messages that were received more than once: of the queue of orders, on RabbitMQ of both.
    pub(crate) redelivered: usize,
    /// Effects that arrived again, each explained by a fault.
    pub(crate) repeated: usize,
    pub(crate) dead_letters: usize,
}

/// Checks the promises, which are broken if this is an error.
pub(crate) async fn check(harness: &Harness) -> Result<Figures, Failed> {
    let found = harness.found().await?;
    let dead_letters = dead_letters(harness).await?;
    orders_hold(&harness.orders, &found)?;
    let repeated = effects(harness)?;
    order(harness).await?;
    Ok(Figures {
        messages: harness.orders.messages.len() + harness.expected.len(),
        redelivered: harness.queues.redelivered(harness.orders.messages.keys()),
        repeated,
        dead_letters,
    })
}

/// Messages that were received before, are still there, and have a completed record: their acknowledgement was lost.
pub(crate) async fn unacknowledged(harness: &Harness) -> Result<Vec<String>, Failed> {
    let records = harness.found().await?.records;
    let mut keys = Vec::new();
    for (queue, namespace) in [("orders", "place-order"), ("notifications", "send-notification")] {
        let queued = harness.queues.peek(queue).await?.into_iter();
        let received = queued.filter(|message| message.received);
        keys.extend(received.map(|message| format!("{namespace}#{}", message.key)));
    }
    keys.retain(|key| records.get(key).is_some_and(|status| status == "COMPLETED"));
    Ok(keys)
}

/// Those that can't be processed are dead letters, and no others.
async fn dead_letters(harness: &Harness) -> Result<usize, Failed> {
    let dead = harness.queues.peek("orders-dlq").await?;
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
    match harness.queues.peek("notifications-dlq").await?.len() {
        0 => Ok(orders.len()),
        count => Err(format!("promise 5: {count} notifications are dead letters").into()),
    }
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

/// On ordered queues: the writes and the effects of a group are in the order in which its messages were sent.
async fn order(harness: &Harness) -> Result<(), Failed> {
    let (Queues::RabbitMq(broker), Some(database)) = (&harness.queues, harness.database()) else {
        return Ok(());
    };
    if !broker.ordered {
        return Ok(());
    }
    in_order("writes", database.in_order_of_commit().await?)?;
    let mut seen = BTreeSet::new();
    let arrivals = harness.receiver.arrivals().into_iter();
    let first =
        arrivals.filter(|arrival| harness.expected.contains(&arrival.subject) && seen.insert(arrival.subject.clone()));
    let of_group = |subject: &str| Some((subject.split_once('-')?.0.to_owned(), subject.to_owned()));
    in_order("effects", first.filter_map(|arrival| of_group(&arrival.subject)))
}

/// Whether the numbers of each group, which their names end with, rise.
fn in_order(what: &str, named: impl IntoIterator<Item = (String, String)>) -> Result<(), Failed> {
    let mut last = BTreeMap::<String, u64>::new();
    for (group, name) in named {
        let number = name.rsplit('-').next().and_then(|number| number.parse().ok());
        let number: u64 = number.ok_or_else(|| format!("{name} has no number"))?;
        match last.insert(group.clone(), number) {
            Some(before) if before >= number => {
                return Err(format!("order: the {what} of {group}: {number} after {before}").into());
            }
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_rise_within_a_group_only() {
        let check = |names: &[(&str, &str)]| {
            in_order(
                "effects",
                names
                    .iter()
                    .map(|(group, name)| ((*group).to_owned(), (*name).to_owned())),
            )
            .is_ok()
        };
        assert!(check(&[("a", "a-9"), ("b", "b-1"), ("a", "a-10")]));
        assert!(!check(&[("a", "a-9"), ("b", "b-1"), ("a", "a-8")]));
    }
}
