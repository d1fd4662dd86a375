//! A consumer of the queue, in the place of the function.

use std::sync::Arc;
use std::time::Duration;

use consumer::{
    Budget, Delivery, Failure, Handler, Incoming, MessageId, Mode, QueueMessage, Queues, Services, Verdict, process_one,
};
use idempotency::{Completion, NoWrites, Store, Timestamp};
use serde_json::{Value, json};

use super::harness::Harness;
use crate::app::NAMESPACE;

pub(super) const DEAD_LETTERS: &str = "orders-dlq";

/// Finishes every order, and rejects those of some customers. It has the function's namespace, mode and key.
struct PlaceOrder;

impl Handler for PlaceOrder {
    type Message = Value;
    type Write = NoWrites;
    const NAMESPACE: &'static str = NAMESPACE;
    const MODE: Mode = Mode::OneStep;

    async fn handle(&self, order: Value, _: &Delivery) -> Result<Completion, Failure> {
        let inside = "queue https://sqs.example.com/123456789012/inside refused it";
        match order["customer"].as_str() {
            Some("rejected with code") => Err(Failure::permanent(inside).code("card-declined")),
            Some("rejected") => Err(Failure::permanent(inside)),
            _ => Ok(Completion::new().data(json!({ "order": order["id"] }))),
        }
    }
}

/// Processes a message as it was sent. Its ID is its own, even if another message is a copy.
pub(super) async fn consume(
    store: impl Store<Write = NoWrites>,
    queues: impl Queues,
    message: QueueMessage,
    id: &str,
) -> Verdict {
    let incoming = Incoming {
        attributes: message.attributes,
        group: message.group,
        deduplication_id: message.deduplication_id,
        trace_header: message.trace_header,
        ..Incoming::new(MessageId::new(id).unwrap(), message.body)
    };
    let services = Services::new(store, queues).with_dead_letter_queue(DEAD_LETTERS);
    let now = Timestamp::now();
    let budget = Budget::new(now, now.plus(Duration::from_secs(300)));
    process_one(&Arc::new(PlaceOrder), &services, incoming, false, &budget)
        .await
        .0
}

impl Harness {
    /// Processes all messages that were sent, in order. Each ends as done or in a dead letter.
    pub(super) async fn consume(&self) {
        for (number, message) in self.sent().into_iter().enumerate() {
            let id = format!("m-{number}");
            let verdict = consume(self.store.clone(), self.queues.clone(), message, &id).await;
            assert!(verdict.is_acknowledged(), "{verdict:?}");
        }
    }
}
