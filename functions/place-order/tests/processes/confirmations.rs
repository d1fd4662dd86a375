//! Each order is confirmed, under a key that is its own.

use serde_json::{Value, json};
use testing::{DeadLetter, Record, UNHURRIED};

use crate::stage::{self, confirmations, order, orders, totals};

#[tokio::test]
async fn an_order_is_confirmed_to_its_customer_under_the_orders_key() {
    let stage = stage::set(&UNHURRIED).await;
    let messages = [("m-1", order("o-1", "ada@example.com", 1205))];
    assert_eq!(stage.invoke("place-order", &messages).await, [""; 0]);
    assert_eq!(confirmations(&stage), ["confirmation of order o-1"]);
    let sent = stage.stack.sqs().peek("notifications");
    let confirmation: Value = serde_json::from_str(&sent[0].body).unwrap();
    let expected = json!({
        "to": "ada@example.com",
        "subject": "Your order o-1",
        "text": "We have received your order o-1 for 12.05.",
    });
    assert_eq!(confirmation, expected);
}

#[tokio::test]
async fn an_order_that_its_producer_sent_twice_has_one_key_for_its_confirmation() {
    let stage = stage::set(&UNHURRIED).await;
    let twice = [("m-1", order("o-1", "ada", 700)), ("m-2", order("o-1", "ada", 700))];
    assert_eq!(stage.invoke("place-order", &twice).await, [""; 0]);
    // Each message answers for a confirmation by itself; by the key, whoever delivers them tells that it is the same.
    assert_eq!(confirmations(&stage), ["confirmation of order o-1"; 2]);
    let sent = stage.stack.sqs().peek("notifications");
    assert_eq!(sent[0].body, sent[1].body);
}

#[tokio::test]
async fn an_order_that_is_rejected_is_not_confirmed() {
    let stage = stage::set(&UNHURRIED).await;
    let mut wrong = order("o-1", "ada", 700);
    wrong["amount"] = json!(701);
    let messages = [("m-1", wrong), ("m-2", order("o-2", "ada", 50))];
    assert_eq!(stage.invoke("place-order", &messages).await, [""; 0]);
    assert_eq!(confirmations(&stage), ["confirmation of order o-2"]);
}

#[tokio::test]
async fn an_order_whose_confirmation_can_not_be_sent_is_rejected_before_anything_is_committed() {
    let stage = stage::set(&UNHURRIED).await;
    // In the body it is escaped; in the confirmation's key, an attribute, SQS would refuse it.
    let messages = [("m-1", order("o-\u{1}", "ada", 700)), ("m-2", order("o-2", "ada", 50))];
    assert_eq!(stage.invoke("place-order", &messages).await, [""; 0]);
    let why = "outgoing message 0 can't be sent: attribute IdempotencyKey holds characters that SQS does not accept";
    assert_eq!(stage.record("place-order", "m-1"), Some(Record::rejected(why)));
    let letter = DeadLetter::sent("place-order", "m-1", why);
    assert_eq!(stage.dead_letter("orders", "m-1"), Some(letter));
    assert_eq!(orders(&stage), ["o-2"]);
    assert_eq!(totals(&stage), [("ada".to_owned(), 50)].into());
    assert_eq!(confirmations(&stage), ["confirmation of order o-2"]);
}

#[tokio::test]
async fn names_as_long_as_they_may_be_fit_into_a_confirmation() {
    let stage = stage::set(&UNHURRIED).await;
    let (id, customer) = ("i".repeat(2048), "\u{1}".repeat(2048));
    let messages = [("m-1", order(&id, &customer, 700))];
    assert_eq!(stage.invoke("place-order", &messages).await, [""; 0]);
    assert_eq!(confirmations(&stage), [format!("confirmation of order {id}")]);
    assert_eq!(totals(&stage), [(customer, 700)].into());
}
