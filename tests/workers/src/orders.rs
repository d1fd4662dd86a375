//! The orders that are sent: most once, some twice, some that can't be processed.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

/// Few, so that orders of one customer conflict.
const CUSTOMERS: u64 = 20;

/// What was sent.
#[derive(Debug, Default)]
pub struct Orders {
    next: u64,
    each_once: bool,
    /// The order of each message, by message ID.
    pub messages: BTreeMap<String, u64>,
}

impl Orders {
    /// None is sent twice.
    pub fn each_once() -> Self {
        Self {
            each_once: true,
            ..Self::default()
        }
    }

    /// The number of the next one to send.
    pub fn draw(&mut self) -> u64 {
        let order = if self.each_once { self.next } else { order_of(self.next) };
        self.next += 1;
        order
    }

    /// Those that must be placed, each once: by ID, with customer and amount.
    pub fn valid(&self) -> BTreeMap<String, (String, i64)> {
        let valid = self.messages.values().filter(|order| !is_poison(**order));
        valid
            .map(|order| (id(*order), (customer(*order), amount(*order))))
            .collect()
    }

    /// IDs of those that must be dead letters.
    pub fn poison(&self) -> BTreeSet<String> {
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
fn is_poison(order: u64) -> bool {
    order % 15 == 7
}

fn id(order: u64) -> String {
    format!("o-{order}")
}

/// Its customer.
pub fn customer(order: u64) -> String {
    format!("customer-{}", order % CUSTOMERS)
}

fn amount(order: u64) -> i64 {
    i64::try_from(order % 900).unwrap_or_default() + 100
}

/// The message.
pub fn body(order: u64) -> Value {
    let price = amount(order);
    json!({
        "id": id(order),
        "customer": customer(order),
        "items": [{ "sku": "tea", "quantity": 1, "price": price }],
        "amount": price + i64::from(is_poison(order)),
    })
}

/// The subject of its confirmation.
pub fn subject(order: &str) -> String {
    format!("Your order {order}")
}
