//! The queues on the emulated SQS of the local stack.

#![allow(clippy::unwrap_used, reason = "all of this is tests")]

use std::collections::BTreeMap;
use std::time::Duration;

use consumer::{Attribute, QueueMessage, Queues};
use emulator::sqs::MessageState;
use serde_json::{Value, json};
use testing::TestStack;

use sqs::{Sqs, VisibilityChange};

/// Nothing else receives from these queues.
const STANDARD: &str = "sent";
const FIFO: &str = "sent.fifo";

async fn stack() -> (TestStack, Sqs) {
    let test = TestStack::start(&[], &[]).await;
    for (name, attributes) in [(STANDARD, json!({})), (FIFO, json!({"FifoQueue": "true"}))] {
        let request = json!({"QueueName": name, "Attributes": attributes});
        test.stack.sqs().call("CreateQueue", request).await.unwrap();
    }
    let client = local::sqs_client(test.stack.endpoint()).await;
    (test, Sqs::new(client))
}

fn url(queue: &str) -> String {
    format!("https://sqs.us-east-1.amazonaws.com/000000000000/{queue}")
}

fn arn(queue: &str) -> String {
    format!("arn:aws:sqs:us-east-1:000000000000:{queue}")
}

fn message(body: &str) -> QueueMessage {
    QueueMessage {
        body: body.to_owned(),
        attributes: BTreeMap::new(),
        group: None,
        deduplication_id: Some("d-1".to_owned()),
        trace_header: None,
    }
}

async fn receive(test: &TestStack, queue: &str) -> Vec<Value> {
    let request = json!({
        "QueueUrl": queue,
        "MaxNumberOfMessages": 10,
        "MessageAttributeNames": ["All"],
        "MessageSystemAttributeNames": ["All"],
        "VisibilityTimeout": 600,
    });
    let received = test.stack.sqs().call("ReceiveMessage", request).await.unwrap();
    received["Messages"].as_array().cloned().unwrap_or_default()
}

fn states(test: &TestStack, queue: &str) -> Vec<MessageState> {
    let messages = test.stack.sqs().peek(queue).into_iter();
    messages.map(|message| message.state).collect()
}

fn bodies(test: &TestStack, queue: &str) -> Vec<String> {
    let messages = test.stack.sqs().peek(queue).into_iter();
    messages.map(|message| message.body).collect()
}

#[tokio::test]
async fn a_message_keeps_attributes_of_every_type_group_and_trace() {
    let (test, queues) = stack().await;
    let attribute = |kind: &str, text: Option<&str>, bytes: Option<&[u8]>| Attribute {
        data_type: Some(kind.to_owned()),
        string_value: text.map(str::to_owned),
        binary_value: bytes.map(<[u8]>::to_vec),
    };
    let attributes = [
        ("tenant", attribute("String", Some("blue"), None)),
        ("weight", attribute("Number.float", Some("1.50"), None)),
        ("photo", attribute("Binary", None, Some(&[0, 255]))),
    ];
    let sent = QueueMessage {
        attributes: attributes.map(|(name, value)| (name.to_owned(), value)).into(),
        group: Some("tenant-1".to_owned()),
        trace_header: Some("Root=1-5759e988-bd862e3fe1be46a994272793".to_owned()),
        ..message("both")
    };
    queues.send(&url(STANDARD), &[sent, message("bare")]).await.unwrap();
    let [received, bare] = receive(&test, STANDARD).await.try_into().unwrap();
    assert_eq!(received["Body"], "both");
    let expected = json!({
        "tenant": {"DataType": "String", "StringValue": "blue"},
        "weight": {"DataType": "Number.float", "StringValue": "1.50"},
        "photo": {"DataType": "Binary", "BinaryValue": "AP8="},
    });
    assert_eq!(received["MessageAttributes"], expected);
    assert_eq!(received["Attributes"]["MessageGroupId"], "tenant-1");
    assert_eq!(
        received["Attributes"]["AWSTraceHeader"],
        "Root=1-5759e988-bd862e3fe1be46a994272793"
    );
    assert_eq!(bare["Body"], "bare");
    assert!(bare["Attributes"]["AWSTraceHeader"].is_null() && bare["MessageAttributes"].is_null());
}

#[tokio::test]
async fn only_a_fifo_queue_gets_the_deduplication_id() {
    let (test, queues) = stack().await;
    let in_group = |body| QueueMessage {
        group: Some("g".to_owned()),
        ..message(body)
    };
    for _ in 0..2 {
        queues.send(&url(FIFO), &[in_group("first")]).await.unwrap();
        queues.send(&url(STANDARD), &[in_group("first")]).await.unwrap();
    }
    assert_eq!(bodies(&test, FIFO), ["first"]);
    // A standard queue refuses one.
    assert_eq!(bodies(&test, STANDARD), ["first", "first"]);
    let [received] = receive(&test, FIFO).await.try_into().unwrap();
    assert_eq!(received["Attributes"]["MessageDeduplicationId"], "d-1");
    assert_eq!(received["Attributes"]["MessageGroupId"], "g");
}

#[tokio::test]
async fn an_entry_that_is_refused_is_an_error_with_its_reason() {
    let (test, queues) = stack().await;
    let messages = vec![message("good"), message("\u{0}"), message("good too"), message("")];
    let error = queues.send(&url(STANDARD), &messages).await.unwrap_err();
    assert_eq!(error.queue, url(STANDARD));
    let why = error.why.to_string();
    assert!(why.starts_with("2 refused, the first because: "), "{why}");
    assert_eq!(bodies(&test, STANDARD), ["good", "good too"]);
}

#[tokio::test]
async fn a_queue_that_does_not_exist_is_named_with_the_sqs_error() {
    let (_test, queues) = stack().await;
    let error = queues.send(&url("nowhere"), &[message("lost")]).await.unwrap_err();
    assert_eq!(error.to_string(), format!("queue {}", url("nowhere")));
    let why = error.why.to_string();
    assert!(
        why.contains("QueueDoesNotExist") || why.contains("NonExistentQueue"),
        "{why}"
    );

    let change = VisibilityChange {
        receipt_handle: "r".to_owned(),
        timeout: Duration::ZERO,
    };
    let error = queues.change_visibility("nowhere", vec![change]).await.unwrap_err();
    assert_eq!(
        error.why.to_string(),
        "the eventSourceARN of its records is no queue's ARN"
    );
}

#[tokio::test]
async fn a_message_without_a_group_to_a_fifo_queue_is_an_error() {
    let (test, queues) = stack().await;
    let error = queues.send(&url(FIFO), &[message("lost")]).await.unwrap_err();
    assert!(error.why.to_string().contains("MessageGroupId"), "{}", error.why);
    assert!(bodies(&test, FIFO).is_empty());
}

fn change(message: &Value, seconds: u64) -> VisibilityChange {
    VisibilityChange {
        receipt_handle: message["ReceiptHandle"].as_str().unwrap().to_owned(),
        timeout: Duration::from_secs(seconds),
    }
}

#[tokio::test]
async fn each_change_sets_the_visibility_timeout_of_its_message() {
    let (test, queues) = stack().await;
    queues
        .send(&url(STANDARD), &[message("a"), message("b")])
        .await
        .unwrap();
    let received = receive(&test, STANDARD).await;
    assert_eq!(states(&test, STANDARD), [MessageState::InFlight; 2]);
    let changes = vec![change(&received[0], 0), change(&received[1], 42_000)];
    queues.change_visibility(&arn(STANDARD), changes).await.unwrap();
    assert_eq!(states(&test, STANDARD), [MessageState::Visible, MessageState::InFlight]);
}

#[tokio::test]
async fn a_change_that_is_refused_does_not_affect_others() {
    let (test, queues) = stack().await;
    queues.send(&url(STANDARD), &[message("a")]).await.unwrap();
    let received = receive(&test, STANDARD).await;
    let unknown = VisibilityChange {
        receipt_handle: "unknown".to_owned(),
        timeout: Duration::ZERO,
    };
    let changes = vec![unknown, change(&received[0], 0)];
    let error = queues.change_visibility(&arn(STANDARD), changes).await.unwrap_err();
    assert_eq!(error.queue, arn(STANDARD));
    assert!(
        error.why.to_string().starts_with("1 refused, the first because: "),
        "{}",
        error.why
    );
    assert_eq!(states(&test, STANDARD), [MessageState::Visible]);
}

#[tokio::test]
async fn an_endpoint_that_does_not_reply_is_an_error() {
    let queues = Sqs::new(local::sqs_client("http://127.0.0.1:9").await);
    let error = queues.send(&url(STANDARD), &[message("lost")]).await.unwrap_err();
    assert_eq!(error.queue, url(STANDARD));
}

#[tokio::test]
async fn requests_hold_ten_messages_and_end_with_one_that_failed() {
    let (test, queues) = stack().await;
    let numbered = |n: usize| message(&if n == 12 { "\u{1}".to_owned() } else { n.to_string() });
    let error = queues
        .send(&url(STANDARD), &(0..25).map(numbered).collect::<Vec<_>>())
        .await
        .unwrap_err();
    assert_eq!(error.queue, url(STANDARD));
    let mut arrived: Vec<usize> = bodies(&test, STANDARD)
        .iter()
        .map(|body| body.parse().unwrap())
        .collect();
    arrived.sort_unstable();
    assert_eq!(arrived[..10], (0..10).collect::<Vec<_>>());
    assert!(!arrived.contains(&12) && arrived.iter().all(|n| *n < 20), "{arrived:?}");

    let ordered = |n: usize| QueueMessage {
        group: Some("g".to_owned()),
        deduplication_id: Some(format!("d-{n}")),
        ..message(&n.to_string())
    };
    queues
        .send(&url(FIFO), &(0..25).map(ordered).collect::<Vec<_>>())
        .await
        .unwrap();
    assert_eq!(bodies(&test, FIFO), (0..25).map(|n| n.to_string()).collect::<Vec<_>>());
}
