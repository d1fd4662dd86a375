//! The consumer's queues, over Storage Queues.

use std::sync::Arc;
use std::time::Duration;

use consumer::{Incoming, Limits, QueueError, QueueMessage, Queues, SourceError, SourceFault, to_cloud_event};
use idempotency::Timestamp;

use crate::AzureQueueUrl;
use crate::client::Client;
use crate::credentials::Credentials;
use crate::encoding::Encoding;
use crate::fault::Fault;
use crate::limits::{event, limits};

/// The queues of an account. Clones share their connections.
///
/// A destination is the URL of a queue of the same account, without a query.
#[derive(Debug, Clone)]
pub struct AzureQueues {
    pub(crate) client: Arc<Client>,
    pub(crate) encoding: Encoding,
    is_enveloped: bool,
}

impl AzureQueues {
    /// The queues of the account that the URL names, all with its encoding.
    pub fn new(url: &AzureQueueUrl, credentials: Credentials) -> Self {
        Self {
            client: Arc::new(Client::new(url.account.clone(), credentials)),
            encoding: url.encoding,
            is_enveloped: url.is_enveloped,
        }
    }

    /// Checks that a destination exists, if these credentials may read its metadata. What is denied is logged at debug level.
    ///
    /// # Errors
    ///
    /// [`SourceError`]. `Refused`: the queue is missing; the text states what to do. `Unavailable`: it is unknown.
    pub async fn check(&self, destination: &str) -> Result<(), SourceError> {
        let checked = match self.queue(destination) {
            Ok(url) => self.exists(&url).await,
            Err(why) => Err(Fault::refused(why)),
        };
        checked.map_err(|fault| fault.of_queue(shown(destination)))
    }

    pub(crate) async fn exists(&self, url: &AzureQueueUrl) -> Result<(), Fault> {
        match self.client.metadata(&url.queue).await {
            Err(fault) if fault.is_denied => {
                tracing::debug!("queue {url} is not checked: {fault}");
                Ok(())
            }
            checked => checked,
        }
    }

    /// Sends a copy of a received message to its queue, which is visible at this time, and at the latest after seven days. It has
    /// the same ID, and states the receives so far.
    ///
    /// For a host that can't hide the message itself. The message must not be acknowledged before this returns.
    ///
    /// # Errors
    ///
    /// [`QueueError`]: the copy may not have been sent. Always so on a queue without envelopes: nothing would carry the ID.
    pub async fn delay(&self, incoming: &Incoming, at: Timestamp) -> Result<(), QueueError> {
        let destination = incoming.queue.as_deref().unwrap_or_default();
        if !self.is_enveloped {
            return Err(QueueError::refused(
                shown(destination),
                "a message without an envelope can't be copied, because nothing would carry its ID; remove envelope=none",
            ));
        }
        let now = Timestamp::now();
        let event = copy(incoming, now);
        let sent = match self.queue(destination) {
            Ok(url) => self.put(&url, &event, now.until(at)).await,
            Err(why) => Err(Fault::refused(why)),
        };
        sent.map_err(|fault| unsent(destination, fault, 0..1))
    }

    pub(crate) async fn put(&self, url: &AzureQueueUrl, event: &str, hidden: Duration) -> Result<(), Fault> {
        self.client.put(&url.queue, &self.encoding.encode(event), hidden).await
    }

    /// The queue at a destination, or why these credentials don't fit it.
    pub(crate) fn queue(&self, destination: &str) -> Result<AzureQueueUrl, String> {
        if destination.contains('?') {
            // It would be in logs, and in records of the ledger.
            return Err(
                "a destination must be a URL without a query: its credentials are those of the account".to_owned(),
            );
        }
        let url: AzureQueueUrl = destination.parse().map_err(|why| format!("the destination {why}"))?;
        match url.account.name == self.client.account.name {
            // Its host may differ, such as that of a private endpoint: requests go to the one of the URL that is polled.
            true => Ok(url),
            false => Err(format!(
                "it is not of the account {}, whose credentials are used",
                self.client.account.name
            )),
        }
    }
}

impl Queues for AzureQueues {
    async fn send(&self, destination: &str, messages: &[QueueMessage]) -> Result<(), QueueError> {
        let url = self
            .queue(destination)
            .map_err(|why| QueueError::refused(shown(destination), why))?;
        let now = Timestamp::now();
        // One after the other: their order is kept, as far as the queue keeps it.
        for (position, message) in messages.iter().enumerate() {
            let sent = self
                .put(&url, &event(message, now, self.encoding), Duration::ZERO)
                .await;
            sent.map_err(|fault| unsent(destination, fault, position..messages.len()))?;
        }
        Ok(())
    }

    fn limits(&self, _: &str) -> Limits {
        limits(self.encoding)
    }
}

/// The event that takes a message's place: the same message, with the receives so far.
fn copy(incoming: &Incoming, now: Timestamp) -> String {
    let copy = QueueMessage {
        body: incoming.body.clone(),
        attributes: incoming.attributes.clone(),
        group: incoming.group.clone(),
        deduplication_id: Some(incoming.id.as_str().to_owned()),
        trace_header: incoming.trace_header.clone(),
    };
    to_cloud_event(&copy, incoming.sent_at.unwrap_or(now), incoming.receive_count)
}

/// A destination as errors show it: a query may be a SAS token.
pub(crate) fn shown(destination: &str) -> &str {
    destination.split('?').next().unwrap_or_default()
}

fn unsent(destination: &str, fault: Fault, positions: std::ops::Range<usize>) -> QueueError {
    let may_be_sent = fault.means == SourceFault::Unavailable;
    QueueError {
        unsent: positions.filter(|_| may_be_sent).collect(),
        ..QueueError::refused(shown(destination), fault)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "all of this is tests")]

    use consumer::MessageId;

    use super::*;

    fn queues(query: &str) -> AzureQueues {
        let url = format!("https://shop.queue.core.windows.net/orders?sig=x{query}");
        let url: AzureQueueUrl = url.parse().unwrap();
        AzureQueues::new(&url, Credentials::from_env(&url).unwrap())
    }

    /// Its copy would be the body of another message.
    #[tokio::test]
    async fn a_message_without_an_envelope_is_not_copied() {
        let incoming = Incoming {
            queue: Some("https://shop.queue.core.windows.net/orders".to_owned()),
            ..Incoming::new(MessageId::new("m-1").unwrap(), "{}")
        };
        let error = queues("&envelope=none")
            .delay(&incoming, Timestamp::now())
            .await
            .unwrap_err();
        assert!(
            error.unsent.is_empty() && error.why.to_string().contains("envelope=none"),
            "{error:?}"
        );
    }

    #[test]
    fn a_copy_is_triggered_as_the_same_message() {
        let url: AzureQueueUrl = "https://shop.queue.core.windows.net/orders".parse().unwrap();
        let triggered = |event: &str| {
            let item = serde_json::value::to_raw_value(event).unwrap();
            let metadata = serde_json::json!({ "Id": "of-the-queue", "DequeueCount": 1 });
            url.triggered(&item, metadata.as_object().unwrap()).unwrap()
        };
        let now = Timestamp::from_millis(1_767_323_045_678);
        let foreign =
            r#"{"specversion":"1.0","id":"1","source":"/shop","type":"t","tenant":"blue","data":{"a": 1.10}}"#;
        let first = triggered(foreign);
        assert_eq!((first.id.as_str(), first.body.as_str()), ("/shop 1", "{\"a\": 1.10}"));
        let second = triggered(&copy(&first, now));
        let expected = Incoming {
            receive_count: 2,
            sent_at: Some(now),
            ..first
        };
        assert_eq!(second, expected);
        let third = triggered(&copy(&second, Timestamp::from_millis(0)));
        assert_eq!(
            third,
            Incoming {
                receive_count: 3,
                ..second
            }
        );
    }

    #[tokio::test]
    async fn a_token_in_a_destination_is_in_no_error() {
        let destination = "https://shop.queue.core.windows.net/orders?sig=s3cret";
        let queues = queues("");
        let sent = queues.send(destination, &[]).await.unwrap_err();
        let checked = queues.check(destination).await.unwrap_err();
        let incoming = Incoming {
            queue: Some(destination.to_owned()),
            ..Incoming::new(MessageId::new("m-1").unwrap(), "{}")
        };
        let delayed = queues.delay(&incoming, Timestamp::now()).await.unwrap_err();
        let shown = format!("{sent} {sent:?} {checked} {checked:?} {delayed} {delayed:?} {queues:?}");
        assert!(
            shown.contains("without a query") && !shown.contains("s3cret"),
            "{shown}"
        );
    }
}
