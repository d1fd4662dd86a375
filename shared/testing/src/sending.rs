//! Messages, sent to the stack's queues.

use serde_json::{Map, Value, json};

use crate::TestStack;

impl TestStack {
    /// Sends a message to a queue, given by name, and returns its ID.
    pub async fn send(&self, queue: &str, body: &Value) -> String {
        self.send_with(queue, body, json!({})).await
    }

    /// The same, with message attributes that are strings.
    pub async fn send_with_attributes(&self, queue: &str, body: &Value, attributes: &[(&str, &str)]) -> String {
        let attribute = |(name, value): &(&str, &str)| {
            (
                (*name).to_owned(),
                json!({ "DataType": "String", "StringValue": value }),
            )
        };
        let attributes: Map<_, _> = attributes.iter().map(attribute).collect();
        self.send_with(queue, body, json!({ "MessageAttributes": attributes }))
            .await
    }

    /// Sends a message to a group of a FIFO queue that deduplicates by content.
    pub async fn send_in_group(&self, queue: &str, group: &str, body: &Value) -> String {
        self.send_with(queue, body, json!({ "MessageGroupId": group })).await
    }

    /// `more`: the request's other members.
    async fn send_with(&self, queue: &str, body: &Value, mut more: Value) -> String {
        more["QueueUrl"] = queue.into();
        more["MessageBody"] = body.to_string().into();
        let sent = self.stack.sqs().call("SendMessage", more).await;
        let sent = sent.unwrap_or_else(|error| panic!("{queue} refuses {body}: {error:?}"));
        sent["MessageId"].as_str().expect("SQS returns an ID").to_owned()
    }
}
