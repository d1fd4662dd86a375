//! What is promised of orders.

use std::collections::BTreeMap;
use std::fmt::Debug;

use crate::{Failed, Found, Orders};

/// Checks promises 5 and 6: each message has the record that it must have, and each order is stored once.
///
/// # Errors
///
/// One of them is broken: which, and by what.
pub fn orders_hold(orders: &Orders, found: &Found) -> Result<(), Failed> {
    records(orders, found)?;
    writes(orders, found)
}

/// Each message has a completed record or, if it can't be processed, a rejected one.
fn records(orders: &Orders, found: &Found) -> Result<(), Failed> {
    let poison = orders.poison();
    for (message, order) in &orders.messages {
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
fn writes(orders: &Orders, found: &Found) -> Result<(), Failed> {
    let valid = orders.valid();
    same("promise 6: orders", &found.orders, &valid)?;
    let mut totals = BTreeMap::<String, i64>::new();
    for (customer, amount) in valid.values() {
        *totals.entry(customer.clone()).or_default() += amount;
    }
    same("promise 6: totals of customers", &found.totals, &totals)
}

/// Whether this is what it must be.
///
/// # Errors
///
/// What is missing, and what must not be there.
pub fn same<T: PartialEq + IntoIterator + Clone>(what: &str, found: &T, expected: &T) -> Result<(), Failed>
where
    T::Item: PartialEq + Debug,
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
