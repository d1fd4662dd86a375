//! The metrics that a batch logs for CloudWatch.

use emulator::dynamodb::FaultKind;
use serde_json::{Value, json};
use testing::TestStack;

use crate::stack::{self, order};

/// The counts of each batch. All processes end first, so that no line is missing.
async fn counts(stack: &TestStack) -> Vec<[u64; 7]> {
    stack.stack.lambda().shutdown().await;
    let names = [
        "Done",
        "Duplicate",
        "InProgress",
        "Failed",
        "Rejected",
        "NotStarted",
        "LostLeases",
    ];
    let of_batch = |line: &Value| names.map(|name| line[name].as_u64().unwrap());
    stack.metrics().iter().map(of_batch).collect()
}

#[tokio::test]
async fn each_batch_logs_one_metrics_line_with_its_outcomes() {
    let stack = stack::start(&[]).await;
    let containing = Some("place-order#m-4");
    stack.inject("TransactWriteItems", containing, u32::MAX, FaultKind::ServerError);
    let mut wrong = order("o-3", "ada", 700);
    wrong["amount"] = json!(701);
    let first = [("m-1", order("o-1", "ada", 700))];
    assert_eq!(stack.invoke("place-order", &first).await, [""; 0]);
    let second = [
        ("m-1", order("o-1", "ada", 700)),
        ("m-2", order("o-2", "ada", 50)),
        ("m-3", wrong),
        ("m-4", order("o-4", "ada", 1)),
        ("m-5", order("o-5", "ada", 1)),
    ];
    assert_eq!(stack.invoke("place-order", &second).await, ["m-4"]);
    assert_eq!(counts(&stack).await, [[1, 0, 0, 0, 0, 0, 0], [2, 1, 0, 1, 1, 0, 0]]);
    for line in stack.metrics() {
        assert_eq!(line["FunctionName"], "place-order");
        assert!(line["LedgerTime"].as_f64().unwrap() > 0.0, "{line}");
        assert!(line["OldestMessageAge"].as_f64().unwrap() > 0.0, "{line}");
    }
}

#[tokio::test]
async fn invalid_event_logs_no_metrics() {
    let stack = stack::start(&[]).await;
    let invocation = stack
        .invoke_with("place-order", r#"{"Records":[{"body":"no message ID"}]}"#)
        .await;
    assert!(invocation.failed);
    assert_eq!(counts(&stack).await, [[0; 7]; 0]);
}
