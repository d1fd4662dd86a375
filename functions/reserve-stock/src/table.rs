//! The write of a reservation.

use aws_sdk_dynamodb::error::BuildError;
use aws_sdk_dynamodb::types::{AttributeValue, Update};
use idempotency::{DynamoDbWrite, Item, Refusal};

use crate::Reservation;

/// Name of the stock table. Its partition key is the string `id`.
#[derive(Debug, Clone)]
pub struct Table {
    /// One item per SKU, with the number `stock`.
    pub stock: String,
}

impl Table {
    /// Subtracts the quantity from the stock of the SKU, if the stock suffices.
    ///
    /// Otherwise the failure is permanent: an order cannot wait until there is new stock.
    pub(crate) fn reserve(&self, reservation: &Reservation) -> Result<DynamoDbWrite, BuildError> {
        let update = Update::builder()
            .table_name(&self.stock)
            .key("id", AttributeValue::S(reservation.sku.clone()))
            .update_expression("SET stock = stock - :quantity")
            .condition_expression("stock >= :quantity")
            .expression_attribute_values(":quantity", AttributeValue::N(reservation.quantity.to_string()))
            .build()?;
        let reservation = reservation.clone();
        Ok(DynamoDbWrite::update(update)
            .if_refused(move |existing| Refusal::Permanent(refused(&reservation, existing))))
    }
}

/// The reason of a refusal. A long reason is cut, so the quantities come before the names.
fn refused(reservation: &Reservation, existing: Option<&Item>) -> String {
    let Reservation { sku, quantity, order } = reservation;
    let available = match existing.map(|item| item.get("stock")) {
        None => "no such SKU".to_owned(),
        Some(Some(AttributeValue::N(stock))) => format!("{stock} in stock"),
        Some(_) => "stock unknown".to_owned(),
    };
    format!("{quantity} requested, {available}: {sku} for order {order}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusal_states_requested_and_available_quantity() {
        let reservation = Reservation {
            sku: "tea".to_owned(),
            quantity: 3,
            order: "o-1".to_owned(),
        };
        let refused = |stock: Option<AttributeValue>| {
            let item = stock.map(|stock| Item::from([("stock".to_owned(), stock)]));
            refused(&reservation, item.as_ref())
        };
        assert_eq!(
            refused(Some(AttributeValue::N("2".to_owned()))),
            "3 requested, 2 in stock: tea for order o-1"
        );
        assert_eq!(refused(None), "3 requested, no such SKU: tea for order o-1");
        let text = AttributeValue::S("many".to_owned());
        assert_eq!(refused(Some(text)), "3 requested, stock unknown: tea for order o-1");
    }
}
