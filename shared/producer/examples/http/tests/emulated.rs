//! Once with SQS and DynamoDB of the emulator.

use consumer::{Attribute, QueueMessage};
use idempotency::{DynamoDbStore, Writeless};
use producer::Producer;
use serde_json::{Value, json};
use sqs::Sqs;
use testing::TestStack;

use super::consume::consume;
use super::harness::{ADA, callers, get, order, post, send};
use crate::app::{App, router};

/// Nothing else receives from this queue.
const QUEUE: &str = "placed";

/// The one message of the queue, as SQS hands it to a consumer.
async fn receive(stack: &TestStack) -> QueueMessage {
    let request = json!({"QueueUrl": QUEUE, "MessageAttributeNames": ["All"], "MessageSystemAttributeNames": ["All"]});
    let received = stack.stack.sqs().call("ReceiveMessage", request).await.unwrap();
    let message = &received["Messages"][0];
    let attribute = |(name, value): (&String, &Value)| {
        let text = |member: &str| value[member].as_str().map(str::to_owned);
        let attribute = Attribute {
            data_type: text("DataType"),
            string_value: text("StringValue"),
            binary_value: None,
        };
        (name.clone(), attribute)
    };
    QueueMessage {
        body: message["Body"].as_str().unwrap().to_owned(),
        attributes: message["MessageAttributes"]
            .as_object()
            .unwrap()
            .iter()
            .map(attribute)
            .collect(),
        group: message["Attributes"]["MessageGroupId"].as_str().map(str::to_owned),
        deduplication_id: None,
        trace_header: None,
    }
}

#[tokio::test]
async fn an_order_goes_through_sqs_and_is_read_from_dynamodb() {
    let stack = TestStack::start(&[], &[]).await;
    let request = json!({ "QueueName": QUEUE });
    stack.stack.sqs().call("CreateQueue", request).await.unwrap();
    let endpoint = stack.stack.endpoint();
    let queues = Sqs::new(local::sqs_client(endpoint).await);
    let records = DynamoDbStore::new(local::dynamodb_client(endpoint).await, "idempotency");
    let url = format!("https://sqs.us-east-1.amazonaws.com/000000000000/{QUEUE}");
    let router = router(App {
        producer: Producer::new(queues.clone(), url),
        records: records.clone(),
        callers: callers(),
    });
    let accepted = send(&router, post(ADA, "k-1", &order("o-1", "eve"))).await;
    assert_eq!(accepted.status, 202, "{accepted:?}");
    let location = accepted.header("location").unwrap();
    assert_eq!(send(&router, get(ADA, location)).await.body["status"], "pending");

    let message = receive(&stack).await;
    assert_eq!(message.group.as_deref(), Some("ada"));
    let verdict = consume(Writeless::new(records), queues, message, "m-1").await;
    assert!(verdict.is_acknowledged(), "{verdict:?}");
    assert!(stack.is_completed("place-order", "ada/k-1"));
    let done = json!({"status": "done", "result": {"order": "ada/o-1"}});
    assert_eq!(send(&router, get(ADA, location)).await.body, done);
}
