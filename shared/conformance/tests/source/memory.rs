//! The queue in memory, of each kind.

use std::sync::atomic::{AtomicUsize, Ordering};

use conformance::source::{Abilities, UnderTest};
use consumer::{Incoming, MemorySource, MessageId, QueueMessage, QueueOrder, Source};
use idempotency::Timestamp;

/// A queue in memory, or one around it.
pub(crate) struct Memory<S = MemorySource> {
    pub(crate) source: S,
    next: AtomicUsize,
}

/// A queue that keeps its messages in memory.
pub(crate) trait InMemory: Source {
    fn memory(&self) -> &MemorySource;
}

impl InMemory for MemorySource {
    fn memory(&self) -> &MemorySource {
        self
    }
}

impl<S> Memory<S> {
    pub(crate) fn of(source: S) -> Self {
        let next = AtomicUsize::new(0);
        Self { source, next }
    }
}

impl<S: InMemory> UnderTest for Memory<S> {
    type Source = S;

    fn source(&self) -> &S {
        &self.source
    }

    async fn send(&self, messages: &[QueueMessage]) -> Vec<MessageId> {
        let send = |message: &QueueMessage| {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            let id = MessageId::new(format!("id-{number}")).unwrap();
            self.source.memory().send(Incoming {
                attributes: message.attributes.clone(),
                group: message.group.clone(),
                deduplication_id: message.deduplication_id.clone(),
                trace_header: message.trace_header.clone(),
                ..Incoming::new(id.clone(), &message.body)
            });
            id
        };
        messages.iter().map(send).collect()
    }

    async fn left(&self) -> usize {
        self.source.memory().left().len()
    }

    async fn redeliver(&self) {
        self.source.memory().redeliver();
    }

    fn now(&self) -> Timestamp {
        self.source.memory().now()
    }

    fn abilities(&self) -> Abilities {
        Abilities {
            hides: self.source.queue().order != QueueOrder::HeldGroups,
            ..Abilities::default()
        }
    }
}

mod standard {
    use super::Memory;

    conformance::source_tests! {
        #[tokio::test(start_paused = true)]
        start: Some(Memory::of(consumer::MemorySource::new()))
    }
}

mod fifo {
    use super::Memory;

    conformance::source_tests! {
        #[tokio::test(start_paused = true)]
        start: Some(Memory::of(consumer::MemorySource::fifo()))
    }
}

mod held {
    use super::Memory;

    conformance::source_tests! {
        #[tokio::test(start_paused = true)]
        start: Some(Memory::of(consumer::MemorySource::held()))
    }
}
