//! An order has its effect once, however often it is delivered or sent.

use serde_json::{Value, json};
use testing::{DeadLetter, Record, event, failures};

use crate::stack::{self, order, orders, sums, totals};

#[tokio::test]
async fn order_is_stored_and_counted_and_its_message_is_deleted() {
    let stack = stack::start(&[]).await;
    let message = stack.send("orders", &order("o-1", "ada", 700)).await;
    stack.until_settled(&["orders"]).await;
    assert_eq!(orders(&stack), ["o-1"]);
    assert_eq!(totals(&stack), [("ada".to_owned(), 700)].into());
    assert!(stack.is_completed("place-order", &message));
    assert_eq!(stack.dead_letters("orders"), [""; 0]);
}

/// Promise 6.
#[tokio::test]
async fn messages_delivered_twice_count_once() {
    let stack = stack::start(&[]).await;
    stack.stack.sqs().deliver_twice("orders", 6);
    let mut messages = Vec::new();
    for number in 0..6 {
        messages.push(
            stack
                .send("orders", &order(&format!("o-{number}"), "ada", 100 + number))
                .await,
        );
    }
    stack.until_settled(&["orders"]).await;
    for message in &messages {
        assert!(stack.stack.sqs().deliveries(message) >= 2 && stack.is_completed("place-order", message));
    }
    assert_eq!(totals(&stack), [("ada".to_owned(), 615)].into());
}

/// Promise 6.
#[tokio::test]
async fn event_sent_to_several_processes_counts_once() {
    let stack = stack::start(&[]).await;
    let messages = [("m-1", order("o-1", "ada", 700)), ("m-2", order("o-2", "ada", 50))];
    let invoke = || stack.invoke("place-order", &messages);
    let (one, two, three) = tokio::join!(invoke(), invoke(), invoke());
    let again = invoke().await;
    assert!([one, two, three, again].iter().all(Vec::is_empty));
    assert_eq!(totals(&stack), [("ada".to_owned(), 750)].into());
    let requests = (stack.requests("TransactWriteItems"), stack.requests("PutItem"));
    assert_eq!(requests, (8, 0), "a duplicate costs one request, refused by its record");
}

#[tokio::test]
async fn order_sent_twice_counts_once_and_both_messages_are_done() {
    let stack = stack::start(&[]).await;
    let twice = [("m-1", order("o-1", "ada", 700)), ("m-2", order("o-1", "ada", 700))];
    assert_eq!(stack.invoke("place-order", &twice).await, [""; 0]);
    assert_eq!(totals(&stack), [("ada".to_owned(), 700)].into());
    assert!(stack.is_completed("place-order", "m-1") && stack.is_completed("place-order", "m-2"));
}

#[tokio::test]
async fn another_order_with_a_used_id_is_dead_lettered() {
    let stack = stack::start(&[]).await;
    let first = stack.send("orders", &order("o-1", "ada", 700)).await;
    stack
        .until("the first is done", || stack.is_completed("place-order", &first))
        .await;
    let second = stack.send("orders", &order("o-1", "ada", 701)).await;
    stack.until_settled(&["orders"]).await;
    let why = "order o-1 was placed before with other content";
    assert_eq!(stack.record("place-order", &second), Some(Record::rejected(why)));
    let dead_letter = DeadLetter::sent("place-order", &second, why);
    assert_eq!(stack.dead_letter("orders", &second), Some(dead_letter));
    assert_eq!(stack.dead_letters("orders").len(), 1);
    assert_eq!(totals(&stack), [("ada".to_owned(), 700)].into());
}

/// Promise 5: acknowledged after its dead letter is confirmed.
#[tokio::test]
async fn order_with_a_wrong_sum_is_dead_lettered_at_first_receive() {
    let stack = stack::start(&[]).await;
    let mut wrong = order("o-1", "ada", 700);
    wrong["amount"] = json!(701);
    let bad = stack.send("orders", &wrong).await;
    let good = stack.send("orders", &order("o-2", "ada", 50)).await;
    stack.until_settled(&["orders"]).await;
    let why = "order o-1 does not add up: amount is 701, its lines make 700";
    assert_eq!(stack.record("place-order", &bad), Some(Record::rejected(why)));
    assert!(stack.is_completed("place-order", &good));
    assert_eq!(stack.stack.sqs().deliveries(&bad), 1);
    let dead_letter = DeadLetter::sent("place-order", &bad, why);
    assert_eq!(stack.dead_letter("orders", &bad), Some(dead_letter));
    let dead_letters = stack.stack.sqs().peek("orders-dlq");
    assert_eq!(dead_letters.len(), 1);
    assert_eq!(dead_letters[0].body, wrong.to_string(), "the body is unchanged");
    assert_eq!((orders(&stack), totals(&stack)), (vec!["o-2".to_owned()], sums(&stack)));
}

#[tokio::test]
async fn without_dead_letter_queue_the_redrive_policy_moves_orders() {
    let stack = stack::start_without_dead_letter_queue(&[("MaxReceiveCount", "2")]).await;
    let mut wrong = order("o-1", "ada", 700);
    wrong["amount"] = json!(701);
    let bad = stack.send("orders", &wrong).await;
    stack.until_settled(&["orders"]).await;
    assert_eq!(stack.stack.sqs().deliveries(&bad), 2);
    assert_eq!(stack.dead_letter("orders", &bad), Some(DeadLetter::moved(&bad)));
    let why = "order o-1 does not add up: amount is 701, its lines make 700";
    assert_eq!(stack.record("place-order", &bad), Some(Record::rejected(why)));
}

#[tokio::test]
async fn rejected_order_is_dead_lettered_at_every_delivery() {
    let stack = stack::start(&[]).await;
    let mut wrong = order("o-1", "ada", 700);
    wrong["amount"] = json!(701);
    let messages = [("m-1", wrong)];
    for deliveries in 1..=2 {
        assert_eq!(stack.invoke("place-order", &messages).await, [""; 0]);
        assert_eq!(stack.dead_letters("orders"), vec!["m-1"; deliveries]);
    }
}

#[tokio::test]
async fn odd_record_alone_is_returned_and_named_in_the_log() {
    let stack = stack::start(&[]).await;
    let orders = ["m-1", "m-2", "m-3"].map(|id| (id, order(&format!("o-{id}"), "ada", 700)));
    let mut event: Value = serde_json::from_str(&event("orders", &orders)).unwrap();
    event["Records"][1]["attributes"]["SentTimestamp"] = json!(1_795_800_000_000_u64);
    let invocation = stack.invoke_with("place-order", event.to_string()).await;
    assert_eq!(failures(&invocation), ["m-2"]);
    for (id, is_done) in [("m-1", true), ("m-2", false), ("m-3", true)] {
        assert_eq!(stack.is_completed("place-order", id), is_done, "{id}");
    }
    let why = "attributes.SentTimestamp is a number, not a string";
    let line = || stack.log().iter().find(|line| line.contains(why)).cloned();
    stack.until("the record is named in the log", || line().is_some()).await;
    let line: Value = serde_json::from_str(&line().unwrap()).unwrap();
    assert_eq!((&line["level"], &line["messageId"]), (&"ERROR".into(), &"m-2".into()));
}

#[tokio::test]
async fn process_survives_an_invalid_event() {
    let stack = stack::start(&[]).await;
    let invocation = stack
        .invoke_with("place-order", r#"{"Records":[{"body":"no message ID"}]}"#)
        .await;
    assert!(
        invocation.failed,
        "a response without the ID would acknowledge the message"
    );
    let valid = stack
        .invoke_with("place-order", event("orders", &[("m-1", order("o-1", "ada", 700))]))
        .await;
    assert_eq!(failures(&valid), [""; 0]);
    let is_start = |event: &emulator::lambda::Event| matches!(event, emulator::lambda::Event::ProcessStarted { .. });
    assert_eq!(stack.events().iter().filter(|event| is_start(event)).count(), 1);
}
