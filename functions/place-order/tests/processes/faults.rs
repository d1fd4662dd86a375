//! Conflicts, throttling, errors, lost requests and replies, and requests that hang.

use std::time::Duration;

use emulator::dynamodb::FaultKind;
use serde_json::Value;
use testing::{TestStack, UNHURRIED, event, failures};

use crate::proxy::Proxy;
use crate::stack::{self, order, orders, sums, totals};

/// Injects a fault into the transactions whose JSON contains this string.
fn inject(stack: &TestStack, order: &str, times: u32, kind: FaultKind) {
    let containing = format!("\"{order}\"");
    stack.inject("TransactWriteItems", Some(&containing), times, kind);
}

fn ten_orders_of_one_customer() -> Vec<(String, Value)> {
    let numbered = |number: i64| {
        (
            format!("m-{number}"),
            order(&format!("o-{number}"), "ada", 100 + number),
        )
    };
    (0..10).map(numbered).collect()
}

#[tokio::test]
async fn conflicting_orders_all_count_within_one_invocation() {
    let stack = stack::start(&UNHURRIED).await;
    let orders = ten_orders_of_one_customer();
    inject(&stack, "ada", 25, FaultKind::Conflict);
    let messages: Vec<_> = orders.iter().map(|(id, order)| (id.as_str(), order.clone())).collect();
    assert_eq!(stack.invoke("place-order", &messages).await, [""; 0]);
    assert_eq!(totals(&stack), [("ada".to_owned(), 1045)].into());
    assert!(
        stack.requests("TransactWriteItems") >= 10 + 25,
        "the conflicts happened"
    );
}

#[tokio::test]
async fn endless_conflicts_fail_only_their_message_in_time() {
    let stack = stack::start(&UNHURRIED).await;
    inject(&stack, "o-2", u32::MAX, FaultKind::Conflict);
    let messages = [1, 2, 3].map(|number| (format!("m-{number}"), order(&format!("o-{number}"), "ada", number)));
    let messages: Vec<_> = messages
        .iter()
        .map(|(id, order)| (id.as_str(), order.clone()))
        .collect();
    assert_eq!(stack.invoke("place-order", &messages).await, ["m-2"]);
    assert_eq!(
        (stack.record("place-order", "m-2"), orders(&stack)),
        (None, vec!["o-1".to_owned(), "o-3".to_owned()])
    );
}

/// Promise 4.
#[tokio::test]
async fn lost_reply_is_retried_within_the_invocation() {
    let stack = stack::start(&UNHURRIED).await;
    inject(&stack, "o-1", 1, FaultKind::LoseReply);
    assert_eq!(
        stack.invoke("place-order", &[("m-1", order("o-1", "ada", 700))]).await,
        [""; 0]
    );
    assert!(stack.requests("TransactWriteItems") >= 2, "the request was sent again");
    assert_eq!(totals(&stack), [("ada".to_owned(), 700)].into());
}

/// Promises 4 and 6.
#[tokio::test]
async fn message_counts_once_despite_every_kind_of_fault() {
    let stack = stack::start(&[]).await;
    // Four faults are more than the attempts of one invocation.
    let kinds = [
        FaultKind::LoseReply,
        FaultKind::LoseRequest,
        FaultKind::ServerError,
        FaultKind::Throttle,
        FaultKind::Conflict,
    ];
    for (number, kind) in kinds.into_iter().enumerate() {
        inject(&stack, &format!("o-{number}"), 4, kind);
    }
    let mut messages = Vec::new();
    for number in 0..6 {
        messages.push(
            stack
                .send("orders", &order(&format!("o-{number}"), "ada", 1 << number))
                .await,
        );
    }
    stack.until_settled(&["orders"]).await;
    assert!(
        messages
            .iter()
            .all(|message| stack.is_completed("place-order", message))
    );
    assert_eq!(totals(&stack), [("ada".to_owned(), 0b11_1111)].into());
    assert_eq!(stack.dead_letters("orders"), [""; 0]);
    let (without_replies, unaffected) = (&messages[0], &messages[5]);
    assert!(
        stack.stack.sqs().deliveries(without_replies) > 1,
        "one delivery has fewer than four attempts"
    );
    assert_eq!(
        stack.stack.sqs().deliveries(unaffected),
        1,
        "faults of other messages do not delay it"
    );
}

/// Promise 7.
#[tokio::test]
async fn request_that_never_arrives_fails_only_its_message() {
    let stack = stack::start(&UNHURRIED).await;
    inject(&stack, "place-order#m-2", u32::MAX, FaultKind::LoseRequest);
    let messages = [
        ("m-1", order("o-1", "ada", 1)),
        ("m-2", order("o-2", "ada", 2)),
        ("m-3", order("o-3", "ben", 3)),
    ];
    assert_eq!(stack.invoke("place-order", &messages).await, ["m-2"]);
    assert_eq!(orders(&stack), ["o-1", "o-3"]);
    assert_eq!(totals(&stack), sums(&stack));
}

/// A stack whose functions reach DynamoDB through this proxy only.
async fn start_behind(proxy: &Proxy, parameters: &[(&str, &str)]) -> TestStack {
    let line = "          ORDERS_TABLE: !Ref OrdersTable\n";
    let replacement = format!("{line}          AWS_ENDPOINT_URL_DYNAMODB: {}\n", proxy.url);
    let stack = stack::start_edited((line, &replacement), parameters).await;
    proxy.forward_to(stack.stack.endpoint());
    stack
}

#[tokio::test]
async fn request_that_hangs_fails_only_its_message() {
    let proxy = Proxy::hanging_at("place-order#m-2").await;
    let parameters = [&UNHURRIED[..], &[("RequestTimeout", "2")]].concat();
    let stack = start_behind(&proxy, &parameters).await;
    let messages = [
        ("m-1", order("o-1", "ada", 1)),
        ("m-2", order("o-2", "ada", 2)),
        ("m-3", order("o-3", "ben", 3)),
    ];
    let invocation = stack.invoke_with("place-order", event("orders", &messages)).await;
    assert_eq!(failures(&invocation), ["m-2"]);
    assert!(
        invocation.duration > Duration::from_secs(6),
        "it did not wait for three timeouts: {:?}",
        invocation.duration
    );
    assert_eq!(proxy.hanging(), 3, "the first attempt and two retries");
    assert_eq!(orders(&stack), ["o-1", "o-3"]);
}

/// Lambda gives a function ten seconds to start.
#[tokio::test]
async fn start_does_not_wait_for_a_table_that_hangs() {
    let proxy = Proxy::hanging_at("connection opened at start").await;
    let parameters = [&UNHURRIED[..], &[("RequestTimeout", "10")]].concat();
    let stack = start_behind(&proxy, &parameters).await;
    assert_eq!(
        stack.invoke("place-order", &[("m-1", order("o-1", "ada", 700))]).await,
        [""; 0]
    );
    assert_eq!((proxy.hanging(), orders(&stack)), (1, vec!["o-1".to_owned()]));
}

#[tokio::test]
async fn table_unreachable_at_start_is_reached_later() {
    let stack = stack::start(&UNHURRIED).await;
    stack.inject("DeleteItem", None, 3, FaultKind::LoseRequest);
    assert_eq!(
        stack.invoke("place-order", &[("m-1", order("o-1", "ada", 700))]).await,
        [""; 0]
    );
    assert_eq!(
        (stack.requests("DeleteItem"), orders(&stack)),
        (3, vec!["o-1".to_owned()])
    );
    let is_warning = |line: &String| line.contains("could not be reached at start");
    stack
        .until("the warning is in the log", || stack.log().iter().any(is_warning))
        .await;
}
