//! A table that is busy, breaks down, hangs, or is not heard.

use std::time::Duration;

use emulator::dynamodb::FaultKind;
use serde_json::Value;
use testing::{TestStack, UNHURRIED, event, failures};

use crate::proxy::Proxy;
use crate::stage::{self, order, orders, sums, totals};

/// Lets something go wrong with the transactions of one order.
fn inject(stage: &TestStack, order: &str, times: u32, kind: FaultKind) {
    let containing = format!("\"{order}\"");
    stage.inject("TransactWriteItems", Some(&containing), times, kind);
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
async fn orders_of_one_customer_that_collide_are_all_counted_within_one_invocation() {
    let stage = stage::set(&UNHURRIED).await;
    let orders = ten_orders_of_one_customer();
    inject(&stage, "ada", 25, FaultKind::Conflict);
    let messages: Vec<_> = orders.iter().map(|(id, order)| (id.as_str(), order.clone())).collect();
    assert_eq!(stage.invoke("place-order", &messages).await, [""; 0]);
    assert_eq!(totals(&stage), [("ada".to_owned(), 1045)].into());
    assert!(stage.requests("TransactWriteItems") >= 10 + 25, "they collided");
}

#[tokio::test]
async fn conflicts_without_end_cost_their_message_alone_and_no_timeout() {
    let stage = stage::set(&UNHURRIED).await;
    inject(&stage, "o-2", u32::MAX, FaultKind::Conflict);
    let messages = [1, 2, 3].map(|number| (format!("m-{number}"), order(&format!("o-{number}"), "ada", number)));
    let messages: Vec<_> = messages
        .iter()
        .map(|(id, order)| (id.as_str(), order.clone()))
        .collect();
    assert_eq!(stage.invoke("place-order", &messages).await, ["m-2"]);
    assert_eq!(
        (stage.record("place-order", "m-2"), orders(&stage)),
        (None, vec!["o-1".to_owned(), "o-3".to_owned()])
    );
}

#[tokio::test]
async fn an_answer_that_is_lost_once_is_asked_for_again_in_the_same_invocation() {
    let stage = stage::set(&UNHURRIED).await;
    inject(&stage, "o-1", 1, FaultKind::LoseReply);
    assert_eq!(
        stage.invoke("place-order", &[("m-1", order("o-1", "ada", 700))]).await,
        [""; 0]
    );
    assert!(stage.requests("TransactWriteItems") >= 2, "it asked again");
    assert_eq!(totals(&stage), [("ada".to_owned(), 700)].into());
}

#[tokio::test]
async fn whatever_befalls_its_transactions_a_message_ends_done_and_counts_once() {
    let stage = stage::set(&[]).await;
    // More than the attempts of one invocation.
    let kinds = [
        FaultKind::LoseReply,
        FaultKind::LoseRequest,
        FaultKind::ServerError,
        FaultKind::Throttle,
        FaultKind::Conflict,
    ];
    for (number, kind) in kinds.into_iter().enumerate() {
        inject(&stage, &format!("o-{number}"), 4, kind);
    }
    let mut messages = Vec::new();
    for number in 0..6 {
        messages.push(
            stage
                .send("orders", &order(&format!("o-{number}"), "ada", 1 << number))
                .await,
        );
    }
    stage.until_settled(&["orders"]).await;
    assert!(
        messages
            .iter()
            .all(|message| stage.is_completed("place-order", message))
    );
    assert_eq!(totals(&stage), [("ada".to_owned(), 0b11_1111)].into());
    assert_eq!(stage.dead_letters("orders"), [""; 0]);
    let (unheard, unharmed) = (&messages[0], &messages[5]);
    assert!(
        stage.stack.sqs().deliveries(unheard) > 1,
        "four lost answers are more than one delivery bears"
    );
    assert_eq!(
        stage.stack.sqs().deliveries(unharmed),
        1,
        "the others' trouble is not its own"
    );
}

#[tokio::test]
async fn a_message_whose_request_never_arrives_costs_itself_alone() {
    let stage = stage::set(&UNHURRIED).await;
    inject(&stage, "place-order#m-2", u32::MAX, FaultKind::LoseRequest);
    let messages = [
        ("m-1", order("o-1", "ada", 1)),
        ("m-2", order("o-2", "ada", 2)),
        ("m-3", order("o-3", "ben", 3)),
    ];
    assert_eq!(stage.invoke("place-order", &messages).await, ["m-2"]);
    assert_eq!(orders(&stage), ["o-1", "o-3"]);
    assert_eq!(totals(&stage), sums(&stage));
}

/// A stage whose table is reached by this way only.
async fn stage_behind(proxy: &Proxy, parameters: &[(&str, &str)]) -> TestStack {
    let line = "          ORDERS_TABLE: !Ref OrdersTable\n";
    let instead = format!("{line}          AWS_ENDPOINT_URL_DYNAMODB: {}\n", proxy.url);
    let stage = stage::set_otherwise((line, &instead), parameters).await;
    proxy.lead_to(stage.stack.endpoint());
    stage
}

#[tokio::test]
async fn a_request_that_hangs_costs_its_message_and_not_the_batch() {
    let proxy = Proxy::stuck_at("place-order#m-2").await;
    let parameters = [&UNHURRIED[..], &[("RequestTimeout", "2")]].concat();
    let stage = stage_behind(&proxy, &parameters).await;
    let messages = [
        ("m-1", order("o-1", "ada", 1)),
        ("m-2", order("o-2", "ada", 2)),
        ("m-3", order("o-3", "ben", 3)),
    ];
    let invocation = stage.invoke_with("place-order", event("orders", &messages)).await;
    assert_eq!(failures(&invocation), ["m-2"]);
    assert!(
        invocation.duration > Duration::from_secs(6),
        "it was not waited for three times: {:?}",
        invocation.duration
    );
    assert_eq!(proxy.stuck(), 3, "it was sent again, and again");
    assert_eq!(orders(&stage), ["o-1", "o-3"]);
}

/// Lambda gives a function ten seconds to start.
#[tokio::test]
async fn a_table_that_hangs_at_the_start_is_not_waited_for_until_lambda_gives_the_function_up() {
    let proxy = Proxy::stuck_at("connection opened at start").await;
    let parameters = [&UNHURRIED[..], &[("RequestTimeout", "10")]].concat();
    let stage = stage_behind(&proxy, &parameters).await;
    assert_eq!(
        stage.invoke("place-order", &[("m-1", order("o-1", "ada", 700))]).await,
        [""; 0]
    );
    assert_eq!((proxy.stuck(), orders(&stage)), (1, vec!["o-1".to_owned()]));
}

#[tokio::test]
async fn a_table_that_is_out_of_reach_at_the_start_is_reached_later() {
    let stage = stage::set(&UNHURRIED).await;
    stage.inject("DeleteItem", None, 3, FaultKind::LoseRequest);
    assert_eq!(
        stage.invoke("place-order", &[("m-1", order("o-1", "ada", 700))]).await,
        [""; 0]
    );
    assert_eq!(
        (stage.requests("DeleteItem"), orders(&stage)),
        (3, vec!["o-1".to_owned()])
    );
    let warned = |line: &String| line.contains("could not be reached at start");
    stage.until("the log says so", || stage.log().iter().any(warned)).await;
}
