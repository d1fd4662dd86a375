//! The queue in memory, observed.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use consumer::{
    Incoming, MemoryQueues, MemoryReceipt, MemorySource, QueueError, QueueMessage, Queues, Source, SourceError,
    SourceQueue, Verdict,
};
use idempotency::{Answer, Change, Key, MemoryStore, NoWrites, Record, Store, StoreError, TooLarge};
use tokio::time::{Instant, sleep};

use super::log::Log;

/// What a worker and its test both use.
#[derive(Debug, Default)]
pub(super) struct Shared<T>(pub(super) Arc<T>);

impl<T> Clone for Shared<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl Store for Shared<MemoryStore> {
    type Write = NoWrites;

    async fn change(&self, change: Change<'_, NoWrites>) -> Result<Answer, StoreError> {
        self.0.change(change).await
    }

    fn check(&self, key: &Key, record: &Record, writes: &[NoWrites]) -> Result<(), TooLarge> {
        self.0.check(key, record, writes)
    }
}

impl Queues for Shared<MemoryQueues> {
    async fn send(&self, queue: &str, messages: &[QueueMessage]) -> Result<(), QueueError> {
        self.0.send(queue, messages).await
    }

    fn limits(&self, queue: &str) -> consumer::Limits {
        self.0.limits(queue)
    }
}

/// A queue whose long poll runs on after it was closed, as on SQS, and whose requests take time.
pub(super) struct Probe {
    pub(super) memory: MemorySource,
    log: Arc<Log>,
    pub(super) latency: Mutex<Latency>,
    seen: Mutex<Seen>,
}

/// How long requests take. They have their effect at the end of it.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Latency {
    pub(super) extend: Duration,
    pub(super) settle: Duration,
}

#[derive(Default)]
struct Seen {
    /// The receipts of requests that have not ended.
    in_use: Vec<MemoryReceipt>,
    /// When receives began, and their `max`.
    receives: Vec<(Instant, usize)>,
    /// The entries of each request to extend.
    extends: Vec<usize>,
    closed_at: Option<Instant>,
}

impl Probe {
    pub(super) fn new(memory: MemorySource, log: Arc<Log>) -> Self {
        Self {
            memory,
            log,
            latency: Mutex::default(),
            seen: Mutex::default(),
        }
    }

    /// When receives began, and their `max`.
    pub(super) fn receives(&self) -> Vec<(Instant, usize)> {
        self.seen.lock().unwrap().receives.clone()
    }

    /// The entries of each request to extend.
    pub(super) fn extends(&self) -> Vec<usize> {
        self.seen.lock().unwrap().extends.clone()
    }

    fn use_receipts<'a>(&self, receipts: impl Iterator<Item = &'a MemoryReceipt>) -> InUse<'_> {
        let mut seen = self.seen.lock().unwrap();
        let receipts: Vec<_> = receipts.cloned().collect();
        if let Some(receipt) = receipts.iter().find(|receipt| seen.in_use.contains(receipt)) {
            self.log.violation(format!("two requests at a time use {receipt:?}"));
        }
        seen.in_use.extend(receipts.iter().cloned());
        InUse(self, receipts)
    }
}

/// The receipts of a request, until it ends or is given up.
struct InUse<'a>(&'a Probe, Vec<MemoryReceipt>);

impl Drop for InUse<'_> {
    fn drop(&mut self) {
        let mut seen = self.0.seen.lock().unwrap();
        seen.in_use.retain(|receipt| !self.1.contains(receipt));
    }
}

/// Counts a receive that was dropped before it ended.
struct Receiving<'a>(&'a Probe, usize, bool);

impl Drop for Receiving<'_> {
    fn drop(&mut self) {
        self.0.log.poll_ends(self.1);
        if !self.2 {
            self.0.log.violation("a receive was dropped".to_owned());
        }
    }
}

impl Source for Shared<Probe> {
    type Receipt = MemoryReceipt;

    fn queue(&self) -> &SourceQueue {
        self.0.memory.queue()
    }

    async fn receive(&self, max: usize) -> Result<Vec<(Incoming, MemoryReceipt)>, SourceError> {
        let probe = &*self.0;
        {
            let mut seen = probe.seen.lock().unwrap();
            seen.receives.push((Instant::now(), max));
            if seen.closed_at.is_some_and(|closed| closed < Instant::now()) {
                probe.log.violation("a receive began after the close".to_owned());
            }
        }
        probe.log.poll_begins(max);
        let mut receiving = Receiving(probe, max, false);
        let received = probe.memory.receive(max).await;
        receiving.2 = true;
        received
    }

    async fn extend(&self, receipts: &mut [MemoryReceipt], by: Duration) -> Vec<Result<(), SourceError>> {
        let used = self.0.use_receipts(receipts.iter());
        self.0.seen.lock().unwrap().extends.push(used.1.len());
        let latency = self.0.latency.lock().unwrap().extend;
        sleep(latency).await;
        self.0.memory.extend(receipts, by).await
    }

    async fn settle(&self, messages: &mut [(MemoryReceipt, Verdict)]) -> Vec<Result<(), SourceError>> {
        let _used = self.0.use_receipts(messages.iter().map(|(receipt, _)| receipt));
        let latency = self.0.latency.lock().unwrap().settle;
        sleep(latency).await;
        self.0.memory.settle(messages).await
    }

    async fn close(&self) {
        self.0.seen.lock().unwrap().closed_at = Some(Instant::now());
    }
}

impl Shared<Probe> {
    /// For another worker of this queue.
    pub(super) fn open_again(&self) {
        self.0.seen.lock().unwrap().closed_at = None;
    }
}
