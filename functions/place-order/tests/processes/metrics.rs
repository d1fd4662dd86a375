//! What becomes of a batch, in the numbers that CloudWatch reads.

use emulator::dynamodb::FaultKind;
use serde_json::{Value, json};
use testing::{TestStack, UNHURRIED};

use crate::stage::{self, order};

/// The counts of each batch so far. No line of metrics is yet to come once the processes have ended.
async fn counts(stage: &TestStack) -> Vec<[u64; 7]> {
    stage.stack.lambda().shutdown().await;
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
    stage.metrics().iter().map(of_batch).collect()
}

#[tokio::test]
async fn each_batch_prints_one_line_of_metrics_that_counts_its_messages_by_what_became_of_them() {
    let stage = stage::set(&UNHURRIED).await;
    let containing = Some("place-order#m-4");
    stage.inject("TransactWriteItems", containing, u32::MAX, FaultKind::ServerError);
    let mut wrong = order("o-3", "ada", 700);
    wrong["amount"] = json!(701);
    let first = [("m-1", order("o-1", "ada", 700))];
    assert_eq!(stage.invoke("place-order", &first).await, [""; 0]);
    let second = [
        ("m-1", order("o-1", "ada", 700)),
        ("m-2", order("o-2", "ada", 50)),
        ("m-3", wrong),
        ("m-4", order("o-4", "ada", 1)),
        ("m-5", order("o-5", "ada", 1)),
    ];
    assert_eq!(stage.invoke("place-order", &second).await, ["m-4"]);
    assert_eq!(counts(&stage).await, [[1, 0, 0, 0, 0, 0, 0], [2, 1, 0, 1, 1, 0, 0]]);
    for line in stage.metrics() {
        assert_eq!(line["FunctionName"], "place-order");
        assert!(line["LedgerTime"].as_f64().unwrap() > 0.0, "{line}");
        assert!(line["OldestMessageAge"].as_f64().unwrap() > 0.0, "{line}");
    }
}

#[tokio::test]
async fn an_event_that_is_none_prints_no_metrics() {
    let stage = stage::set(&UNHURRIED).await;
    let invocation = stage
        .invoke_with("place-order", r#"{"Records":[{"body":"no message ID"}]}"#)
        .await;
    assert!(invocation.failed);
    assert_eq!(counts(&stage).await, [[0; 7]; 0]);
}
