//! Messages that can't be decoded, and their dead letters.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use consumer::dead_letter::{Original, Rejection, pack};
use consumer::{QueueMessage, to_cloud_event};
use futures_util::future::join_all;
use idempotency::Timestamp;

use crate::AzureQueueUrl;
use crate::client::Client;
use crate::limits::limits;
use crate::xml::Message;

/// Stands for the function, which such a message does not reach.
const FUNCTION: &str = "azure-queue";

/// The encoded text of the dead letter: the message with its queue and the reason. Without them, as Azure Functions does it, if
/// they don't fit.
fn dead_letter(url: &AzureQueueUrl, message: &Message, why: &str) -> String {
    let encoding = url.encoding;
    let text = encoding.decode(&message.message_text);
    let rejection = Rejection {
        reason: why.to_owned(),
        code: None,
        function: FUNCTION.to_owned(),
        receive_count: message.dequeue_count.unwrap_or(1),
    };
    let original = Original {
        message_id: Some(message.message_id.clone()),
        queue: Some(url.to_string()),
        ..Original::default()
    };
    let limits = limits(encoding);
    let dead_letter = QueueMessage {
        body: text.unwrap_or_else(|_| message.message_text.clone()),
        attributes: pack(BTreeMap::new(), original, Some(&rejection), &limits),
        group: None,
        deduplication_id: Some(message.message_id.clone()),
        trace_header: None,
    };
    match limits.check(&dead_letter) {
        Ok(()) => encoding.encode(&to_cloud_event(&dead_letter, Timestamp::now(), 0)),
        Err(_) => message.message_text.clone(),
    }
}

/// What is needed to move messages to the queue for dead letters.
#[derive(Debug, Clone)]
pub(crate) struct Mover {
    pub(crate) client: Arc<Client>,
    pub(crate) url: AzureQueueUrl,
    /// The name of the queue for dead letters.
    pub(crate) dead_letter_queue: String,
}

impl Mover {
    /// Moves messages beside their neighbours, which they must not hold up. One that can't be moved is redelivered when it is no
    /// longer hidden.
    pub(crate) fn start(&self, messages: Vec<(Message, String)>) {
        if messages.is_empty() {
            return;
        }
        let mover = self.clone();
        tokio::spawn(async move {
            join_all(messages.iter().map(|(message, why)| mover.dead_letter(message, why))).await;
        });
    }

    async fn dead_letter(&self, message: &Message, why: &str) {
        let (client, url) = (&self.client, &self.url);
        let text = dead_letter(url, message, why);
        let moved = async {
            client.put(&self.dead_letter_queue, &text, Duration::ZERO).await?;
            // If the answer is lost, the dead letter is sent again.
            client
                .delete(&url.queue, &message.message_id, &message.pop_receipt)
                .await
        };
        match moved.await {
            Ok(()) => tracing::warn!("queue {url}: a message is dead-lettered: {why}"),
            Err(fault) => tracing::warn!("queue {url}: a message is not dead-lettered: {fault}; {why}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use consumer::dead_letter::Unpacked;
    use consumer::{Incoming, MessageId, from_cloud_event};

    use super::*;

    fn message(text: &str) -> Message {
        Message {
            message_id: "m-1".to_owned(),
            insertion_time: None,
            pop_receipt: "r".to_owned(),
            dequeue_count: Some(2),
            message_text: text.to_owned(),
        }
    }

    #[test]
    fn an_undecodable_message_keeps_its_text_and_states_why() {
        let url: AzureQueueUrl = "https://shop.queue.core.windows.net/orders".parse().unwrap();
        for (text, body) in [("e30=", "{}"), ("{ no Base64", "{ no Base64")] {
            let sent = url
                .encoding
                .decode(&dead_letter(&url, &message(text), "no type"))
                .unwrap();
            let read = from_cloud_event(&Incoming::new(MessageId::new("q").unwrap(), sent)).unwrap();
            assert_eq!((read.id.as_str(), read.body.as_str()), ("m-1", body));
            let unpacked = Unpacked::of(read.attributes);
            let (original, rejection) = (unpacked.original.unwrap(), unpacked.rejection.unwrap());
            assert_eq!(
                original.queue.as_deref(),
                Some("https://shop.queue.core.windows.net/orders")
            );
            assert_eq!((rejection.reason.as_str(), rejection.receive_count), ("no type", 2));
        }
    }

    #[test]
    fn one_that_is_too_large_for_a_reason_is_moved_as_it_is() {
        let url: AzureQueueUrl = "https://shop.queue.core.windows.net/orders".parse().unwrap();
        let large = url.encoding.encode(&"x".repeat(48 * 1024));
        assert_eq!(dead_letter(&url, &message(&large), "no type"), large);
    }
}
