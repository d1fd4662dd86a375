//! A queue whose client panics: a fault of its crate, which must cost no message.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use consumer::{Incoming, MemoryReceipt, MemorySource, MessageId, Services, Source, SourceError, SourceQueue, Verdict};
use tokio::time::Instant;

use super::log::Scripted;
use crate::{Queue, Worker};

/// The first requests of each kind panic.
struct Broken {
    memory: MemorySource,
    panics: [AtomicUsize; 3],
}

impl Broken {
    fn panic(&self, operation: usize) {
        let left = &self.panics[operation];
        let panics = left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        assert!(panics.is_err(), "of the test");
    }
}

impl Source for super::probe::Shared<Broken> {
    type Receipt = MemoryReceipt;

    fn queue(&self) -> &SourceQueue {
        self.0.memory.queue()
    }

    async fn receive(&self, max: usize) -> Result<Vec<(Incoming, MemoryReceipt)>, SourceError> {
        self.0.panic(0);
        self.0.memory.receive(max).await
    }

    async fn extend(&self, receipts: &mut [MemoryReceipt], by: Duration) -> Vec<Result<(), SourceError>> {
        self.0.panic(1);
        self.0.memory.extend(receipts, by).await
    }

    async fn settle(&self, messages: &mut [(MemoryReceipt, Verdict)]) -> Vec<Result<(), SourceError>> {
        self.0.panic(2);
        self.0.memory.settle(messages).await
    }

    async fn close(&self) {
        self.0.memory.close().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_that_panics_is_repeated() {
    let broken = Broken {
        memory: MemorySource::new(),
        panics: [10, 2, 2].map(AtomicUsize::new),
    };
    let source = super::probe::Shared(std::sync::Arc::new(broken));
    let memory = &source.0.memory;
    memory.send(Incoming::new(MessageId::new("m-1").unwrap(), "[60000,[]]"));
    let began = Instant::now();
    let queue = Queue::new(
        Scripted(std::sync::Arc::default()),
        Services::in_memory(),
        source.clone(),
    );
    let stop = async {
        while memory.deleted().is_empty() {
            assert!(began.elapsed() < Duration::from_secs(300), "{:?}", memory.left());
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    Worker::new().with_queue(queue).run(stop).await.unwrap();
    assert!(
        began.elapsed() > Duration::from_secs(61),
        "receives that panic are not repeated at once"
    );
    let receives = memory
        .record()
        .into_iter()
        .filter(|record| matches!(record.action, consumer::SourceAction::Received { .. }));
    assert_eq!(receives.count(), 1);
}
