//! What processing needs beside the handler.

use std::num::NonZeroU32;
use std::time::Duration;

use idempotency::{DEFAULT_RETENTION, Ledger, MemoryStore, Store, Write};

use crate::{MemoryQueues, Queues};

/// Ledger and queues, and what becomes of messages that fail.
#[derive(Debug)]
pub struct Services<S, Q> {
    pub(crate) ledger: Ledger<S>,
    pub(crate) queues: Q,
    pub(crate) dead_letter_queue: Option<String>,
    pub(crate) max_receive_count: Option<NonZeroU32>,
    pub(crate) retry_delays: RetryDelays,
    pub(crate) retention: Duration,
}

impl<S: Store, Q: Queues> Services<S, Q> {
    /// Without a dead-letter queue: a message that can never be processed stays, and the queue's redrive policy moves it.
    pub fn new(store: S, queues: Q) -> Self {
        Self {
            ledger: Ledger::new(store),
            queues,
            dead_letter_queue: None,
            max_receive_count: None,
            retry_delays: RetryDelays::default(),
            retention: DEFAULT_RETENTION,
        }
    }

    /// Sends messages that can never be processed to this queue at once, with the reason.
    #[must_use]
    pub fn with_dead_letter_queue(self, url: impl Into<String>) -> Self {
        Self {
            dead_letter_queue: Some(url.into()),
            ..self
        }
    }

    /// States how often a message is received at most: the `maxReceiveCount` of the queue's redrive policy. What fails at its
    /// last receive is sent to the [dead-letter queue](Self::with_dead_letter_queue) with its reason. Otherwise the redrive
    /// policy moves it, without one.
    ///
    /// SQS moves a message when its receive count [exceeds](https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SetQueueAttributes.html)
    /// this number, so the receive with this count is the last.
    #[must_use]
    pub fn with_max_receive_count(self, receives: NonZeroU32) -> Self {
        Self {
            max_receive_count: Some(receives),
            ..self
        }
    }

    /// Bounds the delay of a message that is retried.
    #[must_use]
    pub fn with_retry_delays(self, retry_delays: RetryDelays) -> Self {
        Self { retry_delays, ..self }
    }

    /// Keeps records for this long instead of [`DEFAULT_RETENTION`]: longer than a message can stay in its queues.
    #[must_use]
    pub fn with_retention(self, retention: Duration) -> Self {
        Self { retention, ..self }
    }

    /// The ledger.
    pub fn ledger(&self) -> &Ledger<S> {
        &self.ledger
    }

    /// The store of its records.
    pub fn store(&self) -> &S {
        self.ledger.store()
    }

    /// The queues.
    pub fn queues(&self) -> &Q {
        &self.queues
    }
}

impl<W: Write + Clone> Services<MemoryStore<W>, MemoryQueues> {
    /// Ledger and queues in memory, with the same semantics: for tests without a network. A record has at most 400 KB, as
    /// in DynamoDB.
    pub fn in_memory() -> Self {
        Self::new(
            MemoryStore::new().with_max_record_bytes(400 * 1024),
            MemoryQueues::new(),
        )
    }
}

/// The delay before a failed message is redelivered: random, up to a bound that doubles with each receive
/// ([full jitter](https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryDelays {
    /// The bound after the first receive; `None`: the whole time budget.
    pub first: Option<Duration>,
    /// The longest bound.
    pub longest: Duration,
}

impl Default for RetryDelays {
    /// From the whole time budget, doubling up to 15 minutes.
    fn default() -> Self {
        Self {
            first: None,
            longest: Duration::from_secs(15 * 60),
        }
    }
}
