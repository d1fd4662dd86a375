//! What a reservation means for the table.

use aws_sdk_dynamodb::error::BuildError;
use aws_sdk_dynamodb::types::{AttributeValue, Update};
use idempotency::{DynamoDbWrite, Item, Refusal};

use crate::Reservation;

/// Name of the table that is taken from; its partition key is the string `id`.
#[derive(Debug, Clone)]
pub struct Table {
    /// One item a SKU, with its `stock`, a number.
    pub stock: String,
}

impl Table {
    /// Takes the reserved quantity from its SKU's stock, if there is so much.
    ///
    /// If not, it is refused for good: there may be more some day, but an order can't wait for that.
    pub(crate) fn take(&self, reservation: &Reservation) -> Result<DynamoDbWrite, BuildError> {
        let update = Update::builder()
            .table_name(&self.stock)
            .key("id", AttributeValue::S(reservation.sku.clone()))
            .update_expression("SET stock = stock - :quantity")
            .condition_expression("stock >= :quantity")
            .expression_attribute_values(":quantity", AttributeValue::N(reservation.quantity.to_string()))
            .build()?;
        let reservation = reservation.clone();
        Ok(DynamoDbWrite::update(update).if_refused(move |there| Refusal::Permanent(refused(&reservation, there))))
    }
}

/// Names may be long, and a reason is cut: what can't be looked up comes first.
fn refused(reservation: &Reservation, there: Option<&Item>) -> String {
    let Reservation { sku, quantity, order } = reservation;
    let there = match there.map(|item| item.get("stock")) {
        None => "no such SKU".to_owned(),
        Some(Some(AttributeValue::N(stock))) => format!("{stock} in stock"),
        Some(_) => "no stock stated".to_owned(),
    };
    format!("{quantity} wanted, {there}: {sku} for order {order}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_says_what_is_wanted_and_what_is_there() {
        let reservation = Reservation {
            sku: "tea".to_owned(),
            quantity: 3,
            order: "o-1".to_owned(),
        };
        let refused = |there: Option<AttributeValue>| {
            let item = there.map(|stock| Item::from([("stock".to_owned(), stock)]));
            refused(&reservation, item.as_ref())
        };
        assert_eq!(
            refused(Some(AttributeValue::N("2".to_owned()))),
            "3 wanted, 2 in stock: tea for order o-1"
        );
        assert_eq!(refused(None), "3 wanted, no such SKU: tea for order o-1");
        let nonsense = AttributeValue::S("many".to_owned());
        assert_eq!(refused(Some(nonsense)), "3 wanted, no stock stated: tea for order o-1");
    }
}
