//! The orders that are sent: most once, some twice, some that can't be processed.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::Failed;
use crate::queues::{Message, Queues};

/// Few, so that orders of one customer conflict.
const CUSTOMERS: u64 = 20;

/// What was sent.
#[derive(Debug, Default)]
pub(crate) struct Orders {
    next: u64,
    each_once: bool,
    /// The order of each message, by message ID.
    pub(crate) messages: BTreeMap<String, u64>,
}

impl Orders {
    /// None is sent twice.
    pub(crate) fn each_once() -> Self {
        Self {
            each_once: true,
            ..Self::default()
        }
    }

    pub(crate) async fn send(&mut self, queues: &Queues) -> Result<(), Failed> {
        let order = if self.each_once { self.next } else { order_of(self.next) };
        self.next += 1;
        let message = Message {
            body: body(order),
            group: Some(customer(order)),
        };
        for id in queues.send("orders", &[message]).await? {
            self.messages.insert(id, order);
        }
        Ok(())
    }

    /// Those that must be placed, each once: by ID, with customer and amount.
    pub(crate) fn valid(&self) -> BTreeMap<String, (String, i64)> {
        let valid = self.messages.values().filter(|order| !is_poison(**order));
        valid
            .map(|order| (id(*order), (customer(*order), amount(*order))))
            .collect()
    }

    /// IDs of those that must be dead letters.
    pub(crate) fn poison(&self) -> BTreeSet<String> {
        let poison = self.messages.values().filter(|order| is_poison(**order));
        poison.map(|order| id(*order)).collect()
    }
}

/// One in ten is the order before it, sent again.
fn order_of(number: u64) -> u64 {
    match number % 10 {
        3 => number - 1,
        _ => number,
    }
}

/// Its lines do not make its amount.
pub(crate) fn is_poison(order: u64) -> bool {
    order % 15 == 7
}

fn id(order: u64) -> String {
    format!("o-{order}")
}

fn customer(order: u64) -> String {
    format!("customer-{}", order % CUSTOMERS)
}

fn amount(order: u64) -> i64 {
    i64::try_from(order % 900).unwrap_or_default() + 100
}

/// The message.
pub(crate) fn body(order: u64) -> Value {
    let price = amount(order);
    json!({
        "id": id(order),
        "customer": customer(order),
        "items": [{ "sku": "tea", "quantity": 1, "price": price }],
        "amount": price + i64::from(is_poison(order)),
    })
}

/// The subject of its confirmation.
pub(crate) fn subject(order: &str) -> String {
    format!("Your order {order}")
}
