//! Messages from their receive to their verdict.

use std::sync::Arc;
use std::time::Duration;

use consumer::{Budget, Handler, Incoming, QueueOrder, Queues, Services, Source, Stop, Verdict};
use idempotency::{Store, Timestamp};
use service::Observed;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument;

use crate::groups::Groups;
use crate::receipts::{Receipts, Ticket};

/// The time before a message becomes visible for good that its handler does not get: for the last requests.
const RESERVED: Duration = Duration::from_secs(10);

/// What processes the messages of one queue.
pub(crate) struct Processing<H, S, Q, R: Source> {
    pub(crate) handler: Arc<H>,
    pub(crate) services: Services<S, Q>,
    pub(crate) source: Arc<R>,
    pub(crate) receipts: Arc<Receipts<R>>,
    pub(crate) groups: Groups<Work<R>>,
    /// The messages in process.
    pub(crate) tasks: TaskTracker,
    /// When handlers are cancelled.
    pub(crate) stop: Stop,
    /// Nothing more is started.
    pub(crate) stopping: CancellationToken,
    pub(crate) observed: Observed,
    pub(crate) clock: fn() -> Timestamp,
}

/// A message to process.
pub(crate) struct Work<R: Source> {
    message: Incoming,
    ticket: Ticket<R>,
    received: Instant,
    /// Until its verdict.
    _permit: Option<OwnedSemaphorePermit>,
}

impl<H: Handler, S: Store<Write = H::Write>, Q: Queues, R: Source> Processing<H, S, Q, R> {
    /// Starts messages, each with one of these permits. The permits that are left are free again.
    pub(crate) fn start(self: &Arc<Self>, received: Vec<(Incoming, R::Receipt)>, mut permits: OwnedSemaphorePermit) {
        for (message, ticket) in self.receipts.keep(received) {
            let work = Work {
                message,
                ticket,
                received: Instant::now(),
                _permit: permits.split(1),
            };
            if !self.source.queue().order.is_ordered() {
                self.spawn(Arc::clone(self).alone(work));
                continue;
            }
            // A message without a group is a group of its own.
            let group = work
                .message
                .group
                .as_deref()
                .unwrap_or(work.message.id.as_str())
                .to_owned();
            if let Some(work) = self.groups.enter(&group, work) {
                self.spawn(Arc::clone(self).in_order(group, work));
            }
        }
    }

    fn spawn(&self, processing: impl Future<Output = ()> + Send + 'static) {
        // At the highest level: the queue is on every line, at any log level.
        let span = tracing::error_span!("queue", queue = self.source.queue().name);
        self.tasks.spawn(processing.instrument(span));
    }

    async fn alone(self: Arc<Self>, work: Work<R>) {
        self.settle(work).await;
    }

    /// Processes the messages of a group, until none waits. After one that stays in the queue, those behind it are returned.
    async fn in_order(self: Arc<Self>, group: String, first: Work<R>) {
        let mut next = Some(first);
        while let Some(work) = next {
            let verdict = self.settle(work).await;
            if !verdict.is_acknowledged() {
                // An ordered queue holds a group while any of its messages is invisible: all have the delay of the first.
                for waiting in self.groups.take_waiting(&group) {
                    waiting.ticket.settle(verdict);
                }
            }
            next = self.groups.next(&group);
        }
    }

    /// Processes a message and settles it.
    async fn settle(&self, work: Work<R>) -> Verdict {
        let Work {
            message,
            ticket,
            received,
            _permit,
        } = work;
        let verdict = match self.source.queue().order {
            QueueOrder::HeldGroups => self.held(message, received).await,
            QueueOrder::Unordered | QueueOrder::Groups => self.started(message, received).await,
        };
        ticket.settle(verdict);
        verdict
    }

    /// The verdict on a message that the queue can't hide: it is retried here, after its delay.
    async fn held(&self, mut message: Incoming, received: Instant) -> Verdict {
        loop {
            let verdict = self.started(message.clone(), received).await;
            let Verdict::Retry { at } = verdict else {
                return verdict;
            };
            let delay = match at {
                Some(at) => (self.clock)().until(at),
                None => self.source.queue().window,
            };
            let left = self.left(received);
            tokio::select! {
                // First: what was not started because of the stop has no delay.
                biased;
                () = self.stopping.cancelled() => return self.now(),
                () = sleep(left.map_or(delay, |left| left.min(delay))) => {}
            }
            if left.is_some_and(|left| left <= delay) {
                // The queue delivers it again, at its position. Held until now, because it does so at once.
                return self.now();
            }
            message.receive_count = message.receive_count.saturating_add(1);
        }
    }

    /// The verdict on a message, which is not started after the stop, or without time left.
    async fn started(&self, message: Incoming, received: Instant) -> Verdict {
        let is_over = self.left(received).is_some_and(|left| left.is_zero());
        match self.stopping.is_cancelled() || is_over {
            true => self.now(),
            false => self.process(message, received).await,
        }
    }

    async fn process(&self, message: Incoming, received: Instant) -> Verdict {
        let queue = self.source.queue();
        let budget = Budget::renewable((self.clock)(), queue.window, self.left(received), &self.stop);
        let observed = &self.observed;
        observed
            .process(
                &self.handler,
                &self.services,
                message,
                queue.order.is_ordered(),
                &budget,
            )
            .await
    }

    /// How long the handler of a message received then can run; `None`: without end.
    fn left(&self, received: Instant) -> Option<Duration> {
        let longest = self.source.queue().longest?;
        Some(longest.saturating_sub(RESERVED + received.elapsed()))
    }

    fn now(&self) -> Verdict {
        Verdict::Retry {
            at: Some((self.clock)()),
        }
    }
}
