//! The confirmation that the customer gets.

use idempotency::OutgoingMessage;
use serde::Serialize;

use crate::Order;

/// A notification as the consumer of the queue reads it.
#[derive(Serialize)]
struct Confirmation<'a> {
    to: &'a str,
    subject: String,
    text: String,
}

/// The confirmation of an order. Its key is that of the order, not of the message: an order that is sent twice is confirmed
/// once.
pub(crate) fn of(order: &Order, queue_url: &str) -> Result<OutgoingMessage, serde_json::Error> {
    let Order {
        id, customer, amount, ..
    } = order;
    let confirmation = Confirmation {
        to: customer,
        subject: format!("Your order {id}"),
        text: format!(
            "We have received your order {id} for {}.{:02}.",
            amount / 100,
            amount % 100
        ),
    };
    Ok(OutgoingMessage::json(queue_url, &confirmation)?.with_key(format!("confirmation of order {id}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn confirmation_states_the_order_and_its_amount() {
        let order = Order {
            id: "o-1".to_owned(),
            customer: "ada@example.com".to_owned(),
            items: vec![],
            amount: 1205,
        };
        let confirmation = of(&order, "queue").unwrap();
        assert_eq!(
            confirmation.body(),
            r#"{"to":"ada@example.com","subject":"Your order o-1","text":"We have received your order o-1 for 12.05."}"#
        );
        assert_eq!(
            (confirmation.queue_url(), confirmation.key()),
            ("queue", Some("confirmation of order o-1"))
        );
    }
}
