//! Conflicts, throttling, errors, lost requests and replies, and requests that hang.

use std::collections::BTreeSet;
use std::time::Duration;

use emulator::dynamodb::FaultKind;
use emulator::{dynamodb, sqs};
use serde_json::Value;
use testing::{TestStack, event, failures};

use crate::proxy::Proxy;
use crate::stack::{self, confirmations, order, orders, sums, totals};

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
    let stack = stack::start(&[]).await;
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
    let stack = stack::start(&[]).await;
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
    let stack = stack::start(&[]).await;
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
    // Four faults are more than the attempts of the SDK.
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
    let deliveries = messages.iter().map(|message| stack.stack.sqs().deliveries(message));
    assert_eq!(
        deliveries.collect::<Vec<_>>(),
        [1; 6],
        "faults that pass cost no redelivery"
    );
}

/// Makes every second request throttled, and every seventh reply lost.
fn inject_lasting(stack: &TestStack) {
    for (nth, kind) in [(2, FaultKind::Throttle), (7, FaultKind::LoseReply)] {
        let fault = dynamodb::Fault {
            operation: "TransactWriteItems".to_owned(),
            containing: None,
            times: u32::MAX,
            kind,
        };
        stack.stack.dynamodb().inject_every(nth, fault);
    }
    for (nth, kind) in [(2, sqs::FaultKind::Throttle), (7, sqs::FaultKind::LoseReply)] {
        let fault = sqs::Fault {
            operation: "SendMessageBatch".to_owned(),
            containing: None,
            times: u32::MAX,
            kind,
        };
        stack.stack.sqs().inject_every(nth, fault);
    }
}

/// Promises 4, 5 and 6.
#[tokio::test]
async fn lasting_faults_repeat_no_effect_and_lose_nothing() {
    let stack = stack::start(&[]).await;
    inject_lasting(&stack);
    let mut messages = Vec::new();
    for number in 0..20 {
        messages.push(
            stack
                .send("orders", &order(&format!("o-{number:02}"), "ada", 1 << number))
                .await,
        );
    }
    stack.until_settled(&["orders"]).await;
    assert_eq!(totals(&stack), [("ada".to_owned(), (1 << 20) - 1)].into());
    let confirmed: BTreeSet<_> = confirmations(&stack).into_iter().collect();
    let expected = (0..20).map(|number| format!("confirmation of order o-{number:02}"));
    assert_eq!(confirmed, expected.collect());
    assert_eq!(stack.dead_letters("orders"), [""; 0]);
    let deliveries: u32 = messages
        .iter()
        .map(|message| stack.stack.sqs().deliveries(message))
        .sum();
    assert_eq!(deliveries, 20, "no message is redelivered");
}

/// Promise 7.
#[tokio::test]
async fn request_that_never_arrives_fails_only_its_message() {
    let stack = stack::start(&[]).await;
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
    let parameters = [("RequestTimeout", "2")];
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
    assert!(
        proxy.hanging() > 3,
        "the SDK's three attempts, and those of the ledger after them"
    );
    assert_eq!(orders(&stack), ["o-1", "o-3"]);
}

/// Lambda gives a function ten seconds to start.
#[tokio::test]
async fn start_does_not_wait_for_a_table_that_hangs() {
    let proxy = Proxy::hanging_at("connection opened at start").await;
    let parameters = [("RequestTimeout", "10")];
    let stack = start_behind(&proxy, &parameters).await;
    assert_eq!(
        stack.invoke("place-order", &[("m-1", order("o-1", "ada", 700))]).await,
        [""; 0]
    );
    assert_eq!((proxy.hanging(), orders(&stack)), (1, vec!["o-1".to_owned()]));
}

#[tokio::test]
async fn table_unreachable_at_start_is_reached_later() {
    let stack = stack::start(&[]).await;
    stack.inject("DeleteItem", None, 3, FaultKind::LoseRequest);
    assert_eq!(
        stack.invoke("place-order", &[("m-1", order("o-1", "ada", 700))]).await,
        [""; 0]
    );
    // Three attempts, if the machine makes them in the five seconds of a start.
    assert!((1..=3).contains(&stack.requests("DeleteItem")));
    assert_eq!(orders(&stack), ["o-1"]);
    let is_warning = |line: &String| line.contains("could not be reached at start");
    stack
        .until("the warning is in the log", || stack.log().iter().any(is_warning))
        .await;
}
