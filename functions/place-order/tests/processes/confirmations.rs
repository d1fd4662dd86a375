//! Each order is confirmed with a key of its own.

use serde_json::{Value, json};
use testing::{DeadLetter, Record};

use crate::stack::{self, confirmations, order, orders, totals};

#[tokio::test]
async fn confirmation_has_the_key_of_its_order() {
    let stack = stack::start(&[]).await;
    let messages = [("m-1", order("o-1", "ada@example.com", 1205))];
    assert_eq!(stack.invoke("place-order", &messages).await, [""; 0]);
    assert_eq!(confirmations(&stack), ["confirmation of order o-1"]);
    let sent = stack.stack.sqs().peek("notifications");
    let confirmation: Value = serde_json::from_str(&sent[0].body).unwrap();
    let expected = json!({
        "to": "ada@example.com",
        "subject": "Your order o-1",
        "text": "We have received your order o-1 for 12.05.",
    });
    assert_eq!(confirmation, expected);
}

#[tokio::test]
async fn confirmations_of_an_order_sent_twice_share_one_key() {
    let stack = stack::start(&[]).await;
    let twice = [("m-1", order("o-1", "ada", 700)), ("m-2", order("o-1", "ada", 700))];
    assert_eq!(stack.invoke("place-order", &twice).await, [""; 0]);
    // Each message sends its confirmation. The shared key lets the consumer process it once.
    assert_eq!(confirmations(&stack), ["confirmation of order o-1"; 2]);
    let sent = stack.stack.sqs().peek("notifications");
    assert_eq!(sent[0].body, sent[1].body);
}

#[tokio::test]
async fn rejected_order_is_not_confirmed() {
    let stack = stack::start(&[]).await;
    let mut wrong = order("o-1", "ada", 700);
    wrong["amount"] = json!(701);
    let messages = [("m-1", wrong), ("m-2", order("o-2", "ada", 50))];
    assert_eq!(stack.invoke("place-order", &messages).await, [""; 0]);
    assert_eq!(confirmations(&stack), ["confirmation of order o-2"]);
}

/// Promise 5: a record that is completed has outgoing messages that can be sent.
#[tokio::test]
async fn unsendable_confirmation_rejects_its_order_uncommitted() {
    let stack = stack::start(&[]).await;
    // The body escapes this character. SQS refuses it in the key of the confirmation, which is an attribute.
    let messages = [("m-1", order("o-\u{1}", "ada", 700)), ("m-2", order("o-2", "ada", 50))];
    assert_eq!(stack.invoke("place-order", &messages).await, [""; 0]);
    let why = format!(
        "outgoing message 0 can't be sent to {}/000000000000/notifications: \
         attribute IdempotencyKey contains characters that the queue does not accept",
        stack.stack.endpoint()
    );
    assert_eq!(stack.record("place-order", "m-1"), Some(Record::rejected(&why)));
    let dead_letter = DeadLetter::sent("place-order", "m-1", &why);
    assert_eq!(stack.dead_letter("orders", "m-1"), Some(dead_letter));
    assert_eq!(orders(&stack), ["o-2"]);
    assert_eq!(totals(&stack), [("ada".to_owned(), 50)].into());
    assert_eq!(confirmations(&stack), ["confirmation of order o-2"]);
}

#[tokio::test]
async fn longest_valid_names_fit_into_a_confirmation() {
    let stack = stack::start(&[]).await;
    let (id, customer) = ("i".repeat(2048), "\u{1}".repeat(2048));
    let messages = [("m-1", order(&id, &customer, 700))];
    assert_eq!(stack.invoke("place-order", &messages).await, [""; 0]);
    assert_eq!(confirmations(&stack), [format!("confirmation of order {id}")]);
    assert_eq!(totals(&stack), [(customer, 700)].into());
}
