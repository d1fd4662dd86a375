//! What became of every message, read from the tables and the dead-letter queue.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_dynamodb::types::AttributeValue;

use crate::Failed;
use crate::messages::Messages;

/// What became of the messages.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) done: usize,
    pub(crate) dead_letters: u64,
    /// Neither done nor in the dead-letter queue.
    pub(crate) lost: usize,
    pub(crate) confirmed: u64,
    pub(crate) totals_hold: bool,
}

impl Found {
    pub(crate) fn holds(&self, messages: &Messages) -> bool {
        self.lost == 0
            && self.totals_hold
            && usize::try_from(self.dead_letters) == Ok(messages.poison())
            && self.confirmed == messages.orders()
    }
}

pub(crate) async fn verify(messages: &Messages, endpoint: &str) -> Result<Found, Failed> {
    let mut found = Found {
        dead_letters: messages.waiting("orders-dlq").await?,
        ..Found::default()
    };
    let (mut completed, mut rejected) = (0, 0);
    let records = scan(endpoint, "idempotency", "id, #status", &[("#status", "status")]).await?;
    for record in records {
        let (id, status) = (text(&record, "id"), text(&record, "status"));
        match (id.split_once('#'), status) {
            (Some(("place-order", message)), "COMPLETED") => completed += usize::from(messages.valid.contains(message)),
            (Some(("place-order", message)), "REJECTED") => rejected += usize::from(messages.invalid.contains(message)),
            (Some(("send-notification", _)), "COMPLETED") => found.confirmed += 1,
            _ => {}
        }
    }
    found.done = completed;
    found.lost = messages.valid.len() - completed + messages.poison() - rejected;
    let customers = scan(endpoint, "customers", "id, #total", &[("#total", "total")]).await?;
    let total = |customer: &HashMap<String, AttributeValue>| {
        let total = customer.get("total").and_then(|total| total.as_n().ok());
        (
            text(customer, "id").to_owned(),
            total.and_then(|total| total.parse().ok()).unwrap_or_default(),
        )
    };
    let totals: BTreeMap<String, u64> = customers.iter().map(total).collect();
    found.totals_hold = totals == messages.totals;
    Ok(found)
}

fn text<'a>(item: &'a HashMap<String, AttributeValue>, name: &str) -> &'a str {
    let text = item.get(name).and_then(|value| value.as_s().ok());
    text.map_or("", String::as_str)
}

/// These attributes of all items of a table.
async fn scan(
    endpoint: &str,
    table: &str,
    attributes: &str,
    names: &[(&str, &str)],
) -> Result<Vec<HashMap<String, AttributeValue>>, Failed> {
    let client = local::dynamodb_client(endpoint).await;
    let names = names
        .iter()
        .map(|(name, meaning)| ((*name).to_owned(), (*meaning).to_owned()));
    let names: HashMap<_, _> = names.collect();
    let (mut items, mut start) = (Vec::new(), None);
    loop {
        let request = client.scan().table_name(table).projection_expression(attributes);
        let request = request.set_expression_attribute_names(Some(names.clone()));
        let page = request.set_exclusive_start_key(start).send().await?;
        items.extend(page.items.unwrap_or_default());
        start = page.last_evaluated_key;
        if start.is_none() {
            return Ok(items);
        }
    }
}
