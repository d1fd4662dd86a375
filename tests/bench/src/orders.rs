//! Orders as messages, and SQS events of them. The same number is the same message.

use serde_json::{Value, json};

/// A delivery of an order.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Order {
    pub(crate) number: u64,
    /// Whether it was delivered and processed before.
    pub(crate) again: bool,
}

/// The next orders, none of which was delivered before.
pub(crate) fn fresh(next: &mut u64, count: usize) -> Vec<Order> {
    let orders = (*next..).take(count).map(|number| Order { number, again: false });
    let orders: Vec<_> = orders.collect();
    *next = orders.last().map_or(*next, |last| last.number + 1);
    orders
}

/// Orders from number `from` on, delivered again.
pub(crate) fn again(from: u64, count: usize) -> Vec<Order> {
    let orders = (from..).take(count).map(|number| Order { number, again: true });
    orders.collect()
}

/// The message ID of an order.
pub(crate) fn id(number: u64) -> String {
    format!("5fea7756-0ea4-451a-a703-{number:012x}")
}

/// A body of three lines, some 300 bytes, whose amount is their sum.
pub(crate) fn body(number: u64) -> String {
    let quantity = number % 3 + 1;
    let line = |sku: String, quantity: u64, price: u64| json!({ "sku": sku, "quantity": quantity, "price": price });
    json!({
        "id": format!("order-{number:08}"),
        "customer": format!("customer-{:05}", number % 1009),
        "items": [
            line(format!("SKU-{:05}", number % 997), quantity, 1999),
            line("SKU-00042".to_owned(), 2, 450),
            line("SKU-31337".to_owned(), 1, 12_500),
        ],
        "amount": quantity * 1999 + 900 + 12_500,
    })
    .to_string()
}

/// An event as Lambda sends it for a standard queue.
pub(crate) fn event(orders: &[Order]) -> String {
    json!({ "Records": orders.iter().map(record).collect::<Vec<_>>() }).to_string()
}

fn record(order: &Order) -> Value {
    let id = id(order.number);
    json!({
        "messageId": id,
        // As long as those of SQS.
        "receiptHandle": id.repeat(6),
        "body": body(order.number),
        "attributes": {
            "ApproximateReceiveCount": if order.again { "2" } else { "1" },
            "SentTimestamp": "1545082649183",
            "SenderId": "AIDAIENQZJOLO23YVJ4VO",
            "ApproximateFirstReceiveTimestamp": "1545082649185",
        },
        "messageAttributes": {},
        "md5OfBody": "e4e68fb7bd0e697a0ae8f1bb342846b3",
        "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:us-east-1:000000000000:orders",
        "awsRegion": "us-east-1",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fresh_orders_have_numbers_of_their_own() {
        let mut next = 5;
        let numbers = |orders: Vec<Order>| orders.iter().map(|order| order.number).collect::<Vec<_>>();
        assert_eq!(numbers(fresh(&mut next, 3)), [5, 6, 7]);
        assert_eq!(numbers(fresh(&mut next, 2)), [8, 9]);
        assert_eq!(numbers(again(8, 2)), [8, 9]);
        assert_ne!(id(8), id(9));
    }

    #[test]
    fn an_event_has_a_record_for_each_order() {
        let event: Value = serde_json::from_str(&event(&again(7, 2))).unwrap();
        assert_eq!(event["Records"].as_array().unwrap().len(), 2);
        assert_eq!(event["Records"][1]["messageId"], id(8));
        assert_eq!(event["Records"][1]["attributes"]["ApproximateReceiveCount"], "2");
        let order: Value = serde_json::from_str(event["Records"][0]["body"].as_str().unwrap()).unwrap();
        let lines = order["items"].as_array().unwrap().iter();
        let sum: u64 = lines
            .map(|line| line["quantity"].as_u64().unwrap() * line["price"].as_u64().unwrap())
            .sum();
        assert_eq!(order["amount"], sum);
    }
}
