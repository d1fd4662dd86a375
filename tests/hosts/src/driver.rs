//! What brings messages to a process of the handler.

use std::sync::Arc;

use serde_json::json;
use testing::TestStack;

use crate::Failed;

/// A queue, with the platform that passes its messages on, if it is not polled.
pub(crate) trait Driver {
    /// Settings of a process, beside those that all processes have.
    fn environment(&self) -> Vec<(&'static str, String)>;

    /// Where the processes are that are called; empty while there is none.
    fn set_addresses(&self, _: Vec<String>) {}

    /// Sends a message with this ID, unless the queue makes one, and returns its idempotency key.
    async fn send(&mut self, id: &str, body: &str) -> Result<String, Failed>;

    /// Delivers the last message once more. While the first is in process, beside it.
    async fn repeat(&mut self) -> Result<(), Failed>;

    /// How many messages there are, besides dead letters. RabbitMQ does not count those that a process has.
    ///
    /// # Errors
    ///
    /// Also if the process broke a rule of its platform.
    async fn left(&self) -> Result<usize, Failed>;

    /// The reasons of the dead letters.
    async fn dead_letters(&self) -> Result<Vec<String>, Failed>;

    /// Loses the next answer that a message is done: that of the process to its platform, or that of the queue to the process.
    fn lose_answer(&self) {}

    /// How many were lost.
    fn lost_answers(&self) -> usize {
        0
    }

    /// Key and body of each confirmation of an order that was sent.
    async fn confirmations(&self) -> Result<Vec<(String, String)>, Failed> {
        Err("it sends no confirmations".into())
    }

    /// As if the time had passed for which messages are hidden, where a test need not wait for it.
    fn reveal(&self) {}

    /// Answers long polls, whose end a process awaits before it stops.
    fn end_waits(&self) {}

    /// Deletes what other cases would see.
    async fn close(&self) -> Result<(), Failed> {
        Ok(())
    }
}

pub(crate) const QUEUE: &str = "notifications";

/// The setting of the queue that confirmations of orders are sent to.
pub(crate) const CONFIRMATIONS: &str = "NOTIFICATIONS_QUEUE_URL";

/// The URL of a queue of the stack.
pub(crate) fn url(stack: &TestStack, queue: &str) -> String {
    format!("{}/000000000000/{queue}", stack.stack.endpoint())
}

/// The emulated SQS.
pub(crate) struct Sqs {
    pub(crate) stack: Arc<TestStack>,
    /// ID and body.
    pub(crate) sent: Option<(String, String)>,
}

impl Sqs {
    async fn send_with(&self, body: &str, attributes: serde_json::Value) -> Result<String, Failed> {
        let request = json!({ "QueueUrl": QUEUE, "MessageBody": body, "MessageAttributes": attributes });
        let sent = self.stack.stack.sqs().call("SendMessage", request).await;
        let sent = sent.map_err(|error| format!("SendMessage: {error:?}"))?;
        Ok(sent["MessageId"].as_str().ok_or("no MessageId")?.to_owned())
    }

    fn ids(&self) -> Vec<String> {
        let messages = self.stack.stack.sqs().peek(QUEUE).into_iter();
        messages.map(|message| message.message_id).collect()
    }
}

impl Driver for Sqs {
    fn environment(&self) -> Vec<(&'static str, String)> {
        vec![("QUEUE_URL", url(&self.stack, QUEUE))]
    }

    async fn send(&mut self, _: &str, body: &str) -> Result<String, Failed> {
        let id = self.send_with(body, json!({})).await?;
        self.sent = Some((id.clone(), body.to_owned()));
        Ok(id)
    }

    async fn repeat(&mut self) -> Result<(), Failed> {
        let (id, body) = self.sent.clone().ok_or("nothing was sent")?;
        if self.ids().contains(&id) {
            self.reveal();
            return Ok(());
        }
        // As its producer or an operator sends it again.
        let key = json!({ "IdempotencyKey": { "DataType": "String", "StringValue": id } });
        self.send_with(&body, key).await.map(drop)
    }

    async fn left(&self) -> Result<usize, Failed> {
        Ok(self.ids().len())
    }

    async fn dead_letters(&self) -> Result<Vec<String>, Failed> {
        let ids = self.stack.dead_letters(QUEUE).into_iter();
        let dead = ids.map(|id| self.stack.dead_letter(QUEUE, &id));
        Ok(dead
            .map(|dead| dead.map_or_else(String::new, |dead| dead.reason))
            .collect())
    }

    fn reveal(&self) {
        self.stack.stack.sqs().make_visible(QUEUE, &self.ids());
    }

    fn end_waits(&self) {
        self.stack.stack.sqs().end_waits(QUEUE);
    }
}
