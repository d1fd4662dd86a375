//! A request, from its head to its answer.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use axum::http::request::Parts;
use axum::http::{Method, Request};
use axum::response::Response;
use cloud_tasks::Unverified;
use consumer::{Budget, Handler, Queues, Services, Stop, Summary, Unidentified, Verdict};
use idempotency::{Store, Timestamp};
use service::{Observed, QueueMetrics};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument;

use crate::access::Access;
use crate::answer::Ending;
use crate::dialect::{Dialect, Pushed, Receipt, Unreadable};
use crate::settings::FUNCTION;

/// How long a lease lasts before it is extended. Shorter than most deadlines: a message whose process died is refused while its
/// lease lasts, and each refusal is one of the attempts that the platform counts.
const LEASE: Duration = Duration::from_secs(30);

/// The time before the deadline that no handler gets: two seconds for the ledger and the queues, and the rest for the answer.
const RESERVED: Duration = Duration::from_millis(2500);

/// The end of the deadline, in which the answer is written.
const FOR_ANSWER: Duration = Duration::from_millis(500);

/// How long a body may take to arrive. Platforms send theirs at once.
const READ: Duration = Duration::from_secs(10);

/// What processes the messages of requests.
pub(crate) struct Push<H, S, Q> {
    pub(crate) handler: Arc<H>,
    pub(crate) services: Services<S, Q>,
    pub(crate) dialect: Dialect,
    pub(crate) access: Access,
    pub(crate) observed: Observed,
    pub(crate) bounds: Bounds,
    /// The only path that is answered, if it is stated.
    pub(crate) path: Option<String>,
    /// One for each message in process.
    pub(crate) permits: Arc<Semaphore>,
    pub(crate) tasks: TaskTracker,
    /// When handlers are cancelled.
    pub(crate) stop: Stop,
    /// Nothing more is started.
    pub(crate) stopping: CancellationToken,
    pub(crate) clock: fn() -> Timestamp,
}

/// The bounds of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bounds {
    /// Until its answer, from its head.
    pub(crate) deadline: Duration,
    /// The most bytes of its body.
    pub(crate) body: usize,
}

impl<H: Handler, S: Store<Write = H::Write>, Q: Queues> Push<H, S, Q> {
    /// The answer to a request. A message that has been read is processed to its end, also if the caller goes away.
    pub(crate) async fn answer(self: Arc<Self>, request: Request<Body>) -> Response {
        let platform = self.dialect.platform();
        // At the highest level: the queue is on every line, at any log level.
        let span = tracing::error_span!("queue", queue = self.observed.queue);
        let ending = self.ending(request).instrument(span).await;
        platform.answer(ending.unwrap_or_else(|refused| refused))
    }

    /// How it ends; as an error, without a message that was processed.
    async fn ending(self: Arc<Self>, request: Request<Body>) -> Result<Ending, Ending> {
        let began = Instant::now();
        if request.method() != Method::POST {
            return Err(Ending::NoPost);
        }
        let (head, body) = request.into_parts();
        if self.path.as_deref().is_some_and(|path| path != head.uri.path()) {
            tracing::error!("a request is of another function: an app has exactly one, {FUNCTION}");
            return Err(Ending::NoMessage);
        }
        // Until the message is in process: the stop waits for it.
        let _starting = self.tasks.token();
        let received = async {
            // Nothing of an unknown caller is read, and nothing that would only wait in memory.
            self.admit(&head).await?;
            let permit = self.permit(began).await?;
            Ok((permit, self.read(body).await?))
        };
        let (permit, body) = tokio::select! {
            // First: nothing is started after the stop.
            biased;
            () = self.stopping.cancelled() => return Err(Ending::Retry),
            received = received => received?,
        };
        let processing = self
            .tasks
            .spawn(Arc::clone(&self).process(head, body, began, permit).in_current_span());
        processing.await.map_err(|error| {
            tracing::error!("the task of a message ended, so the message is redelivered: {error}");
            Ending::Retry
        })
    }

    async fn admit(&self, head: &Parts) -> Result<(), Ending> {
        match self.access.check(&head.headers).await {
            Ok(()) => Ok(()),
            Err(Unverified::Refused(why)) => {
                tracing::warn!("a request is refused: {why}");
                Err(Ending::Unauthorized)
            }
            Err(Unverified::Unavailable(why)) => {
                tracing::warn!("a token can't be checked, so its message is redelivered: {why}");
                Err(Ending::Retry)
            }
        }
    }

    /// Waits for one while others are in process: a refusal is an attempt that the platform counts, or slows it down. The
    /// handler must have most of its time.
    async fn permit(&self, began: Instant) -> Result<OwnedSemaphorePermit, Ending> {
        let permit = Arc::clone(&self.permits).acquire_owned();
        match timeout_at(began + self.bounds.deadline / 4, permit).await {
            Ok(Ok(permit)) => Ok(permit),
            Ok(Err(_)) | Err(_) => {
                tracing::info!("too many messages at a time, so one is redelivered: raise CONCURRENCY");
                Err(Ending::Retry)
            }
        }
    }

    async fn read(&self, body: Body) -> Result<Bytes, Ending> {
        match timeout(READ, to_bytes(body, self.bounds.body)).await {
            Ok(Ok(body)) => Ok(body),
            Ok(Err(error)) if is_too_large(&error) => {
                tracing::error!("a message is larger than BODY_LIMIT_BYTES ({})", self.bounds.body);
                Err(Ending::TooLarge)
            }
            // The caller is gone, or stalls.
            Ok(Err(_)) | Err(_) => Err(Ending::Slow),
        }
    }

    /// In a task of its own, with its permit: the caller may go away.
    async fn process(
        self: Arc<Self>,
        head: Parts,
        body: Bytes,
        began: Instant,
        permit: OwnedSemaphorePermit,
    ) -> Ending {
        let _in_process = InProcess::new(permit, self.observed.metrics.clone());
        let budget = self.budget(began);
        match self.dialect.read(&head.headers, &body) {
            Ok(Pushed { mut message, receipt }) => {
                if matches!(self.dialect, Dialect::CloudTasks(_)) {
                    // With project and location, which no header states.
                    message.queue = Some(self.observed.queue.clone());
                }
                drop((head, body));
                let ordered = self.dialect.is_ordered(&message);
                let observed = &self.observed;
                match observed
                    .process(&self.handler, &self.services, message, ordered, &budget)
                    .await
                {
                    Verdict::Done | Verdict::Rejected => Ending::Acknowledged,
                    Verdict::Retry { at } => self.retry(receipt, at, began).await,
                }
            }
            Err(Unreadable::NoMessage(why)) => {
                tracing::warn!("a request is no message: {why}");
                Ending::NoMessage
            }
            Err(Unreadable::Malformed { why, record }) => self.dead_letter(record, &why, &budget).await,
        }
    }

    async fn retry(&self, receipt: Receipt, at: Option<Timestamp>, began: Instant) -> Ending {
        // One that is given up may exist all the same. During the stop there is no more time than was reserved.
        let until = match self.stopping.is_cancelled() {
            true => Instant::now() + self.dialect.reserved(),
            false => began + self.bounds.deadline.saturating_sub(FOR_ANSWER),
        };
        match self.dialect.copy(receipt, at.unwrap_or_else(self.clock), until).await {
            Some(Ok(())) => Ending::Acknowledged,
            Some(Err(why)) => {
                tracing::warn!("no delayed copy, so the platform sends the message again itself: {why}");
                self.observed.metrics.errors("copy", 1);
                Ending::Retry
            }
            None => Ending::Retry,
        }
    }

    /// Of a request that the platform has sent, and that can never be processed.
    async fn dead_letter(&self, record: String, why: &str, budget: &Budget) -> Ending {
        // Whether the message has a group is not known.
        let is_ordered = matches!(self.dialect, Dialect::PubSub);
        let message = Unidentified {
            record,
            queue: Some(self.observed.queue.clone()),
            ..Unidentified::default()
        };
        let dead_lettered = message
            .dead_letter(why, is_ordered, &self.handler, &self.services, budget)
            .await;
        tracing::error!(deadLettered = dead_lettered, "rejected: {why}");
        let rejected = Summary {
            rejected: 1,
            ..Summary::default()
        };
        self.observed.metrics.processed(&rejected, &[]);
        match dead_lettered {
            true => Ending::Acknowledged,
            false => Ending::Retry,
        }
    }

    /// The time that is left of a request. It ends earlier if the process stops.
    fn budget(&self, began: Instant) -> Budget {
        let Bounds { deadline, .. } = self.bounds;
        // A third of a short deadline at most.
        let reserved = (RESERVED + self.dialect.reserved()).min(deadline / 3);
        let left = deadline.saturating_sub(reserved + began.elapsed());
        Budget::renewable((self.clock)(), LEASE.min(deadline), Some(left), &self.stop)
    }
}

/// A message in process, until it is dropped.
struct InProcess {
    _permit: OwnedSemaphorePermit,
    metrics: QueueMetrics,
}

impl InProcess {
    fn new(permit: OwnedSemaphorePermit, metrics: QueueMetrics) -> Self {
        metrics.began();
        Self {
            _permit: permit,
            metrics,
        }
    }
}

impl Drop for InProcess {
    fn drop(&mut self) {
        self.metrics.ended();
    }
}

/// Whether the body was larger than its limit.
fn is_too_large(error: &axum::Error) -> bool {
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        if error.is::<http_body_util::LengthLimitError>() {
            return true;
        }
        cause = error.source();
    }
    false
}
