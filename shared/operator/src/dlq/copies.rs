//! Dead letters of the same message: copies, and what a run has sent and finds again.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use consumer::Attribute;
use idempotency::Timestamp;
use sha2::{Digest, Sha256};

use super::dead_letter::DeadLetter;

/// What copies have in common: their work, where they come from, and their content. A send that is repeated because its
/// reply was lost makes a copy, and so does a redrive that is interrupted before it deletes the dead letter.
#[derive(PartialEq, Eq, Hash)]
pub(super) struct Fingerprint([u8; 32]);

impl Fingerprint {
    pub(super) fn of(dead_letter: &DeadLetter) -> Self {
        let attributes: Vec<(&String, &Attribute)> = dead_letter.attributes.iter().collect();
        let compared = (
            (dead_letter.function(), dead_letter.key()),
            (dead_letter.source(), &dead_letter.group),
            (&dead_letter.body, attributes),
        );
        // The debug format quotes texts, so different parts never make the same text.
        Self(Sha256::digest(format!("{compared:?}")).into())
    }
}

/// How a dead letter relates to those that a run has sent.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Relation {
    /// It is another message.
    New,
    /// It is identical to one that was sent, and was in the queue before.
    Copy,
    /// It is a message that this run has sent and that was dead-lettered again, or it may be one.
    Again,
}

/// What a run has sent. Without it a run would not end while its messages are rejected again: each makes a new dead letter, which
/// is identical to the one that was sent.
#[derive(Default)]
pub(super) struct Sent {
    /// Those that may have arrived.
    tried: HashSet<Fingerprint>,
    /// Those that have arrived, and what was received before.
    arrived: HashMap<Fingerprint, Received>,
    /// The IDs that messages have now.
    ids: HashSet<String>,
    /// By the ID that a message had first, and keeps in each of its dead letters.
    first_ids: HashMap<String, Received>,
    received: Received,
}

/// Both times are SQS's, but may be of two of its hosts. A dead letter that is taken for a copy is deleted, so one that may be new
/// must not be.
const CLOCKS_DIFFER_BY: Duration = Duration::from_secs(5);

/// What was received until a message was sent.
#[derive(Debug, Clone, Copy, Default)]
struct Received {
    /// How many times messages were received.
    times: u64,
    /// The latest time, on the clock of SQS, at which one of them was in the queue.
    latest: Option<Timestamp>,
}

impl Sent {
    /// Call it with all that is received at a time, before any of it is sent.
    pub(super) fn received(&mut self, dead_letters: &[DeadLetter]) {
        let latest = dead_letters.iter().filter_map(|dead_letter| dead_letter.first_received);
        self.received = Received {
            times: self.received.times + 1,
            latest: latest.max().max(self.received.latest),
        };
    }

    /// Call it before the message is sent: it may arrive although the reply is lost.
    pub(super) fn trying(&mut self, dead_letter: &DeadLetter) {
        self.tried.insert(Fingerprint::of(dead_letter));
        self.first_ids.insert(dead_letter.first_id().to_owned(), self.received);
    }

    /// The message is sent, and has this ID now.
    pub(super) fn arrived(&mut self, dead_letter: &DeadLetter, id: Option<String>) {
        self.arrived.insert(Fingerprint::of(dead_letter), self.received);
        self.ids.extend(id);
    }

    /// How a dead letter of those received last relates to those that were sent.
    pub(super) fn relation(&self, dead_letter: &DeadLetter) -> Relation {
        let is_sent = |id: &str| self.ids.contains(id);
        if is_sent(&dead_letter.id) || dead_letter.original_id().is_some_and(is_sent) {
            return Relation::Again;
        }
        let fingerprint = Fingerprint::of(dead_letter);
        match (self.arrived.get(&fingerprint), self.tried.contains(&fingerprint)) {
            (Some(before), _) if self.was_there(dead_letter, before) => return Relation::Copy,
            (Some(_), _) | (None, true) => return Relation::Again,
            (None, false) => {}
        }
        // It may differ in its function, key or source: SQS had moved the one before, or another version had sent it.
        match self.first_ids.get(dead_letter.first_id()) {
            Some(before) if !self.was_there(dead_letter, before) => Relation::Again,
            _ => Relation::New,
        }
    }

    /// Whether a dead letter was in the queue before something was sent: it was received before, or SQS received it from its
    /// sender clearly before SQS delivered others that were received before.
    fn was_there(&self, dead_letter: &DeadLetter, before: &Received) -> bool {
        let was_sent_before = |latest| {
            dead_letter
                .sent
                .is_some_and(|sent| sent.plus(CLOCKS_DIFFER_BY) < latest)
        };
        self.received.times == before.times || before.latest.is_some_and(was_sent_before)
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_sqs::types::{Message, MessageSystemAttributeName as Name};

    use super::*;

    /// A dead letter with this body that was sent, and first received, at these times in milliseconds.
    fn dead_letter(id: &str, body: &str, sent: u64, first_received: u64) -> DeadLetter {
        let message = Message::builder()
            .message_id(id)
            .body(body)
            .attributes(Name::SentTimestamp, sent.to_string())
            .attributes(Name::ApproximateFirstReceiveTimestamp, first_received.to_string());
        DeadLetter::of(message.build())
    }

    /// One message was sent after a receive at 100 s. What is received then, the like of it, was sent at this time.
    fn relation_of_one_sent_at(sent: u64) -> Relation {
        let mut run = Sent::default();
        let first = dead_letter("m-1", "a", 1_000, 100_000);
        run.received(std::slice::from_ref(&first));
        run.trying(&first);
        run.arrived(&first, Some("m-2".to_owned()));
        let like = dead_letter("m-1", "a", sent, 101_000);
        run.received(std::slice::from_ref(&like));
        run.relation(&like)
    }

    #[test]
    fn like_is_a_copy_only_if_it_was_sent_clearly_before() {
        assert!(matches!(relation_of_one_sent_at(94_999), Relation::Copy));
        // By the clock of another host it may have been sent later.
        assert!(matches!(relation_of_one_sent_at(95_000), Relation::Again));
        assert!(matches!(relation_of_one_sent_at(100_500), Relation::Again));
    }

    #[test]
    fn like_that_was_received_together_is_a_copy() {
        let mut run = Sent::default();
        let alike = [(); 2].map(|()| dead_letter("m-1", "a", 100_000, 100_000));
        run.received(&alike);
        run.trying(&alike[0]);
        run.arrived(&alike[0], Some("m-2".to_owned()));
        assert!(matches!(run.relation(&alike[1]), Relation::Copy));
    }
}
