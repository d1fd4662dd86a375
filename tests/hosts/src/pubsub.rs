//! A stand-in for a push subscription of Pub/Sub.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use emulator::sqs::QueuedMessage;
use http::{HeaderMap, HeaderValue};
use serde_json::json;
use testing::TestStack;
use tokio::time::timeout;

use crate::Failed;
use crate::cloud_tasks::DeadLetters;
use crate::driver::{CONFIRMATIONS, Driver, QUEUE, url};
use crate::http::Door;

/// Pushes each message until it is acknowledged
/// ([push](https://cloud.google.com/pubsub/docs/push#receive_push)).
pub(crate) struct PubSub {
    /// Its SQS has the confirmations.
    stack: Arc<TestStack>,
    dead_letters: DeadLetters,
    /// The ack deadline.
    deadline: Duration,
    door: Door,
    outstanding: Arc<AtomicUsize>,
    sent: Option<String>,
}

impl PubSub {
    pub(crate) async fn new(stack: Arc<TestStack>, deadline: Duration) -> Result<Self, Failed> {
        Ok(Self {
            stack,
            dead_letters: DeadLetters::new().await?,
            deadline,
            door: Door::default(),
            outstanding: Arc::default(),
            sent: None,
        })
    }
}

/// The statuses that acknowledge a message.
fn is_acknowledgement(status: u16) -> bool {
    [102, 200, 201, 202, 204].contains(&status)
}

impl Driver for PubSub {
    fn environment(&self) -> Vec<(&'static str, String)> {
        vec![
            ("PUSH_PLATFORM", "pubsub".to_owned()),
            ("AUTHENTICATED_BY_PLATFORM", "true".to_owned()),
            self.dead_letters.setting(),
            (CONFIRMATIONS, url(&self.stack, QUEUE)),
        ]
    }

    fn set_addresses(&self, addresses: Vec<String>) {
        self.door.set(addresses);
    }

    fn lose_answer(&self) {
        self.door.lose();
    }

    fn lost_answers(&self) -> usize {
        self.door.lost()
    }

    async fn send(&mut self, id: &str, body: &str) -> Result<String, Failed> {
        let data = BASE64_STANDARD.encode(body);
        let message = json!({ "data": data, "messageId": id, "publishTime": "2026-01-31T12:00:00.000Z" });
        let envelope = json!({ "message": message, "subscription": "projects/p/subscriptions/notifications" });
        self.sent = Some(envelope.to_string());
        self.repeat().await?;
        Ok(id.to_owned())
    }

    async fn repeat(&mut self) -> Result<(), Failed> {
        let body = self.sent.clone().ok_or("nothing was sent")?.into_bytes();
        let (door, outstanding, deadline) = (self.door.clone(), Arc::clone(&self.outstanding), self.deadline);
        outstanding.fetch_add(1, Ordering::SeqCst);
        tokio::spawn(async move {
            let headers =
                HeaderMap::from_iter([(http::header::CONTENT_TYPE, HeaderValue::from_static("application/json"))]);
            // Without an answer by then, the message is pushed again.
            while timeout(deadline, door.post_until(&headers, body.clone(), is_acknowledgement))
                .await
                .is_err()
            {}
            outstanding.fetch_sub(1, Ordering::SeqCst);
        });
        Ok(())
    }

    async fn left(&self) -> Result<usize, Failed> {
        Ok(self.outstanding.load(Ordering::SeqCst))
    }

    async fn confirmations(&self) -> Result<Vec<(String, String)>, Failed> {
        let messages = self.stack.stack.sqs().peek(QUEUE).into_iter();
        let of_message = |mut message: QueuedMessage| {
            let key = message.attributes.remove("IdempotencyKey");
            (key.unwrap_or_default(), message.body)
        };
        Ok(messages.map(of_message).collect())
    }

    async fn dead_letters(&self) -> Result<Vec<String>, Failed> {
        self.dead_letters.reasons().await
    }
}
