//! What a client of SQS can observe, one fact a test.

mod attempts;
mod attributes;
mod batches;
mod faults;
mod fifo;
mod long_polling;
mod move_tasks;
mod nothing_is_lost;
mod queues;
mod receiving;
mod redrive;
mod saved;
mod sending;
mod settling;
mod shapes;

use std::time::Duration;

use serde_json::{Value, json};

use super::{MessageState, Sqs, query_error_code};
use crate::ApiError;

const ENDPOINT: &str = "http://127.0.0.1:4566";

/// A client's view of one queue.
struct Client {
    sqs: Sqs,
    queue: String,
}

impl Client {
    /// A fresh SQS with a queue `orders` that has these attributes.
    async fn with(attributes: Value) -> Self {
        let client = Self {
            sqs: Sqs::new(ENDPOINT, "eu-central-1"),
            queue: "orders".to_owned(),
        };
        client.create("orders", attributes).await;
        client
    }

    async fn standard() -> Self {
        Self::with(json!({})).await
    }

    /// A fresh SQS with a queue `orders.fifo` that deduplicates by content.
    async fn fifo() -> Self {
        let client = Self {
            sqs: Sqs::new(ENDPOINT, "eu-central-1"),
            queue: "orders.fifo".to_owned(),
        };
        client
            .create(
                "orders.fifo",
                json!({ "FifoQueue": "true", "ContentBasedDeduplication": "true" }),
            )
            .await;
        client
    }

    async fn create(&self, name: &str, attributes: Value) {
        self.sqs
            .call("CreateQueue", json!({ "QueueName": name, "Attributes": attributes }))
            .await
            .unwrap();
    }

    /// The same SQS through another queue.
    fn at(self, queue: &str) -> Self {
        Self {
            queue: queue.to_owned(),
            ..self
        }
    }

    async fn call(&self, operation: &str, mut request: Value) -> Result<Value, ApiError> {
        request["QueueUrl"] = queue_url(&self.queue).into();
        self.sqs.call(operation, request).await
    }

    async fn ok(&self, operation: &str, request: Value) -> Value {
        self.call(operation, request).await.unwrap()
    }

    /// The shape name of the error.
    async fn refused(&self, operation: &str, request: Value) -> String {
        self.call(operation, request).await.unwrap_err().name().to_owned()
    }

    /// Gives the message ID.
    async fn send(&self, body: &str) -> String {
        text(&self.ok("SendMessage", json!({ "MessageBody": body })).await["MessageId"])
    }

    async fn send_in_group(&self, group: &str, body: &str) -> String {
        text(
            &self
                .ok("SendMessage", json!({ "MessageBody": body, "MessageGroupId": group }))
                .await["MessageId"],
        )
    }

    /// Up to ten messages, without waiting.
    async fn receive(&self) -> Vec<Value> {
        self.receive_with(json!({ "MaxNumberOfMessages": 10 })).await
    }

    async fn receive_with(&self, request: Value) -> Vec<Value> {
        let mut answer = self.ok("ReceiveMessage", request).await;
        answer["Messages"]
            .as_array_mut()
            .map(std::mem::take)
            .unwrap_or_default()
    }

    async fn bodies(&self) -> Vec<String> {
        self.receive()
            .await
            .iter()
            .map(|message| text(&message["Body"]))
            .collect()
    }

    /// The one message there is, with all its system attributes.
    async fn receive_one(&self) -> Value {
        let all = json!({ "MessageSystemAttributeNames": ["All"], "MaxNumberOfMessages": 10 });
        let mut messages = self.receive_with(all).await;
        assert_eq!(messages.len(), 1, "{messages:?}");
        messages.remove(0)
    }

    async fn delete(&self, message: &Value) {
        self.ok("DeleteMessage", json!({ "ReceiptHandle": message["ReceiptHandle"] }))
            .await;
    }

    async fn change_visibility(&self, message: &Value, seconds: i64) -> Result<Value, ApiError> {
        let request = json!({ "ReceiptHandle": message["ReceiptHandle"], "VisibilityTimeout": seconds });
        self.call("ChangeMessageVisibility", request).await
    }

    async fn attribute(&self, name: &str) -> Value {
        let answer = self.ok("GetQueueAttributes", json!({ "AttributeNames": [name] })).await;
        answer["Attributes"][name].clone()
    }

    fn states(&self) -> Vec<MessageState> {
        self.sqs
            .peek(&self.queue)
            .into_iter()
            .map(|message| message.state)
            .collect()
    }
}

fn queue_url(name: &str) -> String {
    format!("{ENDPOINT}/000000000000/{name}")
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

/// With paused time this takes none.
async fn seconds(seconds: u64) {
    tokio::time::advance(Duration::from_secs(seconds)).await;
}
