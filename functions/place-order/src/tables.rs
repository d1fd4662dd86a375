//! The writes of an order to DynamoDB.

use std::collections::HashMap;

use aws_sdk_dynamodb::error::BuildError;
use aws_sdk_dynamodb::types::{AttributeValue, Put, Update};
use consumer::Failure;
use idempotency::{DynamoDbWrite, Item, Refusal};

use crate::orders::id_taken;
use crate::{Line, Order, Orders};

/// Names of the tables that orders are written to. The partition key of each is the string `id`.
#[derive(Debug, Clone)]
pub struct Tables {
    /// One item per order.
    pub orders: String,
    /// One item per customer, with the `total` of their orders in minor units.
    pub customers: String,
}

impl Orders for Tables {
    type Write = DynamoDbWrite;

    fn writes(&self, order: &Order) -> Result<Vec<DynamoDbWrite>, Failure> {
        Ok(vec![self.insert(order)?, self.add_to_total(order)?])
    }
}

impl Tables {
    fn insert(&self, order: &Order) -> Result<DynamoDbWrite, BuildError> {
        let item = item(order);
        let put = Put::builder()
            .table_name(&self.orders)
            .set_item(Some(item.clone()))
            .condition_expression("attribute_not_exists(id)")
            .build()?;
        let id_taken = id_taken(order);
        Ok(DynamoDbWrite::put(put).if_refused(move |existing| match existing {
            // Other attributes may have been added since, such as a state.
            Some(existing) if item.iter().all(|(name, value)| existing.get(name) == Some(value)) => {
                Refusal::AlreadyDone
            }
            _ => Refusal::Permanent(id_taken.clone()),
        }))
    }

    fn add_to_total(&self, order: &Order) -> Result<DynamoDbWrite, BuildError> {
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
