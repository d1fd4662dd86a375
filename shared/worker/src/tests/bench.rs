//! A queue, a ledger, a handler, and a worker that a test starts and stops.

use std::cell::RefCell;
use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::Arc;
use std::time::Duration;

use consumer::{
    Incoming, InjectedFault, MemoryQueues, MemorySource, MessageId, Services, SourceAction, SourceFault,
    SourceOperation, Verdict,
};
use idempotency::{Key, MemoryStore, Status, Timestamp};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::log::{End, Log, Scripted};
use super::probe::{Probe, Shared};
use crate::{Queue, Worker, WorkerError};

pub(super) const DEAD_LETTERS: &str = "dead-letters";

type Scripts = Queue<Scripted, Shared<MemoryStore>, Shared<MemoryQueues>, Shared<Probe>>;

thread_local! {
    /// The queue of this thread's test, whose time of day its worker has.
    static CLOCK: RefCell<Option<Shared<Probe>>> = const { RefCell::new(None) };
}

fn now() -> Timestamp {
    CLOCK.with_borrow(|source| source.as_ref().unwrap().0.memory.now())
}

pub(super) struct Bench {
    pub(super) source: Shared<Probe>,
    pub(super) store: Shared<MemoryStore>,
    pub(super) queues: Shared<MemoryQueues>,
    pub(super) log: Arc<Log>,
    concurrency: usize,
    drain: Duration,
    max_receive_count: Option<NonZeroU32>,
    started: Instant,
    started_at: Timestamp,
}

impl Bench {
    pub(super) fn new(memory: MemorySource) -> Self {
        let log = Arc::<Log>::default();
        let started_at = memory.now();
        let source = Shared(Arc::new(Probe::new(memory, Arc::clone(&log))));
        CLOCK.set(Some(source.clone()));
        Self {
            source,
            store: Shared::default(),
            queues: Shared::default(),
            log,
            concurrency: 10,
            drain: Duration::from_secs(20),
            max_receive_count: None,
            started: Instant::now(),
            started_at,
        }
    }

    pub(super) fn with_concurrency(self, concurrency: usize) -> Self {
        Self { concurrency, ..self }
    }

    pub(super) fn with_drain(self, drain: u64) -> Self {
        let drain = Duration::from_secs(drain);
        Self { drain, ..self }
    }

    pub(super) fn with_max_receive_count(self, receives: u32) -> Self {
        let max_receive_count = NonZeroU32::new(receives);
        Self {
            max_receive_count,
            ..self
        }
    }

    pub(super) fn queue(&self) -> Scripts {
        let services = Services::new(self.store.clone(), self.queues.clone()).with_dead_letter_queue(DEAD_LETTERS);
        let services = match self.max_receive_count {
            Some(receives) => services.with_max_receive_count(receives),
            None => services,
        };
        let handler = Scripted(Arc::clone(&self.log));
        let queue = Queue::new(handler, services, self.source.clone());
        Queue { clock: now, ..queue }.with_concurrency(NonZeroUsize::new(self.concurrency).unwrap())
    }

    pub(super) fn start(&self) -> Running {
        self.start_with(Worker::new().with_queue(self.queue()))
    }

    pub(super) fn start_with(&self, worker: Worker) -> Running {
        let stop = CancellationToken::new();
        let stopped = stop.clone().cancelled_owned();
        let running = tokio::spawn(worker.with_drain(self.drain).run(stopped));
        Running {
            stop,
            running,
            log: Arc::clone(&self.log),
        }
    }

    /// Sends a message whose runs take this many milliseconds, and of which the first end so.
    pub(super) fn send(&self, id: &str, millis: u64, ends: &[End]) {
        self.send_to(None, id, millis, ends);
    }

    pub(super) fn send_to(&self, group: Option<&str>, id: &str, millis: u64, ends: &[End]) {
        let body = format!("[{millis},{ends:?}]");
        self.source.0.memory.send(Incoming {
            group: group.map(str::to_owned),
            ..Incoming::new(MessageId::new(id).unwrap(), body)
        });
    }

    pub(super) fn fail(&self, operation: SourceOperation, fault: InjectedFault, times: usize) {
        for _ in 0..times {
            self.source.0.memory.inject(operation, fault);
        }
    }

    /// The messages that were deleted, in order.
    pub(super) fn deleted(&self) -> Vec<String> {
        let deleted = self.source.0.memory.deleted();
        deleted.iter().map(|id| id.as_str().to_owned()).collect()
    }

    /// The messages in the queue, and how many seconds they are hidden.
    pub(super) fn left(&self) -> Vec<(String, f64)> {
        let left = self.source.0.memory.left().into_iter();
        left.map(|message| (message.id.as_str().to_owned(), message.hidden_for.as_secs_f64()))
            .collect()
    }

    /// What was requested about a message: after how many seconds, what, and the error of it.
    pub(super) fn record(&self, id: &str) -> Vec<(f64, SourceAction, Option<SourceFault>)> {
        let records = self.source.0.memory.record().into_iter();
        records
            .filter(|record| record.message.as_str() == id)
            .map(|record| {
                (
                    self.started_at.until(record.at).as_secs_f64(),
                    record.action,
                    record.fault,
                )
            })
            .collect()
    }

    /// After how many seconds the message was received.
    pub(super) fn receives(&self, id: &str) -> Vec<f64> {
        let is_receive = |action: &SourceAction| matches!(action, SourceAction::Received { .. });
        self.seconds_of(id, is_receive)
    }

    /// After how many seconds a delete of the message was requested.
    pub(super) fn deletes(&self, id: &str) -> Vec<f64> {
        let is_delete =
            |action: &SourceAction| matches!(action, SourceAction::Settled(verdict) if verdict.is_acknowledged());
        self.seconds_of(id, is_delete)
    }

    pub(super) fn extensions(&self, id: &str) -> Vec<f64> {
        self.seconds_of(id, |action| matches!(action, SourceAction::Extended { .. }))
    }

    /// After how many seconds a delay of the message was requested.
    pub(super) fn delays(&self, id: &str) -> Vec<f64> {
        self.seconds_of(id, |action| {
            matches!(action, SourceAction::Settled(Verdict::Retry { .. }))
        })
    }

    fn seconds_of(&self, id: &str, is_meant: impl Fn(&SourceAction) -> bool) -> Vec<f64> {
        let record = self.record(id).into_iter();
        record
            .filter(|(_, action, _)| is_meant(action))
            .map(|(at, ..)| at)
            .collect()
    }

    pub(super) fn status(&self, id: &str) -> Option<Status> {
        let key = Key::new("scripted", id).unwrap();
        self.store.0.record(&key).map(|record| record.status)
    }

    /// The reasons of the dead letters.
    pub(super) fn dead_letters(&self) -> Vec<String> {
        let dead_letters = self.queues.0.sent(DEAD_LETTERS).into_iter();
        dead_letters.map(|dead_letter| format!("{dead_letter:?}")).collect()
    }

    pub(super) fn seconds(&self) -> f64 {
        self.started.elapsed().as_secs_f64()
    }

    /// Waits until the messages are deleted, for an hour at most.
    pub(super) async fn deletes_all(&self, messages: usize) {
        let end = Instant::now() + Duration::from_secs(3600);
        while self.source.0.memory.deleted().len() < messages {
            assert!(Instant::now() < end, "not deleted: {:?}", self.left());
            sleep(Duration::from_millis(50)).await;
        }
    }
}

pub(super) async fn pass(seconds: f64) {
    sleep(Duration::from_secs_f64(seconds)).await;
}

/// A worker that runs.
pub(super) struct Running {
    stop: CancellationToken,
    running: JoinHandle<Result<(), WorkerError>>,
    log: Arc<Log>,
}

impl Running {
    pub(super) fn begin_stop(&self) {
        self.stop.cancel();
    }

    pub(super) fn is_finished(&self) -> bool {
        self.running.is_finished()
    }

    /// The result, once it ends by itself.
    pub(super) async fn ends(self) -> Result<(), WorkerError> {
        let result = self.running.await.unwrap();
        assert_eq!(self.log.violations(), [""; 0]);
        result
    }

    pub(super) async fn stop(self) -> Result<(), WorkerError> {
        self.begin_stop();
        self.ends().await
    }
}
