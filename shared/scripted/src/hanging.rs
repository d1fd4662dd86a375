//! A store and queues that never answer.

use std::marker::PhantomData;

use consumer::{Limits, MemoryQueues, QueueError, QueueMessage, Queues};
use idempotency::{Answer, Change, Key, Record, Store, StoreError, TooLarge, Write};

/// A store for writes of this type, and queues. No request to them ends.
#[derive(Debug)]
pub struct Hanging<W>(PhantomData<fn() -> W>);

impl<W> Default for Hanging<W> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<W: Write> Store for Hanging<W> {
    type Write = W;

    async fn change(&self, _: Change<'_, W>) -> Result<Answer, StoreError> {
        std::future::pending().await
    }

    fn check(&self, _: &Key, _: &Record, _: &[W]) -> Result<(), TooLarge> {
        Ok(())
    }
}

impl<W: 'static> Queues for Hanging<W> {
    async fn send(&self, _: &str, _: &[QueueMessage]) -> Result<(), QueueError> {
        std::future::pending().await
    }

    fn limits(&self, queue: &str) -> Limits {
        MemoryQueues::new().limits(queue)
    }
}
