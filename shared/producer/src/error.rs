//! Why messages are not enqueued, or not known to be.

use std::error::Error;
use std::fmt::{self, Display};
use std::time::Duration;

/// How many messages the text of an error names. A log line has no room for thousands.
const MOST_NAMED: usize = 5;

/// Suggested to a client if the queue may accept the messages soon: longer than the backoff of this crate, which has ended.
const AFTER_BUSY: Duration = Duration::from_secs(5);

/// Suggested if the queue refused: somebody must correct a permission or a setting first.
const AFTER_REFUSAL: Duration = Duration::from_secs(60);

/// Messages were not enqueued, or are not known to be.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// A queue would refuse this message each time. Nothing was sent, no other message either.
    ///
    /// Answer with a 4xx status if its content is the client's. Another try can't help.
    #[error("message {position} (key {key:?}) can't be sent to {queue}, and nothing was sent: {why}")]
    Unsendable {
        /// The queue's URL.
        queue: String,
        /// The message's position in what was passed.
        position: usize,
        /// The message's key.
        key: String,
        /// What the queue would refuse. It quotes no value of the message.
        why: String,
    },
    /// The queue has not confirmed these messages. They may have arrived. The others are confirmed.
    ///
    /// Answer 503 with `Retry-After`. The client repeats the request with the same `Idempotency-Key`, and what arrived twice is
    /// processed once.
    #[error(
        "{} of {of} messages not confirmed; they may have arrived: {}; answer 503 with Retry-After, so that the client repeats \
         the request with the same Idempotency-Key",
        unconfirmed.len(),
        Named(unconfirmed)
    )]
    Unconfirmed {
        /// Which ones, in order.
        unconfirmed: Vec<Unconfirmed>,
        /// How many messages were passed.
        of: usize,
        /// Whether the queue refused the request, and would again: it is missing, or permissions are. Correct that; a client
        /// that repeats the request later loses nothing.
        refused: bool,
        /// What the queue reported, or why there was no answer.
        #[source]
        why: Box<dyn Error + Send + Sync>,
    },
}

/// A message that the queue has not confirmed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unconfirmed {
    /// Its position in what was passed.
    pub position: usize,
    /// Its key.
    pub key: String,
}

impl SendError {
    /// What to state in the header `Retry-After` of a 503; `None`: repeating the request can't help.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Unsendable { .. } => None,
            Self::Unconfirmed { refused: true, .. } => Some(AFTER_REFUSAL),
            Self::Unconfirmed { refused: false, .. } => Some(AFTER_BUSY),
        }
    }
}

/// Positions and keys, separated by commas.
struct Named<'a>(&'a [Unconfirmed]);

impl Display for Named<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, Unconfirmed { position, key }) in self.0.iter().take(MOST_NAMED).enumerate() {
            let separator = if number == 0 { "" } else { ", " };
            write!(f, "{separator}{position} (key {key:?})")?;
        }
        match self.0.len().saturating_sub(MOST_NAMED) {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}
