//! What is sent carries the trace of the invocation, so that Lambda can stop a loop of functions.

use serde_json::{Value, json};
use testing::{TestStack, event, failures};

use crate::stack::{self, order};

const PRODUCER: &str =
    "Root=1-67489d2c-0123456789abcdef01234567;Parent=0123456789abcdef;Sampled=1;Lineage=7:a1b2c3d4:0";

/// The traces of the messages in a queue.
async fn traces(stack: &TestStack, queue: &str) -> Vec<String> {
    let request = json!({
        "QueueUrl": queue,
        "MaxNumberOfMessages": 10,
        "MessageSystemAttributeNames": ["AWSTraceHeader"],
    });
    let received = stack.stack.sqs().call("ReceiveMessage", request).await.unwrap();
    let messages = received["Messages"].as_array().unwrap().iter();
    let trace = |message: &Value| message["Attributes"]["AWSTraceHeader"].as_str().unwrap().to_owned();
    messages.map(trace).collect()
}

/// The value of a part of a trace, such as `Root`.
fn part<'a>(trace: &'a str, name: &str) -> &'a str {
    let mut parts = trace.split(';').filter_map(|part| part.split_once('='));
    parts.find(|(found, _)| *found == name).unwrap().1
}

#[tokio::test]
async fn what_is_sent_has_the_trace_of_the_invocation() {
    let stack = stack::start(&[]).await;
    let messages = [
        ("m-1", order("o-1", "ada", 700)),
        ("m-2", order("o-2", "ada", 700)),
        ("m-3", json!("no order")),
    ];
    let mut sent: Value = serde_json::from_str(&event("orders", &messages)).unwrap();
    for record in sent["Records"].as_array_mut().unwrap() {
        record["attributes"]["AWSTraceHeader"] = PRODUCER.into();
    }
    let invocation = stack.invoke_with("place-order", sent.to_string()).await;
    assert_eq!(failures(&invocation), [""; 0]);

    let mut traces = [
        traces(&stack, "notifications").await,
        traces(&stack, "orders-dlq").await,
    ]
    .concat();
    assert_eq!(traces.len(), 3);
    traces.dedup();
    let [trace] = traces.try_into().unwrap();
    for own in ["Root", "Parent", "Sampled"] {
        assert_ne!(part(&trace, own), part(PRODUCER, own), "{trace}");
    }
    let lineage = part(&trace, "Lineage");
    assert!(lineage.starts_with("8:"), "it has not grown: {trace}");

    // The log links the two.
    stack.stack.lambda().shutdown().await;
    let lines = stack.log().into_iter();
    let lines = lines.filter_map(|line| serde_json::from_str::<Value>(&line).ok());
    let rejected: Vec<_> = lines.filter(|line| line["level"] == "ERROR").collect();
    let [line] = &rejected[..] else { panic!("{rejected:?}") };
    assert_eq!(line["traceId"], part(PRODUCER, "Root"));
    assert_eq!(line["invocationTraceId"], part(&trace, "Root"));
}
