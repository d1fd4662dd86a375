//! The writes of an order.

use std::collections::HashMap;

use aws_sdk_dynamodb::error::BuildError;
use aws_sdk_dynamodb::types::{AttributeValue, Put, Update};
use idempotency::{DynamoDbWrite, Item, Refusal};

use crate::{Line, Order};

/// Names of the tables that orders are written to. The partition key of each is the string `id`.
#[derive(Debug, Clone)]
pub struct Tables {
    /// One item per order.
    pub orders: String,
    /// One item per customer, with the `total` of their orders in minor units.
    pub customers: String,
}

impl Tables {
    /// Inserts the order if its ID is new.
    ///
    /// If the same order exists, the producer sent it twice, and it is already done. Another order with this ID is a
    /// permanent failure.
    pub(crate) fn insert(&self, order: &Order) -> Result<DynamoDbWrite, BuildError> {
        let item = item(order);
        let put = Put::builder()
            .table_name(&self.orders)
            .set_item(Some(item.clone()))
            .condition_expression("attribute_not_exists(id)")
            .build()?;
        let id_taken = format!("order {} was placed before with other content", order.id);
        Ok(DynamoDbWrite::put(put).if_refused(move |existing| match existing {
            // Other attributes may have been added since, such as a state.
            Some(existing) if item.iter().all(|(name, value)| existing.get(name) == Some(value)) => {
                Refusal::AlreadyDone
            }
            _ => Refusal::Permanent(id_taken.clone()),
        }))
    }

    /// Adds the amount of the order to the total of its customer.
    pub(crate) fn add_to_total(&self, order: &Order) -> Result<DynamoDbWrite, BuildError> {
        let update = Update::builder()
            .table_name(&self.customers)
            .key("id", text(&order.customer))
            .update_expression("ADD #total :amount")
            .expression_attribute_names("#total", "total")
            .expression_attribute_values(":amount", number(order.amount))
            .build()?;
        Ok(DynamoDbWrite::update(update))
    }
}

fn item(order: &Order) -> Item {
    let lines = order.items.iter().map(line).collect();
    HashMap::from([
        ("id".to_owned(), text(&order.id)),
        ("customer".to_owned(), text(&order.customer)),
        ("items".to_owned(), AttributeValue::L(lines)),
        ("amount".to_owned(), number(order.amount)),
    ])
}

fn line(line: &Line) -> AttributeValue {
    AttributeValue::M(HashMap::from([
        ("sku".to_owned(), text(&line.sku)),
        ("quantity".to_owned(), number(line.quantity)),
        ("price".to_owned(), number(line.price)),
    ]))
}

fn text(value: &str) -> AttributeValue {
    AttributeValue::S(value.to_owned())
}

fn number(value: i64) -> AttributeValue {
    AttributeValue::N(value.to_string())
}
