//! The effect of an order happens once, however often and under whatever name it comes.

use serde_json::json;
use testing::{DeadLetter, Record, UNHURRIED, event, failures};

use crate::stage::{self, order, orders, sums, totals};

#[tokio::test]
async fn an_order_is_stored_and_counted_and_its_message_is_gone() {
    let stage = stage::set(&[]).await;
    let message = stage.send("orders", &order("o-1", "ada", 700)).await;
    stage.until_settled(&["orders"]).await;
    assert_eq!(orders(&stage), ["o-1"]);
    assert_eq!(totals(&stage), [("ada".to_owned(), 700)].into());
    assert!(stage.is_completed("place-order", &message));
    assert_eq!(stage.dead_letters("orders"), [""; 0]);
}

#[tokio::test]
async fn messages_that_the_queue_delivers_twice_count_once() {
    let stage = stage::set(&[]).await;
    stage.stack.sqs().deliver_twice("orders", 6);
    let mut messages = Vec::new();
    for number in 0..6 {
        messages.push(
            stage
                .send("orders", &order(&format!("o-{number}"), "ada", 100 + number))
                .await,
        );
    }
    stage.until_settled(&["orders"]).await;
    for message in &messages {
        assert!(stage.stack.sqs().deliveries(message) >= 2 && stage.is_completed("place-order", message));
    }
    assert_eq!(totals(&stage), [("ada".to_owned(), 615)].into());
}

#[tokio::test]
async fn one_event_handed_to_several_processes_at_once_and_again_counts_once() {
    let stage = stage::set(&UNHURRIED).await;
    let messages = [("m-1", order("o-1", "ada", 700)), ("m-2", order("o-2", "ada", 50))];
    let invoke = || stage.invoke("place-order", &messages);
    let (one, two, three) = tokio::join!(invoke(), invoke(), invoke());
    let again = invoke().await;
    assert!([one, two, three, again].iter().all(Vec::is_empty));
    assert_eq!(totals(&stage), [("ada".to_owned(), 750)].into());
    let asked = (stage.requests("TransactWriteItems"), stage.requests("PutItem"));
    assert_eq!(asked, (8, 0), "a duplicate costs one request, which its record refuses");
}

#[tokio::test]
async fn an_order_that_its_producer_sent_twice_counts_once_and_both_messages_are_done() {
    let stage = stage::set(&UNHURRIED).await;
    let twice = [("m-1", order("o-1", "ada", 700)), ("m-2", order("o-1", "ada", 700))];
    assert_eq!(stage.invoke("place-order", &twice).await, [""; 0]);
    assert_eq!(totals(&stage), [("ada".to_owned(), 700)].into());
    assert!(stage.is_completed("place-order", "m-1") && stage.is_completed("place-order", "m-2"));
}

#[tokio::test]
async fn another_order_under_a_used_id_is_rejected_and_dead_lettered() {
    let stage = stage::set(&[]).await;
    let first = stage.send("orders", &order("o-1", "ada", 700)).await;
    stage
        .until("the first is done", || stage.is_completed("place-order", &first))
        .await;
    let second = stage.send("orders", &order("o-1", "ada", 701)).await;
    stage.until_settled(&["orders"]).await;
    let why = "order o-1 was placed before with other content";
    assert_eq!(stage.record("place-order", &second), Some(Record::rejected(why)));
    let letter = DeadLetter::sent("place-order", &second, why);
    assert_eq!(stage.dead_letter("orders", &second), Some(letter));
    assert_eq!(stage.dead_letters("orders").len(), 1);
    assert_eq!(totals(&stage), [("ada".to_owned(), 700)].into());
}

#[tokio::test]
async fn an_order_that_does_not_add_up_is_dead_lettered_at_its_first_receive_and_ledger_and_letter_say_why() {
    let stage = stage::set(&[]).await;
    let mut wrong = order("o-1", "ada", 700);
    wrong["amount"] = json!(701);
    let bad = stage.send("orders", &wrong).await;
    let good = stage.send("orders", &order("o-2", "ada", 50)).await;
    stage.until_settled(&["orders"]).await;
    let why = "order o-1 does not add up: amount is 701, its lines make 700";
    assert_eq!(stage.record("place-order", &bad), Some(Record::rejected(why)));
    assert!(stage.is_completed("place-order", &good));
    assert_eq!(stage.stack.sqs().deliveries(&bad), 1);
    let letter = DeadLetter::sent("place-order", &bad, why);
    assert_eq!(stage.dead_letter("orders", &bad), Some(letter));
    let letters = stage.stack.sqs().peek("orders-dlq");
    assert_eq!(letters.len(), 1);
    assert_eq!(
        letters[0].body,
        wrong.to_string(),
        "whoever mends it needs it as it was"
    );
    assert_eq!((orders(&stage), totals(&stage)), (vec!["o-2".to_owned()], sums(&stage)));
}

#[tokio::test]
async fn without_a_dead_letter_queue_of_its_own_a_rejected_order_is_reported_until_the_redrive_policy_moves_it() {
    let parameters = [("MaxReceiveCount", "2"), ("LongestRetryDelay", "1")];
    let stage = stage::set_without_dead_letter_queue(&parameters).await;
    let mut wrong = order("o-1", "ada", 700);
    wrong["amount"] = json!(701);
    let bad = stage.send("orders", &wrong).await;
    stage.until_settled(&["orders"]).await;
    assert_eq!(stage.stack.sqs().deliveries(&bad), 2);
    assert_eq!(stage.dead_letter("orders", &bad), Some(DeadLetter::moved(&bad)));
    let why = "order o-1 does not add up: amount is 701, its lines make 700";
    assert_eq!(stage.record("place-order", &bad), Some(Record::rejected(why)));
}

#[tokio::test]
async fn a_rejected_order_that_is_delivered_again_is_dead_lettered_again() {
    let stage = stage::set(&UNHURRIED).await;
    let mut wrong = order("o-1", "ada", 700);
    wrong["amount"] = json!(701);
    let messages = [("m-1", wrong)];
    for deliveries in 1..=2 {
        assert_eq!(stage.invoke("place-order", &messages).await, [""; 0]);
        assert_eq!(stage.dead_letters("orders"), vec!["m-1"; deliveries]);
    }
}

#[tokio::test]
async fn a_process_goes_on_after_an_event_that_is_none() {
    let stage = stage::set(&UNHURRIED).await;
    let invocation = stage
        .invoke_with("place-order", r#"{"Records":[{"body":"no message ID"}]}"#)
        .await;
    assert!(
        invocation.failed,
        "an answer without the ID would acknowledge the message"
    );
    let valid = stage
        .invoke_with("place-order", event("orders", &[("m-1", order("o-1", "ada", 700))]))
        .await;
    assert_eq!(failures(&valid), [""; 0]);
    let started = |event: &emulator::lambda::Event| matches!(event, emulator::lambda::Event::ProcessStarted { .. });
    assert_eq!(stage.events().iter().filter(|event| started(event)).count(), 1);
}
