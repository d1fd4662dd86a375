//! A queue and its handler, with their bounds.

use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::Arc;

use consumer::{Handler, Queues, Services, Source};
use idempotency::{Store, Timestamp};
use service::DEFAULT_CONCURRENCY;

/// A queue that a [`Worker`](crate::Worker) polls, the handler of its messages, and how many are processed at a time.
pub struct Queue<H, S, Q, R> {
    pub(crate) handler: Arc<H>,
    pub(crate) services: Services<S, Q>,
    pub(crate) source: Arc<R>,
    pub(crate) concurrency: NonZeroUsize,
    pub(crate) rate: Option<NonZeroU32>,
    pub(crate) logs_messages: bool,
    pub(crate) clock: fn() -> Timestamp,
}

impl<H: Handler, S: Store<Write = H::Write>, Q: Queues, R: Source> Queue<H, S, Q, R> {
    /// Messages from this source for this handler, ten at a time.
    pub fn new(handler: H, services: Services<S, Q>, source: R) -> Self {
        Self {
            handler: Arc::new(handler),
            services,
            source: Arc::new(source),
            concurrency: DEFAULT_CONCURRENCY,
            rate: None,
            logs_messages: false,
            clock: Timestamp::now,
        }
    }

    /// Has at most this many messages in process at a time. No more are received.
    #[must_use]
    pub fn with_concurrency(self, concurrency: NonZeroUsize) -> Self {
        Self { concurrency, ..self }
    }

    /// Receives at most this many messages a second, on average: for a receiver that accepts no more.
    #[must_use]
    pub fn with_rate(self, messages_a_second: NonZeroU32) -> Self {
        Self {
            rate: Some(messages_a_second),
            ..self
        }
    }
}
