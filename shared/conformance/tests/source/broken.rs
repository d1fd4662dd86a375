//! A queue in memory that breaks one promise.

use std::collections::HashMap;
use std::future::pending;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use consumer::{
    Incoming, MemoryReceipt, MemorySource, MessageId, QueueOrder, Source, SourceError, SourceFault, SourceQueue,
    Verdict,
};

use crate::memory::InMemory;

/// What a queue does wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Defect {
    /// Nothing: the tests pass.
    None,
    ReturnsMore,
    HidesNothing,
    DeletesWhatItReturns,
    CountsNoReceives,
    CountsRetriesOnly,
    ExtendsNothing,
    ExtendsTenOnly,
    KeepsWhatIsDone,
    KeepsWhatIsRejected,
    RetriesAtOnce,
    RetriesNever,
    DeletesRetries,
    StaleReceiptsDelete,
    StaleReceiptsReveal,
    StopsAtAFailure,
    SettlesTenOnly,
    Reverses,
    ReversesRedelivered,
    SendsRetriesAgain,
    ClaimsOrder,
    TrimsBodies,
    ForgetsGroups,
    ForgetsAttributes,
    CutsBodies,
    NeverCloses,
    HangsAtTheClose,
    ForgetsReceiptsAtTheClose,
}

pub(crate) struct Broken {
    inner: MemorySource,
    queue: SourceQueue,
    defect: Defect,
    closed: AtomicBool,
    /// The last receipt of each message, and the message.
    last: Mutex<HashMap<MessageId, (MemoryReceipt, Incoming)>>,
}

#[derive(Clone)]
pub(crate) struct BrokenReceipt {
    message: MessageId,
    receipt: MemoryReceipt,
}

impl InMemory for Broken {
    fn memory(&self) -> &MemorySource {
        &self.inner
    }
}

impl Broken {
    pub(crate) fn new(inner: MemorySource, defect: Defect) -> Self {
        let mut queue = inner.queue().clone();
        if defect == Defect::ClaimsOrder {
            queue.order = QueueOrder::Groups;
        }
        Self {
            inner,
            queue,
            defect,
            closed: AtomicBool::new(false),
            last: Mutex::default(),
        }
    }

    fn alter(&self, message: &mut Incoming) {
        match self.defect {
            Defect::CountsNoReceives => message.receive_count = 1,
            Defect::CountsRetriesOnly => {
                let retries = self.inner.record().into_iter().filter(|one| {
                    matches!(one.action, consumer::SourceAction::Settled(_)) && one.message == message.id
                });
                message.receive_count = u32::try_from(retries.count()).unwrap() + 1;
            }
            Defect::TrimsBodies => message.body = message.body.trim().to_owned(),
            Defect::CutsBodies => message.body.truncate(1_000_000),
            Defect::ForgetsGroups => message.group = None,
            Defect::ForgetsAttributes => message.attributes.clear(),
            _ => {}
        }
    }

    /// The receipt and verdict to settle instead; `None`: nothing is done.
    fn request(&self, receipt: &BrokenReceipt, verdict: Verdict) -> Option<(MemoryReceipt, Verdict)> {
        let own = receipt.receipt.clone();
        let last = || self.last.lock().unwrap()[&receipt.message].0.clone();
        let now = Some(self.inner.now());
        match (self.defect, verdict) {
            (Defect::KeepsWhatIsDone, Verdict::Done)
            | (Defect::KeepsWhatIsRejected, Verdict::Rejected)
            | (Defect::RetriesNever, Verdict::Retry { .. }) => None,
            (Defect::RetriesAtOnce, Verdict::Retry { .. }) => Some((own, Verdict::Retry { at: now })),
            (Defect::DeletesRetries, Verdict::Retry { at: None }) => Some((own, Verdict::Done)),
            (Defect::StaleReceiptsDelete, Verdict::Done) => Some((last(), verdict)),
            (Defect::StaleReceiptsReveal, Verdict::Retry { .. }) => Some((last(), verdict)),
            (Defect::SendsRetriesAgain, Verdict::Retry { .. }) => {
                let message = self.last.lock().unwrap()[&receipt.message].1.clone();
                self.inner.send(message);
                Some((own, Verdict::Done))
            }
            _ => Some((own, verdict)),
        }
    }

    fn error(&self) -> SourceError {
        SourceError {
            queue: "broken".to_owned(),
            fault: SourceFault::Unavailable,
            why: "broken".into(),
        }
    }
}

impl Source for Broken {
    type Receipt = BrokenReceipt;

    fn queue(&self) -> &SourceQueue {
        &self.queue
    }

    async fn receive(&self, max: usize) -> Result<Vec<(Incoming, BrokenReceipt)>, SourceError> {
        let max = if self.defect == Defect::ReturnsMore {
            max + 1
        } else {
            max
        };
        let mut received = self.inner.receive(max).await?;
        if self.defect == Defect::HangsAtTheClose && received.is_empty() {
            return pending().await;
        }
        let is_again = received.iter().any(|(message, _)| message.receive_count > 1);
        match self.defect {
            Defect::Reverses => received.reverse(),
            Defect::ReversesRedelivered if is_again => received.reverse(),
            Defect::HidesNothing => self.inner.redeliver(),
            Defect::DeletesWhatItReturns => {
                let mut done: Vec<_> = received
                    .iter()
                    .map(|(_, receipt)| (receipt.clone(), Verdict::Done))
                    .collect();
                self.inner.settle(&mut done).await;
            }
            _ => {}
        }
        let received = received.into_iter().map(|(mut message, receipt)| {
            self.alter(&mut message);
            let id = message.id.clone();
            let last = (receipt.clone(), message.clone());
            self.last.lock().unwrap().insert(id.clone(), last);
            (message, BrokenReceipt { message: id, receipt })
        });
        Ok(received.collect())
    }

    async fn extend(&self, receipts: &mut [BrokenReceipt], by: Duration) -> Vec<Result<(), SourceError>> {
        let mut results = Vec::new();
        for (position, receipt) in receipts.iter_mut().enumerate() {
            results.push(match self.defect {
                Defect::ExtendsNothing => Ok(()),
                Defect::ExtendsTenOnly if position >= 10 => Err(self.error()),
                _ => self
                    .inner
                    .extend(std::slice::from_mut(&mut receipt.receipt), by)
                    .await
                    .remove(0),
            });
        }
        results
    }

    async fn settle(&self, messages: &mut [(BrokenReceipt, Verdict)]) -> Vec<Result<(), SourceError>> {
        let mut results: Vec<Result<(), SourceError>> = Vec::new();
        for (position, (receipt, verdict)) in messages.iter().enumerate() {
            let closed = self.closed.load(Ordering::Relaxed);
            let fails = match self.defect {
                Defect::StopsAtAFailure => results.iter().any(Result::is_err),
                Defect::SettlesTenOnly => position >= 10,
                Defect::ForgetsReceiptsAtTheClose => closed,
                _ => false,
            };
            results.push(match self.request(receipt, *verdict) {
                _ if fails => Err(self.error()),
                Some(request) => self.inner.settle(&mut [request]).await.remove(0),
                None => Ok(()),
            });
        }
        results
    }

    async fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
        if self.defect != Defect::NeverCloses {
            self.inner.close().await;
        }
    }
}
