//! A process that polls queues.

use std::net::SocketAddr;
use std::pin::Pin;
use std::time::Duration;

use consumer::{Chain, Handler, Queues, Source, SourceError, Stop};
use idempotency::Store;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::Queue;
use crate::health::{ServeError, Serving};
use crate::poll::{self, Shared};

/// How long messages in process may take after the process was stopped, unless it is set.
pub const DEFAULT_DRAIN: Duration = Duration::from_secs(20);

type Running = Pin<Box<dyn Future<Output = Result<(), WorkerError>> + Send>>;

/// Polls queues and processes their messages, until it is stopped: as a daemon, in a container, or inside an HTTP application.
///
/// Several queues, each with its own handler and bounds, run side by side.
pub struct Worker {
    drain: Duration,
    health: Option<SocketAddr>,
    queues: Vec<Box<dyn FnOnce(usize, Shared) -> Running + Send>>,
}

impl Default for Worker {
    fn default() -> Self {
        Self::new()
    }
}

impl Worker {
    /// Without queues, and without an address for health and metrics.
    pub fn new() -> Self {
        Self {
            drain: DEFAULT_DRAIN,
            health: None,
            queues: Vec::new(),
        }
    }

    /// Polls this queue as well.
    #[must_use]
    pub fn with_queue<H, S, Q, R>(mut self, queue: Queue<H, S, Q, R>) -> Self
    where
        H: Handler,
        S: Store<Write = H::Write>,
        Q: Queues,
        R: Source,
    {
        let run = |number, shared| -> Running { Box::pin(poll::run(queue, number, shared)) };
        self.queues.push(Box::new(run));
        self
    }

    /// Gives messages in process this long after the process was stopped, instead of [`DEFAULT_DRAIN`]. Then handlers are
    /// cancelled, and their messages are redelivered.
    #[must_use]
    pub fn with_drain(self, drain: Duration) -> Self {
        Self { drain, ..self }
    }

    /// Serves `/live`, `/ready` and `/metrics` at this address.
    #[must_use]
    pub fn with_health_address(self, address: SocketAddr) -> Self {
        Self {
            health: Some(address),
            ..self
        }
    }

    /// Runs until `stop` is ready: [`stop_signal`](crate::stop_signal), or the host's own signal. Then it drains: it receives no
    /// more, finishes messages in process, and returns the others to their queues.
    ///
    /// It takes up to the drain time or the queue's outstanding receive, up to 28 seconds with SQS, whichever is longer, and up to
    /// 10 seconds for the last requests.
    ///
    /// # Errors
    ///
    /// [`WorkerError`]. What was in process is drained before.
    pub async fn run(self, stop: impl Future<Output = ()>) -> Result<(), WorkerError> {
        let serving = Serving::start(self.health, self.queues.len()).await?;
        self.run_in(serving, stop).await
    }

    /// The same in a process whose health is served already.
    pub(crate) async fn run_in(self, serving: Serving, stop: impl Future<Output = ()>) -> Result<(), WorkerError> {
        let shared = Shared {
            stopping: CancellationToken::new(),
            stop: Stop::new(),
            health: serving.health.clone(),
            metrics: serving.metrics.clone(),
        };
        let mut running = JoinSet::new();
        for (number, queue) in self.queues.into_iter().enumerate() {
            running.spawn(queue(number, shared.clone()));
        }
        let (drain, begin_drain) = (self.drain, shared.clone());
        let begin_drain = move || {
            begin_drain.health.stops(drain);
            begin_drain.stop.at(Instant::now() + drain);
            begin_drain.stopping.cancel();
        };
        let first = tokio::select! {
            () = stop => Ok(()),
            // The loop of a queue has failed: it drains, and returns its error then.
            () = shared.stopping.cancelled() => Ok(()),
            ended = running.join_next(), if !running.is_empty() => result_of(ended),
        };
        begin_drain();
        let mut result = first;
        while let Some(ended) = running.join_next().await {
            result = result.and(result_of(Some(ended)));
        }
        result.inspect_err(|error| tracing::error!("{}", Chain(error)))
    }
}

fn result_of(ended: Option<Result<Result<(), WorkerError>, tokio::task::JoinError>>) -> Result<(), WorkerError> {
    match ended {
        None => Ok(()),
        Some(Ok(result)) => result,
        Some(Err(error)) => Err(WorkerError::Loop(error)),
    }
}

/// Why a worker ended, or did not start.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// A queue is missing, or access to it is denied, for a minute.
    #[error("the worker ends: a queue is missing, or access to it is denied")]
    Refused(#[source] SourceError),
    /// The address for health and metrics can't be used.
    #[error(transparent)]
    Health(#[from] ServeError),
    /// The task that settles messages panicked: a fault of this crate, or of the queue's. Messages in process are redelivered.
    #[error("the worker ends: the task that settles messages has ended, so messages in process are redelivered")]
    Settling(#[source] tokio::task::JoinError),
    /// The loop of a queue panicked: a fault of this crate. Its messages are redelivered.
    #[error("the loop of a queue ended")]
    Loop(#[source] tokio::task::JoinError),
}
