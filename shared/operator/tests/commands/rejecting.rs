//! A function that rejects each message, as it would on Lambda.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use consumer::{
    Attribute, Budget, Delivery, Failure, Handler, IdempotencyKey, Incoming, MessageId, RawBody, Received, Services,
    process_batch,
};
use emulator::sqs::Sqs;
use idempotency::{Completion, NoWrites, Timestamp};
use serde_json::{Value, json};
use tokio::runtime::Handle;
use tokio::task::block_in_place;

use crate::harness::text;

/// Its key; the message's own if there is none.
struct Rejecting(Option<&'static str>);

impl Handler for Rejecting {
    type Message = RawBody;
    type Write = NoWrites;
    const NAMESPACE: &'static str = "place-order";

    fn key(&self, _: &RawBody, _: &Received) -> IdempotencyKey {
        self.0.map_or_else(IdempotencyKey::of_message, IdempotencyKey::business)
    }

    async fn handle(&self, _: RawBody, _: &Delivery) -> Result<Completion, Failure> {
        Err(Failure::permanent("wrong sum"))
    }
}

/// Rejects a message that was sent, under this key: its dead letter is sent to the dead-letter queue.
pub(crate) async fn reject(sqs: &Sqs, message: &Value, sent: &Value, key: Option<&'static str>) {
    // On a thread that may wait: the future of a batch has no name that a server's could state.
    let mut request = block_in_place(|| Handle::current().block_on(dead_letter(incoming(message, sent), key)));
    request["QueueUrl"] = format!("{}-dlq", message["QueueUrl"].as_str().unwrap()).into();
    sqs.call("SendMessage", request).await.unwrap();
}

/// The dead letter of a message, as a request to send it.
async fn dead_letter(incoming: Incoming, key: Option<&'static str>) -> Value {
    let services = Services::in_memory().with_dead_letter_queue("dlq");
    let now = Timestamp::now();
    let budget = Budget::new(now, now.plus(Duration::from_secs(30)));
    process_batch(&Arc::new(Rejecting(key)), &services, vec![incoming], false, &budget).await;
    let [dead_letter] = services.queues().sent("dlq").try_into().unwrap();
    let attributes = dead_letter.attributes.iter();
    let attributes = attributes.map(|(name, value)| (name.clone(), text(value.string_value.as_deref().unwrap())));
    json!({
        "MessageBody": dead_letter.body,
        "MessageAttributes": attributes.collect::<BTreeMap<_, _>>(),
    })
}

/// The message as its function receives it.
fn incoming(message: &Value, sent: &Value) -> Incoming {
    let queue = message["QueueUrl"].as_str().unwrap().rsplit('/').next().unwrap();
    let attributes = message["MessageAttributes"].as_object().cloned().unwrap_or_default();
    let text = |value: Value| Attribute {
        data_type: value["DataType"].as_str().map(str::to_owned),
        string_value: value["StringValue"].as_str().map(str::to_owned),
        binary_value: None,
    };
    let id = MessageId::new(sent["MessageId"].as_str().unwrap().to_owned()).unwrap();
    Incoming {
        queue: Some(format!("arn:aws:sqs:us-east-1:000000000000:{queue}")),
        attributes: attributes
            .into_iter()
            .map(|(name, value)| (name, text(value)))
            .collect(),
        ..Incoming::new(id, message["MessageBody"].as_str().unwrap())
    }
}
