//! The message and its handler.

use consumer::{Delivery, Failure, Handler, Mode};
use idempotency::{Completion, NoWrites};
use serde::Deserialize;
use serde_json::json;

/// An order. Money is in minor units (cents).
#[derive(Deserialize)]
pub(crate) struct Order {
    id: String,
    customer: String,
    items: Vec<Line>,
    amount: i64,
}

#[derive(Deserialize)]
struct Line {
    quantity: i64,
    price: i64,
}

impl Order {
    /// The sum of the lines; `None` beyond 64 bits.
    fn sum(&self) -> Option<i64> {
        let mut lines = self.items.iter();
        lines.try_fold(0_i64, |sum, line| {
            sum.checked_add(line.quantity.checked_mul(line.price)?)
        })
    }
}

/// The handler of [`Order`] messages.
pub(crate) struct ValidateOrder<const ONE_STEP: bool>;

impl<const ONE_STEP: bool> Handler for ValidateOrder<ONE_STEP> {
    type Message = Order;
    // Nothing to commit but the record that the message is done.
    type Write = NoWrites;
    const NAMESPACE: &str = "validate-order";
    const MODE: Mode = match ONE_STEP {
        true => Mode::OneStep,
        false => Mode::ClaimThenComplete,
    };

    async fn handle(&self, order: Order, _: &Delivery) -> Result<Completion, Failure> {
        if order.sum() != Some(order.amount) {
            let reason = format!(
                "order {}: the amount {} is not the sum of its lines",
                order.id, order.amount
            );
            return Err(Failure::permanent(reason).code("wrong-sum"));
        }
        let receipt = json!({
            "order_id": order.id,
            "customer": order.customer,
            "total": order.amount,
            "lines": order.items.len(),
        });
        Ok(Completion::new().data(receipt))
    }
}

#[cfg(test)]
mod tests {
    use consumer::{Incoming, MessageId};

    use super::*;

    async fn handled(amount: i64, price: i64) -> Result<Completion, Failure> {
        let items = json!([{"sku": "tea", "quantity": 2, "price": price}]);
        let body = json!({"id": "o-1", "customer": "ada", "items": items, "amount": amount});
        let message = Incoming::new(MessageId::new("m-1").unwrap(), body.to_string());
        let delivery = Delivery::new("validate-order", message).unwrap();
        let order = serde_json::from_value(body).unwrap();
        ValidateOrder::<false>.handle(order, &delivery).await
    }

    #[tokio::test]
    async fn only_an_order_that_adds_up_gets_a_receipt() {
        assert!(handled(700, 350).await.is_ok());
        for (amount, price) in [(701, 350), (-2, i64::MAX)] {
            let failure = handled(amount, price).await.unwrap_err();
            assert!(
                failure
                    .to_string()
                    .contains(&format!("the amount {amount} is not the sum")),
                "{failure}"
            );
        }
    }
}
