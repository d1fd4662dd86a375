//! Sends messages until the queue has confirmed them.

use std::time::Duration;

use consumer::{QueueError, QueueMessage, Queues};
use idempotency::Backoff;
use tokio::time::{Instant, timeout_at};

use crate::pending::Pending;
use crate::{Message, SendError, Unconfirmed};

/// How long sending takes at most unless a producer [sets](Producer::with_time_limit) another limit: a client of HTTP is waiting,
/// and most give up after ten seconds or more.
pub const DEFAULT_TIME_LIMIT: Duration = Duration::from_secs(5);

/// The longest time limit. A longer one would be no limit, and the clock can't represent every time.
const LONGEST_TIME_LIMIT: Duration = Duration::from_secs(24 * 60 * 60);

/// Enqueues messages to one queue.
#[derive(Debug, Clone)]
pub struct Producer<Q> {
    queues: Q,
    queue_url: String,
    time_limit: Duration,
}

impl<Q: Queues> Producer<Q> {
    /// A producer for the queue of this URL.
    pub fn new(queues: Q, queue_url: impl Into<String>) -> Self {
        Self {
            queues,
            queue_url: queue_url.into(),
            time_limit: DEFAULT_TIME_LIMIT,
        }
    }

    /// Gives up after this time, at most a day, instead of [`DEFAULT_TIME_LIMIT`], whatever the queue does.
    #[must_use]
    pub fn with_time_limit(self, time_limit: Duration) -> Self {
        Self {
            time_limit: time_limit.min(LONGEST_TIME_LIMIT),
            ..self
        }
    }

    /// The URL of the queue.
    pub fn queue_url(&self) -> &str {
        &self.queue_url
    }

    /// The queues, for what a producer does not do.
    pub fn queues(&self) -> &Q {
        &self.queues
    }

    /// Sends a message, and returns once the queue has confirmed it.
    ///
    /// If the future is dropped before, it is unknown whether the message arrived, as after an
    /// [unconfirmed](SendError::Unconfirmed) one.
    ///
    /// # Errors
    ///
    /// Those of [`send_all`](Self::send_all).
    pub async fn send(&self, message: Message) -> Result<(), SendError> {
        self.send_all(vec![message]).await
    }

    /// Sends messages in order, in as many requests as the queue needs, and returns once the queue has confirmed all of
    /// them. What it was too busy for, or did not confirm, is sent again until the time limit, with random delays that
    /// grow from 50 milliseconds to one second.
    ///
    /// A message may arrive more than once, each time with the same key.
    ///
    /// # Errors
    ///
    /// [`SendError::Unsendable`]: the queue would refuse one of the messages, and none was sent.
    /// [`SendError::Unconfirmed`]: the queue has not confirmed those that it names.
    pub async fn send_all(&self, messages: Vec<Message>) -> Result<(), SendError> {
        let prepared = self.prepared(messages)?;
        match prepared.is_empty() {
            true => Ok(()),
            false => self.deliver(Pending::of(prepared)).await,
        }
    }

    /// All messages as they are sent, if the queue accepts each of them, as far as can be known before.
    fn prepared(&self, messages: Vec<Message>) -> Result<Vec<(Unconfirmed, QueueMessage)>, SendError> {
        let limits = self.queues.limits(&self.queue_url);
        let prepared = messages.into_iter().enumerate().map(|(position, message)| {
            let key = message.key().to_owned();
            match message.prepared(&limits) {
                Ok(prepared) => Ok((Unconfirmed { position, key }, prepared)),
                Err(why) => Err(SendError::Unsendable {
                    queue: self.queue_url.clone(),
                    position,
                    key,
                    why,
                }),
            }
        });
        prepared.collect()
    }

    async fn deliver(&self, mut pending: Pending) -> Result<(), SendError> {
        let (of, end) = (pending.messages.len(), Instant::now() + self.time_limit);
        let (mut backoff, mut before) = (Backoff::until(end), None);
        let (why, refused) = loop {
            let sent = timeout_at(end, self.queues.send(&self.queue_url, &pending.messages)).await;
            let error = match sent {
                Ok(Ok(())) => return Ok(()),
                Ok(Err(error)) => error,
                // What came before it states more.
                Err(_) => break (before.unwrap_or_else(|| self.no_answer()), false),
            };
            match pending.keep(&error.unsent) {
                false => break (error, true),
                true if !backoff.pause().await => break (error, false),
                true => before = Some(error),
            }
        };
        Err(SendError::Unconfirmed {
            unconfirmed: pending.into_unconfirmed(),
            of,
            refused,
            why: why.into(),
        })
    }

    fn no_answer(&self) -> QueueError {
        QueueError::refused(&self.queue_url, format!("no answer within {:?}", self.time_limit))
    }
}
