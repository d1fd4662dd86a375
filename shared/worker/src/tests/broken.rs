//! A queue whose client panics: a fault of its crate, which must cost no message.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use consumer::{Incoming, MemoryReceipt, MemorySource, MessageId, Services, Source, SourceError, SourceQueue, Verdict};
use tokio::time::Instant;

use super::log::Scripted;
use crate::{Queue, Worker};

/// The first requests of each kind panic.
struct Broken {
    /// Outside of the request's future, from this settling on.
    panics_early: Option<usize>,
    settled: AtomicUsize,
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

    fn settle(
        &self,
        messages: &mut [(MemoryReceipt, Verdict)],
    ) -> impl Future<Output = Vec<Result<(), SourceError>>> + Send {
        let before = self.0.settled.fetch_add(1, Ordering::SeqCst);
        assert!(self.0.panics_early.is_none_or(|first| before < first), "of the test");
        async {
            self.0.panic(2);
            self.0.memory.settle(messages).await
        }
    }

    async fn close(&self) {
        self.0.memory.close().await;
    }
}

fn broken(panics_early: Option<usize>, panics: [usize; 3]) -> super::probe::Shared<Broken> {
    super::probe::Shared(std::sync::Arc::new(Broken {
        panics_early,
        settled: AtomicUsize::new(0),
        memory: MemorySource::new(),
        panics: panics.map(AtomicUsize::new),
    }))
}

#[tokio::test(start_paused = true)]
async fn a_request_that_panics_is_repeated() {
    let source = broken(None, [10, 2, 2]);
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

#[tokio::test(start_paused = true)]
async fn a_worker_ends_when_its_settling_ends() {
    let source = broken(Some(1), [0; 3]);
    let memory = &source.0.memory;
    for id in ["m-1", "m-2"] {
        let millis = if id == "m-1" { 0 } else { 1000 };
        memory.send(Incoming::new(MessageId::new(id).unwrap(), format!("[{millis},[]]")));
    }
    let began = Instant::now();
    let queue = Queue::new(
        Scripted(std::sync::Arc::default()),
        Services::in_memory(),
        source.clone(),
    );
    let error = Worker::new()
        .with_queue(queue)
        .run(tokio::time::sleep(Duration::from_secs(600)))
        .await;
    let error = error.unwrap_err().to_string();
    assert!(error.contains("the task that settles messages has ended"), "{error}");
    assert!(began.elapsed() < Duration::from_secs(60), "{:?}", began.elapsed());
    let left: Vec<_> = memory
        .left()
        .into_iter()
        .map(|message| message.id.as_str().to_owned())
        .collect();
    assert_eq!(left, ["m-2"], "the queue redelivers it");
}

/// Nothing is settled before the stop, so only the drain finds it out.
#[tokio::test(start_paused = true)]
async fn a_drain_whose_settling_ends_is_an_error() {
    let source = broken(Some(0), [0; 3]);
    let memory = &source.0.memory;
    memory.send(Incoming::new(MessageId::new("m-1").unwrap(), "[5000,[]]"));
    let queue = Queue::new(
        Scripted(std::sync::Arc::default()),
        Services::in_memory(),
        source.clone(),
    );
    let stop = tokio::time::sleep(Duration::from_secs(1));
    let error = Worker::new().with_queue(queue).run(stop).await.unwrap_err();
    assert!(matches!(error, crate::WorkerError::Settling(_)), "{error}");
    assert_eq!(memory.left().len(), 1);
}
