//! A received message as the consumer knows messages.

use std::time::SystemTime;

use consumer::{Incoming, MessageId, from_cloud_event};
use idempotency::Timestamp;

use crate::AzureQueueUrl;
use crate::xml::Message;

/// The message, or why it can't be processed.
pub(crate) fn incoming(url: &AzureQueueUrl, message: &Message) -> Result<Incoming, String> {
    let id = MessageId::new(message.message_id.as_str()).ok_or("it has no MessageId")?;
    let queued = Incoming {
        queue: Some(url.to_string()),
        receive_count: message.dequeue_count.unwrap_or(1).max(1),
        sent_at: message.insertion_time.as_deref().and_then(timestamp),
        ..Incoming::new(id, url.encoding.decode(&message.message_text)?)
    };
    unwrapped(url, queued)
}

/// The message inside its envelope, if messages of the queue have one.
pub(crate) fn unwrapped(url: &AzureQueueUrl, queued: Incoming) -> Result<Incoming, String> {
    match url.is_enveloped {
        true => from_cloud_event(&queued),
        false => Ok(queued),
    }
}

/// In the format of HTTP, such as `Fri, 09 Oct 2026 21:04:30 GMT`.
fn timestamp(text: &str) -> Option<Timestamp> {
    since_1970(httpdate::parse_http_date(text).ok()?)
}

fn since_1970(time: SystemTime) -> Option<Timestamp> {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    Some(Timestamp::from_millis(u64::try_from(since.as_millis()).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(text: &str) -> Message {
        Message {
            message_id: "of-the-queue".to_owned(),
            insertion_time: Some("Fri, 02 Jan 2026 03:04:05 GMT".to_owned()),
            pop_receipt: "r".to_owned(),
            dequeue_count: Some(3),
            message_text: text.to_owned(),
        }
    }

    fn url(query: &str) -> AzureQueueUrl {
        format!("https://shop.queue.core.windows.net/orders{query}")
            .parse()
            .unwrap()
    }

    #[test]
    fn a_plain_message_states_what_its_queue_knows() {
        let plain = incoming(&url("?encoding=none&envelope=none"), &message("{}")).unwrap();
        let expected = Incoming {
            queue: Some("https://shop.queue.core.windows.net/orders".to_owned()),
            receive_count: 3,
            sent_at: Some(Timestamp::from_millis(1_767_323_045_000)),
            ..Incoming::new(MessageId::new("of-the-queue").unwrap(), "{}")
        };
        assert_eq!(plain, expected);
        let encoded = incoming(&url("?envelope=none"), &message("e30=")).unwrap();
        assert_eq!(encoded, expected);
    }

    #[test]
    fn an_envelope_is_removed_and_its_faults_are_named() {
        let event = r#"{"specversion":"1.0","id":"k-1","source":"s","type":"t","consumerattempts":2,"data":{}}"#;
        let read = incoming(&url("?encoding=none"), &message(event)).unwrap();
        assert_eq!(
            (read.id.as_str(), read.body.as_str(), read.receive_count),
            ("k-1", "{}", 5)
        );
        assert_eq!(
            read.queue.as_deref(),
            Some("https://shop.queue.core.windows.net/orders")
        );
        let why = incoming(&url("?encoding=none"), &message("{}")).unwrap_err();
        assert!(why.contains("field `specversion` is missing"), "{why}");
        assert!(incoming(&url(""), &message("{}")).unwrap_err().contains("not Base64"));
    }
}
