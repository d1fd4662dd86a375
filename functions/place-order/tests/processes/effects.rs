//! The effect of an order happens once, however often and under whatever name it comes.

use serde_json::json;

use crate::stage::{Stage, UNHURRIED, assert_same, event, failures, order};

#[tokio::test]
async fn an_order_is_stored_and_counted_and_its_message_is_gone() {
    let stage = Stage::set(&[]).await;
    let message = stage.send(&order("o-1", "ada", 700)).await;
    stage.until_settled().await;
    assert_eq!(stage.orders(), ["o-1"]);
    assert_eq!(stage.totals(), [("ada".to_owned(), 700)].into());
    assert_eq!(stage.record(&message), Some(("COMPLETED".to_owned(), String::new())));
    assert_eq!(stage.dead_letters(), [""; 0]);
}

#[tokio::test]
async fn messages_that_the_queue_delivers_twice_count_once() {
    let stage = Stage::set(&[]).await;
    stage.stack.sqs().deliver_twice("orders", 6);
    let mut messages = Vec::new();
    for number in 0..6 {
        messages.push(stage.send(&order(&format!("o-{number}"), "ada", 100 + number)).await);
    }
    stage.until_settled().await;
    for message in &messages {
        assert!(stage.stack.sqs().deliveries(message) >= 2 && stage.is_completed(message));
    }
    assert_eq!(stage.totals(), [("ada".to_owned(), 615)].into());
}

#[tokio::test]
async fn one_event_handed_to_several_processes_at_once_and_again_counts_once() {
    let stage = Stage::set(&UNHURRIED).await;
    let messages = [("m-1", order("o-1", "ada", 700)), ("m-2", order("o-2", "ada", 50))];
    let invoke = || stage.invoke(&messages);
    let (one, two, three) = tokio::join!(invoke(), invoke(), invoke());
    let again = invoke().await;
    assert!([one, two, three, again].iter().all(Vec::is_empty));
    assert_eq!(stage.totals(), [("ada".to_owned(), 750)].into());
    let asked = (stage.requests("TransactWriteItems"), stage.requests("PutItem"));
    assert_eq!(asked, (8, 0), "a duplicate costs one request, which its record refuses");
}

#[tokio::test]
async fn an_order_that_its_producer_sent_twice_counts_once_and_both_messages_are_done() {
    let stage = Stage::set(&UNHURRIED).await;
    let twice = [("m-1", order("o-1", "ada", 700)), ("m-2", order("o-1", "ada", 700))];
    assert_eq!(stage.invoke(&twice).await, [""; 0]);
    assert_eq!(stage.totals(), [("ada".to_owned(), 700)].into());
    assert!(stage.is_completed("m-1") && stage.is_completed("m-2"));
}

#[tokio::test]
async fn another_order_under_a_used_id_is_rejected_and_dead_lettered() {
    let stage = Stage::set(&[("MaxReceiveCount", "2")]).await;
    let first = stage.send(&order("o-1", "ada", 700)).await;
    stage.until("the first is done", || stage.is_completed(&first)).await;
    let second = stage.send(&order("o-1", "ada", 701)).await;
    stage.until_settled().await;
    let reason = "order o-1 was placed before with other content".to_owned();
    assert_eq!(stage.record(&second), Some(("REJECTED".to_owned(), reason)));
    assert_eq!(stage.dead_letters(), [second]);
    assert_eq!(stage.totals(), [("ada".to_owned(), 700)].into());
}

#[tokio::test]
async fn an_order_that_does_not_add_up_ends_in_the_dead_letter_queue_and_the_ledger_says_why() {
    let stage = Stage::set(&[("MaxReceiveCount", "2")]).await;
    let mut wrong = order("o-1", "ada", 700);
    wrong["amount"] = json!(701);
    let bad = stage.send(&wrong).await;
    let good = stage.send(&order("o-2", "ada", 50)).await;
    stage.until_settled().await;
    let reason = "order o-1 does not add up: amount is 701, its lines make 700".to_owned();
    assert_eq!(stage.record(&bad), Some(("REJECTED".to_owned(), reason)));
    assert!(stage.is_completed(&good));
    assert_eq!(stage.stack.sqs().deliveries(&bad), 2);
    assert_eq!(stage.dead_letters(), [bad]);
    assert_eq!((stage.orders(), stage.totals()), (vec!["o-2".to_owned()], stage.sums()));
}

#[tokio::test]
async fn a_process_goes_on_after_an_event_that_is_none() {
    let stage = Stage::set(&UNHURRIED).await;
    let invocation = stage.invoke_with(r#"{"Records":[{"body":"no message ID"}]}"#).await;
    assert!(
        invocation.failed,
        "an answer without the ID would acknowledge the message"
    );
    let valid = stage.invoke_with(event(&[("m-1", order("o-1", "ada", 700))])).await;
    assert_same(failures(&valid), []);
    let started = |event: &local::lambda::Event| matches!(event, local::lambda::Event::ProcessStarted { .. });
    assert_eq!(stage.events().iter().filter(|event| started(event)).count(), 1);
}
