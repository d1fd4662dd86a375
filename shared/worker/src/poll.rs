//! The loop that receives the messages of one queue.

mod drain;

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use consumer::{Chain, Handler, Incoming, Queues, Source, SourceError, SourceFault, Stop};
use idempotency::Store;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::{AbortOnDropHandle, TaskTracker};

use crate::Queue;
use crate::backoff::jittered;
use crate::groups::Groups;
use crate::health::{Health, TURN};
use crate::process::Processing;
use crate::receipts::Receipts;
use crate::worker::WorkerError;
use service::{Metrics, Observed};

/// How long a queue may refuse: while it is being created, or while a permission takes effect.
const REFUSED_FOR: Duration = Duration::from_secs(60);

/// How long a receive may take: three times the long poll of SQS. One that never ends would end all polling.
const RECEIVE_WITHIN: Duration = Duration::from_secs(60);

/// How long a receive waits for further permits: short beside any request to a queue.
const GATHER: Duration = Duration::from_millis(5);

/// How long the loop waits before it looks again whether enough messages are settled.
const FULL: Duration = Duration::from_millis(50);

/// What the loops of a process share.
#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) stopping: CancellationToken,
    pub(crate) stop: Stop,
    pub(crate) health: Health,
    pub(crate) metrics: Metrics,
}

/// Receives and processes the messages of a queue until the process stops.
pub(crate) async fn run<H: Handler, S: Store<Write = H::Write>, Q: Queues, R: Source>(
    queue: Queue<H, S, Q, R>,
    number: usize,
    shared: Shared,
) -> Result<(), WorkerError> {
    let name = queue.source.queue().name.clone();
    let metrics = shared.metrics.of_queue(&name, &["receive", "extend", "settle"]);
    let receipts = Receipts::new(Arc::clone(&queue.source), metrics.clone());
    let processing = Processing {
        handler: queue.handler,
        services: queue.services,
        source: Arc::clone(&queue.source),
        receipts: Arc::clone(&receipts),
        groups: Groups::new(),
        tasks: TaskTracker::new(),
        stop: shared.stop.clone(),
        stopping: shared.stopping.clone(),
        observed: Observed {
            system: R::SYSTEM,
            queue: name,
            metrics,
            logs_messages: queue.logs_messages,
        },
        clock: queue.clock,
    };
    let batch = queue.source.queue().batch.max(1);
    let poll = Loop {
        processing: Arc::new(processing),
        permits: Arc::new(Semaphore::new(queue.concurrency.get())),
        concurrency: queue.concurrency.get(),
        most_in_flight: 2 * queue.concurrency.get() + batch,
        batch,
        most_polls: queue.concurrency.get().div_ceil(batch),
        a_message: queue.rate.map(|rate| Duration::from_secs(1) / rate.get()),
        number,
        shared,
    };
    let settling = AbortOnDropHandle::new(tokio::spawn(async move { receipts.run().await }));
    poll.run(settling).await
}

struct Loop<H, S, Q, R: Source> {
    processing: Arc<Processing<H, S, Q, R>>,
    permits: Arc<Semaphore>,
    concurrency: usize,
    /// While settling fails, those that are processed and not settled would become ever more.
    most_in_flight: usize,
    /// The most messages of one receive.
    batch: usize,
    most_polls: usize,
    /// The time that each message takes of the rate.
    a_message: Option<Duration>,
    number: usize,
    shared: Shared,
}

/// A receive that has ended, and the permits for its messages.
struct Polled<T> {
    received: Result<Vec<(Incoming, T)>, SourceError>,
    permits: OwnedSemaphorePermit,
}

/// How the loop goes on.
struct Pace {
    /// How many receives are outstanding: one if the queue is idle, more while they return full.
    polls: usize,
    not_before: Instant,
    failures: u32,
    failed_until: Instant,
    refused_since: Option<Instant>,
}

impl<H: Handler, S: Store<Write = H::Write>, Q: Queues, R: Source> Loop<H, S, Q, R> {
    async fn run(self, mut settling: AbortOnDropHandle<()>) -> Result<(), WorkerError> {
        let mut polls = JoinSet::new();
        self.shared.health.answered(self.number, true);
        let (result, settling) = tokio::select! {
            result = self.receive(&mut polls) => (result, Some(settling)),
            // Messages that are done would stay in the queue, and those in process would not stay hidden.
            ended = &mut settling => (ended.map_err(WorkerError::Settling), None),
        };
        if result.is_err() {
            // The process ends: handlers have the drain time, not more.
            self.shared.stopping.cancel();
        }
        let drained = self.drain(polls, settling).await;
        self.shared.health.ended(self.number);
        result.and(drained)
    }

    /// Receives until the process stops.
    async fn receive(&self, polls: &mut JoinSet<Polled<R::Receipt>>) -> Result<(), WorkerError> {
        let mut pace = Pace {
            polls: 1,
            not_before: Instant::now(),
            failures: 0,
            failed_until: Instant::now(),
            refused_since: None,
        };
        loop {
            self.turned();
            let is_late = Instant::now() >= pace.not_before;
            let is_full = self.processing.receipts.in_flight() > self.most_in_flight;
            let wants_more = is_late && !is_full && polls.len() < pace.polls;
            if wants_more && self.start(polls, &mut pace) {
                continue;
            }
            tokio::select! {
                biased;
                () = self.shared.stopping.cancelled() => return Ok(()),
                Some(polled) = polls.join_next() => match polled {
                    Ok(polled) => self.handle(polled, &mut pace)?,
                    Err(panicked) => self.failed(self.unavailable(panicked), &mut pace)?,
                },
                // It is returned at once: the next turn takes as many as there are by then.
                _ = self.permits.acquire(), if wants_more => self.gather().await,
                () = sleep_until(pace.not_before), if !is_late => {}
                () = sleep(FULL), if is_full => {}
                () = sleep(TURN) => {}
            }
        }
    }

    /// Waits for more permits, unless there are enough for a receive: messages that end together share one.
    async fn gather(&self) {
        if self.permits.available_permits() < self.batch.min(self.concurrency) {
            sleep(GATHER).await;
        }
    }

    fn turned(&self) {
        self.shared.health.turned(self.number);
        self.processing
            .observed
            .metrics
            .in_flight(self.processing.receipts.in_flight());
    }

    /// Starts to receive as many messages as there are permits; `false` if there are none.
    fn start(&self, polls: &mut JoinSet<Polled<R::Receipt>>, pace: &mut Pace) -> bool {
        let free = self.permits.available_permits().min(self.batch);
        // No more than fit the rate of a second.
        let of_rate = self.a_message.map_or(free, |each| {
            usize::try_from(Duration::from_secs(1).as_nanos() / each.as_nanos().max(1)).unwrap_or(free)
        });
        let max = free.min(of_rate.max(1));
        let count = u32::try_from(max).unwrap_or(u32::MAX);
        let Some(permits) = (max > 0)
            .then(|| Arc::clone(&self.permits).try_acquire_many_owned(count).ok())
            .flatten()
        else {
            return false;
        };
        pace.not_before = pace.not_before.max(Instant::now()) + self.takes(max);
        let source = Arc::clone(&self.processing.source);
        let late = self.unavailable(format!("no answer within {} seconds", RECEIVE_WITHIN.as_secs()));
        // A task of its own, because a receive must not be dropped: what it has received would be hidden.
        polls.spawn(async move {
            let received = timeout(RECEIVE_WITHIN, source.receive(max)).await;
            let received = received.unwrap_or(Err(late));
            Polled { received, permits }
        });
        true
    }

    /// The time that messages take of the rate.
    fn takes(&self, messages: usize) -> Duration {
        let messages = u32::try_from(messages).unwrap_or(u32::MAX);
        self.a_message
            .map_or(Duration::ZERO, |each| each.saturating_mul(messages))
    }

    fn unavailable(&self, why: impl Into<Box<dyn Error + Send + Sync>>) -> SourceError {
        SourceError {
            queue: self.processing.source.queue().name.clone(),
            fault: SourceFault::Unavailable,
            why: why.into(),
        }
    }

    fn handle(&self, Polled { received, permits }: Polled<R::Receipt>, pace: &mut Pace) -> Result<(), WorkerError> {
        self.shared.health.answered(self.number, received.is_ok());
        let received = match received {
            Ok(received) => received,
            Err(error) => return self.failed(error, pace),
        };
        (pace.failures, pace.refused_since) = (0, None);
        pace.polls = match received.len() >= permits.num_permits() {
            true => (pace.polls + 1).min(self.most_polls),
            false => (pace.polls - 1).max(1),
        };
        // It has taken the time of as many as it could receive, when it began.
        let before = pace.not_before.checked_sub(self.takes(permits.num_permits()));
        let now = Instant::now();
        pace.not_before = before.unwrap_or(now).max(now) + self.takes(received.len());
        self.processing.start(received, permits);
        Ok(())
    }

    /// Waits before the next receive. A queue that refuses for long ends the process.
    fn failed(&self, error: SourceError, pace: &mut Pace) -> Result<(), WorkerError> {
        let now = Instant::now();
        self.processing.observed.metrics.errors("receive", 1);
        pace.refused_since = match error.fault {
            SourceFault::Refused => pace.refused_since.or(Some(now)),
            SourceFault::Unavailable | SourceFault::ReceiptLost => None,
        };
        if pace
            .refused_since
            .is_some_and(|since| now.saturating_duration_since(since) >= REFUSED_FOR)
        {
            return Err(WorkerError::Refused(error));
        }
        pace.polls = 1;
        if now < pace.failed_until {
            // It began before the one that failed first.
            return Ok(());
        }
        pace.failures = pace.failures.saturating_add(1);
        let delay = jittered(pace.failures);
        pace.failed_until = now + delay;
        pace.not_before = pace.failed_until;
        tracing::warn!(
            retryAfterSeconds = delay.as_secs_f64(),
            "no messages received: {}",
            Chain(&error)
        );
        Ok(())
    }
}
