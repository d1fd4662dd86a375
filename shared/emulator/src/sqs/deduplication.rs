//! What a FIFO queue remembers of sends, and the sequence numbers it gives.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::settings::Settings;

/// How long a send is remembered: the deduplication interval of
/// [Exactly-once processing](https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/FIFO-queues-exactly-once-processing.html).
const INTERVAL: Duration = Duration::from_secs(5 * 60);

/// AWS's sequence numbers have 20 digits; so has every number from here up.
const FIRST_SEQUENCE_NUMBER: u64 = 10_000_000_000_000_000_000;

/// What makes two sends the same: the deduplication ID, and the group if the queue's scope is the message group.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct SendKey {
    group: Option<String>,
    deduplication_id: String,
}

impl SendKey {
    /// `None` on a standard queue, which doesn't deduplicate.
    pub(crate) fn of(group: Option<&str>, deduplication_id: Option<&str>, settings: &Settings) -> Option<Self> {
        let by_group = settings.fifo.as_ref()?.deduplicate_by_group;
        Some(Self {
            group: group.filter(|_| by_group).map(str::to_owned),
            deduplication_id: deduplication_id?.to_owned(),
        })
    }
}

/// What the first of several equal sends was answered, and all later ones are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Answered {
    pub(crate) message_id: String,
    pub(crate) sequence_number: String,
}

#[derive(Debug, Default)]
pub(crate) struct Deduplication {
    sends: HashMap<SendKey, Answered>,
    /// In the order in which they are forgotten.
    sent: VecDeque<(Instant, SendKey)>,
    sequence: u64,
}

impl Deduplication {
    /// The earlier answer to an equal send within the interval. It counts from the first send: repeats don't renew it.
    pub(crate) fn answered(&mut self, key: &SendKey, now: Instant) -> Option<Answered> {
        while let Some((_, key)) = self.sent.pop_front_if(|(at, _)| *at + INTERVAL <= now) {
            self.sends.remove(&key);
        }
        self.sends.get(key).cloned()
    }

    pub(crate) fn remember(&mut self, key: SendKey, answered: Answered, now: Instant) {
        self.sent.push_back((now, key.clone()));
        self.sends.insert(key, answered);
    }

    /// What is remembered, the earliest first.
    pub(crate) fn remembered(&self) -> impl Iterator<Item = (&SendKey, &Answered, Instant)> {
        let sent = self.sent.iter();
        sent.filter_map(|(at, key)| Some((key, self.sends.get(key)?, *at)))
    }

    /// How many sequence numbers were given.
    pub(crate) fn sequence(&self) -> u64 {
        self.sequence
    }

    /// Remembers what another process did, the earliest first, and goes on with its sequence numbers.
    pub(crate) fn restore(&mut self, sends: impl Iterator<Item = (SendKey, Answered, Instant)>, sequence: u64) {
        sends.for_each(|(key, answered, at)| self.remember(key, answered, at));
        self.sequence = self.sequence.max(sequence);
    }

    /// Larger than every one before it, not consecutive, as AWS's are.
    pub(crate) fn next_sequence_number(&mut self) -> String {
        self.sequence += 1;
        (FIRST_SEQUENCE_NUMBER + self.sequence * 256).to_string()
    }
}
