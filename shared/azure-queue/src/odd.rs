//! Dead letters of messages that can't even be received as messages.

use std::collections::BTreeMap;

use consumer::dead_letter::{Original, Rejection, pack};
use consumer::{QueueMessage, to_cloud_event};
use idempotency::Timestamp;

use crate::AzureQueueUrl;
use crate::limits::limits;
use crate::xml::Message;

/// Stands for the function, which such a message does not reach.
const FUNCTION: &str = "azure-queue";

/// The encoded text of the dead letter: the message with its queue and the reason. Without them, as Azure Functions does it, if
/// they don't fit.
pub(crate) fn dead_letter(url: &AzureQueueUrl, message: &Message, why: &str) -> String {
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
    let limits = limits(&url.dead_letter_queue(), encoding);
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
    fn an_odd_message_keeps_its_text_and_states_why() {
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
