//! The promises that every source keeps, on Azurite.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "all of this is tests"
)]

mod azurite;

use std::time::Duration;

use azure_queue::{AzureQueueSource, AzureQueues};
use azurite::{Azurite, azurite};
use conformance::source::{Abilities, UnderTest};
use consumer::{MessageId, QueueMessage, Queues};

struct Queue {
    azurite: Azurite,
    queues: AzureQueues,
    source: AzureQueueSource,
}

async fn queue(settings: &str) -> Option<Queue> {
    let azurite = azurite().await?;
    let url = azurite.url(settings);
    Some(Queue {
        source: azurite::open(&url).await.unwrap(),
        queues: azurite::queues(&url),
        azurite,
    })
}

impl UnderTest for Queue {
    type Source = AzureQueueSource;

    fn source(&self) -> &AzureQueueSource {
        &self.source
    }

    async fn send(&self, messages: &[QueueMessage]) -> Vec<MessageId> {
        self.queues.send(&self.azurite.url(""), messages).await.unwrap();
        let id = |message: &QueueMessage| MessageId::new(message.deduplication_id.clone().unwrap()).unwrap();
        messages.iter().map(id).collect()
    }

    async fn left(&self) -> usize {
        self.azurite.left("").await
    }

    /// A message is hidden until its time is over, and not a moment longer.
    async fn redeliver(&self) {
        tokio::time::sleep(Duration::from_millis(3200)).await;
    }

    fn abilities(&self) -> Abilities {
        Abilities {
            // Names like a deduplication ID's are the event's ID.
            deduplication_ids: false,
            body_bytes: 45_000,
            delay: Duration::from_secs(4),
            late: Duration::from_secs(2),
            ..Abilities::default()
        }
    }
}

mod base64 {
    use super::*;

    conformance::source_tests! { #[tokio::test(flavor = "multi_thread")] start: queue("?window=3").await }
}

mod plain {
    use super::*;

    conformance::source_tests! { #[tokio::test(flavor = "multi_thread")] start: queue("?window=3&encoding=none").await }
}
