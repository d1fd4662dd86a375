//! The producer's attributes on the way to the dead-letter queue and back, whatever their names.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use consumer::dead_letter::{FAILURE, IDEMPOTENCY_KEY, ORIGINAL, Unpacked};
use consumer::{Attribute, Delivery, Failure, Handler, IdempotencyKey, QueueMessage, Received};
use idempotency::{Completion, Key, Status};
use serde_json::Value;

use crate::common::{
    DLQ, Effect, Memory, Message, STANDARD, batch_of, failed, original, rejection, text, with_dead_letter_queue,
};

/// Takes any JSON. `"never"` is rejected until a deployment; an object with an `id` has it as business key.
#[derive(Default)]
struct Picky {
    deployed: bool,
    /// The attribute `h9` and the two of ours, as the handler sees them.
    seen: Mutex<Vec<[Option<String>; 3]>>,
}

impl Handler for Picky {
    type Message = Value;
    type Write = Effect;
    const NAMESPACE: &'static str = "picky";

    fn key(&self, message: &Value, received: &Received) -> IdempotencyKey {
        let names = ["h9", ORIGINAL, FAILURE];
        self.seen
            .lock()
            .unwrap()
            .push(names.map(|name| received.attribute(name).map(str::to_owned)));
        match message["id"].as_str() {
            Some(id) => IdempotencyKey::business(id),
            None => IdempotencyKey::of_message(),
        }
    }

    async fn handle(&self, _: Value, _: &Delivery) -> Result<Completion<Effect>, Failure> {
        match self.deployed {
            true => Ok(Completion::new()),
            false => Err(Failure::permanent("never")),
        }
    }
}

fn picky() -> Arc<Picky> {
    Arc::default()
}

fn status(services: &Memory, key: &str) -> Option<Status> {
    services
        .store()
        .record(&Key::new("picky", key).unwrap())
        .map(|record| record.status)
}

/// The dead letter of a message.
async fn dead_letter(handler: &Arc<Picky>, services: &Memory, message: Message) -> QueueMessage {
    assert!(
        failed(handler, services, batch_of(STANDARD, [message]))
            .await
            .is_empty()
    );
    services.queues().sent(DLQ).pop().unwrap()
}

/// The producer's attributes in a dead letter.
fn producers(dead_letter: &QueueMessage) -> BTreeMap<String, Attribute> {
    Unpacked::of_dead_letter(dead_letter.attributes.clone(), false).attributes
}

#[tokio::test(start_paused = true)]
async fn attributes_named_like_ours_reach_the_dead_letter_unchanged() {
    let number = Attribute {
        data_type: Some("Number".to_owned()),
        string_value: Some("41".to_owned()),
        binary_value: None,
    };
    let message = Message::new("m-1", "1")
        .attribute("FailureReason", "card declined")
        .typed_attribute("ReceiveCount", number)
        .attribute("FailedFunction", "checkout")
        .attribute("OriginalQueue", "till")
        .attribute("tenant", "blue");
    let own = message.0.attributes.clone();
    let dead_letter = dead_letter(&picky(), &with_dead_letter_queue(), message).await;
    assert_eq!(producers(&dead_letter), own);
    let rejection = rejection(&dead_letter);
    assert_eq!((rejection.reason.as_str(), rejection.receive_count), ("never", 1));
    assert_eq!(rejection.function, "picky");
}

#[tokio::test(start_paused = true)]
async fn ten_attributes_return_with_a_redrive() {
    let services = with_dead_letter_queue();
    let photo = Attribute {
        data_type: Some("Binary".to_owned()),
        string_value: None,
        binary_value: Some(vec![0, 255]),
    };
    let ten = (0..10).fold(Message::new("m-1", "1"), |message, n| {
        message.attribute(&format!("h{n}"), "v")
    });
    let own = ten.typed_attribute("h8", photo);
    let attributes = own.0.attributes.clone();
    let first = dead_letter(&picky(), &services, own).await;
    assert_eq!(first.attributes.len(), 10);
    assert_eq!(producers(&first), attributes);

    // As the redrive of SQS itself returns it: with a new ID and all attributes.
    let handler = picky();
    let second = dead_letter(&handler, &services, Message::redriven("m-2", first)).await;
    assert_eq!(*handler.seen.lock().unwrap(), [[Some("v".to_owned()), None, None]]);
    assert_eq!(producers(&second), attributes);
    let original = original(&second);
    assert_eq!((original.message_id.as_deref(), original.key), (Some("m-1"), None));
}

#[tokio::test(start_paused = true)]
async fn a_dead_letter_states_the_queue_it_came_from() {
    let (services, orders) = (with_dead_letter_queue(), "arn:aws:sqs:eu-west-1:1:orders");
    let first = dead_letter(&picky(), &services, Message::new("m-1", "1").queue(orders)).await;
    assert_eq!(original(&first).queue.as_deref(), Some(orders));
    // A host that does not know its queue forgets nothing.
    let second = dead_letter(&picky(), &services, Message::redriven("m-2", first)).await;
    assert_eq!(original(&second).queue.as_deref(), Some(orders));
}

#[tokio::test(start_paused = true)]
async fn a_business_key_leaves_the_producers_key_as_it_is() {
    let services = with_dead_letter_queue();
    let message = Message::new("m-1", r#"{"id": "o-1"}"#).attribute(IDEMPOTENCY_KEY, "theirs");
    let dead_letter = dead_letter(&picky(), &services, message).await;
    assert_eq!(text(&dead_letter, IDEMPOTENCY_KEY), "theirs");
    assert_eq!(original(&dead_letter).key.as_deref(), Some("o-1"));
    assert_eq!(
        (status(&services, "o-1"), status(&services, "theirs")),
        (Some(Status::Rejected), None)
    );
}

#[tokio::test(start_paused = true)]
async fn a_malformed_original_is_rejected_under_the_message_id() {
    for value in ["theirs", r#"{"key": 1}"#, "[]"] {
        let services = with_dead_letter_queue();
        let handler = Arc::new(Picky {
            deployed: true,
            ..Picky::default()
        });
        let message = Message::new("m-1", "1")
            .attribute(ORIGINAL, value)
            .attribute(IDEMPOTENCY_KEY, "k-1");
        let own = message.0.attributes.clone();
        let dead_letter = dead_letter(&handler, &services, message).await;
        let why = rejection(&dead_letter).reason;
        assert!(why.starts_with("attribute Consumer.Original is malformed"), "{why}");
        assert_eq!(
            (status(&services, "m-1"), status(&services, "k-1")),
            (Some(Status::Rejected), None)
        );
        assert_eq!(producers(&dead_letter), own, "{value}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_well_formed_original_of_a_producer_states_the_key() {
    let services = with_dead_letter_queue();
    for id in ["m-1", "m-2"] {
        let message = Message::new(id, "1").attribute(ORIGINAL, r#"{"key": "k-1"}"#);
        dead_letter(&picky(), &services, message).await;
    }
    assert_eq!(
        (status(&services, "k-1"), status(&services, "m-1")),
        (Some(Status::Rejected), None)
    );
}

#[tokio::test(start_paused = true)]
async fn a_message_as_large_as_its_queue_allows_stays() {
    let services = with_dead_letter_queue();
    let full = "x".repeat(1024 * 1024 - 2);
    let message = Message::new("m-1", format!("\"{full}\""));
    assert_eq!(
        failed(&picky(), &services, batch_of(STANDARD, [message])).await,
        ["m-1"]
    );
    assert!(services.queues().sent(DLQ).is_empty());
    assert_eq!(status(&services, "m-1"), Some(Status::Rejected));
}
