//! A queue that behaves as SQS documents: visibility timeouts, receive counts, redrive policy, message groups, deduplication.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use consumer::Attribute;
use fastrand::Rng;

use crate::plan::{Action, Content};

/// For how long a FIFO queue recognises a deduplication ID
/// ([exactly-once processing](https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/FIFO-queues-exactly-once-processing.html)).
const DEDUPLICATION: Duration = Duration::from_secs(5 * 60);

/// A message in a queue, and what the simulation knows of it.
#[derive(Debug, Clone)]
pub(crate) struct Message {
    pub(crate) id: String,
    pub(crate) body: String,
    pub(crate) attributes: BTreeMap<String, Attribute>,
    pub(crate) group: Option<String>,
    pub(crate) deduplication_id: Option<String>,
    pub(crate) sent_at: Duration,
    pub(crate) receives: u32,
    pub(crate) visible_at: Duration,
    pub(crate) receipt: u64,
    /// It left the queue.
    pub(crate) gone: Option<Gone>,
    /// A verdict allowed its deletion.
    pub(crate) acknowledged: bool,
    /// `None`: its body is malformed.
    pub(crate) content: Option<Content>,
    /// The ID of its key's record, as the simulation derives it.
    pub(crate) record: String,
    /// Of its payload, unless the queue made its key.
    pub(crate) fingerprint: Option<String>,
    pub(crate) script: Vec<Action>,
    /// How often its handler started.
    pub(crate) runs: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Gone {
    Deleted,
    /// Moved by the redrive policy.
    Moved,
}

/// A receive of one message.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Received {
    /// Its position in the queue.
    pub(crate) message: usize,
    pub(crate) receipt: u64,
    pub(crate) receives: u32,
    /// Another worker has it.
    pub(crate) is_copy: bool,
}

/// How a receive deviates from one copy to one consumer.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Copies {
    /// Also messages that another consumer has.
    pub(crate) invisible: bool,
    /// One message twice.
    pub(crate) twice: bool,
}

#[derive(Debug)]
pub(crate) struct Queue {
    pub(crate) ordered: bool,
    pub(crate) visibility: Duration,
    pub(crate) max_receives: Option<u32>,
    /// In the order in which they were sent.
    pub(crate) messages: Vec<Message>,
    receipts: u64,
    deduplicated: BTreeMap<String, Duration>,
}

impl Queue {
    pub(crate) fn new(ordered: bool, visibility: Duration, max_receives: Option<u32>) -> Self {
        Self {
            ordered,
            visibility,
            max_receives,
            messages: Vec::new(),
            receipts: 0,
            deduplicated: BTreeMap::new(),
        }
    }

    /// `false`: an ordered queue has had the message in the last five minutes, and drops the copy.
    pub(crate) fn accepts(&mut self, now: Duration, deduplication_id: Option<&str>) -> bool {
        let Some(id) = deduplication_id.filter(|_| self.ordered) else {
            return true;
        };
        let before = self.deduplicated.get(id).copied();
        let is_new = before.is_none_or(|at| now > at + DEDUPLICATION);
        if is_new {
            self.deduplicated.insert(id.to_owned(), now);
        }
        is_new
    }

    /// Receives up to this many messages. Those that were received too often are moved instead; their positions are second.
    pub(crate) fn receive(
        &mut self,
        rng: &mut Rng,
        now: Duration,
        most: usize,
        copies: Copies,
    ) -> (Vec<Received>, Vec<usize>) {
        let mut candidates = match self.ordered {
            true => self.candidates_in_order(now),
            false => {
                let there = |at: &usize| self.messages[*at].gone.is_none();
                let visible = |at: &usize| copies.invisible || self.messages[*at].visible_at <= now;
                let mut found: Vec<_> = (0..self.messages.len()).filter(there).filter(visible).collect();
                rng.shuffle(&mut found);
                found
            }
        };
        candidates.truncate(most);
        let (mut received, mut moved) = (Vec::new(), Vec::new());
        for at in candidates {
            let message = &mut self.messages[at];
            if self.max_receives.is_some_and(|max| message.receives >= max) {
                message.gone = Some(Gone::Moved);
                moved.push(at);
                continue;
            }
            let times = if copies.twice && received.is_empty() && !self.ordered {
                2
            } else {
                1
            };
            received.extend((0..times).map(|_| self.hand_out(at, now)));
        }
        (received, moved)
    }

    fn hand_out(&mut self, at: usize, now: Duration) -> Received {
        self.receipts += 1;
        let message = &mut self.messages[at];
        let is_copy = message.visible_at > now;
        message.receives += 1;
        message.visible_at = now + self.visibility;
        message.receipt = self.receipts;
        Received {
            message: at,
            receipt: self.receipts,
            receives: message.receives,
            is_copy,
        }
    }

    /// The messages of all groups without an invisible message.
    fn candidates_in_order(&self, now: Duration) -> Vec<usize> {
        let there = || self.messages.iter().enumerate().filter(|(_, it)| it.gone.is_none());
        let held: BTreeSet<_> = there()
            .filter(|(_, it)| it.visible_at > now)
            .map(|(_, it)| &it.group)
            .collect();
        there()
            .filter(|(_, it)| !held.contains(&it.group))
            .map(|(at, _)| at)
            .collect()
    }

    /// Whether the receipt is the latest of its message, which is still there.
    pub(crate) fn is_latest(&self, received: Received) -> bool {
        let message = &self.messages[received.message];
        message.gone.is_none() && message.receipt == received.receipt
    }

    /// Whether the message is in flight. If not, its visibility timeout can't be changed, and an ordered queue refuses its
    /// deletion
    /// ([`ChangeMessageVisibility`](https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ChangeMessageVisibility.html),
    /// [`DeleteMessage`](https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_DeleteMessage.html)).
    pub(crate) fn is_in_flight(&self, received: Received, now: Duration) -> bool {
        let message = &self.messages[received.message];
        message.gone.is_none() && message.visible_at > now
    }

    pub(crate) fn delete(&mut self, received: Received) {
        self.messages[received.message].gone = Some(Gone::Deleted);
    }

    pub(crate) fn hide(&mut self, received: Received, until: Duration) {
        self.messages[received.message].visible_at = until;
    }

    /// When the next message can be received; `None`: there is none.
    pub(crate) fn next_visible(&self) -> Option<Duration> {
        let there = self.messages.iter().filter(|message| message.gone.is_none());
        if !self.ordered {
            return there.map(|message| message.visible_at).min();
        }
        let mut groups = BTreeMap::new();
        for message in there {
            let last = groups.entry(&message.group).or_insert(message.visible_at);
            *last = message.visible_at.max(*last);
        }
        groups.into_values().min()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.messages.iter().all(|message| message.gone.is_some())
    }
}

impl Message {
    /// A message that was not received yet. What depends on its content is set by the one who sends it.
    pub(crate) fn new(id: String, body: String, sent_at: Duration) -> Self {
        Self {
            record: String::new(),
            id,
            body,
            attributes: BTreeMap::new(),
            group: None,
            deduplication_id: None,
            sent_at,
            receives: 0,
            visible_at: sent_at,
            receipt: 0,
            gone: None,
            acknowledged: false,
            content: None,
            fingerprint: None,
            script: Vec::new(),
            runs: 0,
        }
    }
}
