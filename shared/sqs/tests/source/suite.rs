//! The promises of every queue that a host polls.

use conformance::source::{Abilities, UnderTest};
use consumer::{MessageId, QueueMessage, Source};
use sqs::SqsSource;

use crate::emulated::Queue;

impl UnderTest for Queue {
    type Source = SqsSource;

    fn source(&self) -> &SqsSource {
        &self.source
    }

    async fn send(&self, messages: &[QueueMessage]) -> Vec<MessageId> {
        Self::send(self, messages).await
    }

    async fn left(&self) -> usize {
        self.messages().len()
    }

    fn abilities(&self) -> Abilities {
        Abilities {
            // A standard queue has none.
            deduplication_ids: self.source.queue().order.is_ordered(),
            ..Abilities::default()
        }
    }
}

mod standard {
    conformance::source_tests! {
        #[tokio::test(start_paused = true)]
        start: Some(crate::emulated::Queue::standard().await)
    }
}

mod fifo {
    conformance::source_tests! {
        #[tokio::test(start_paused = true)]
        start: Some(crate::emulated::Queue::fifo().await)
    }
}
