//! Dead letters of the same message: copies, and what a run has sent and finds again.

use std::collections::HashSet;

use consumer::Attribute;
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
    /// It is identical to one that was sent.
    Copy,
    /// It is a message that this run has sent and that was dead-lettered again, or it may be one.
    Again,
}

/// What a run has sent. Without it a run would not end while its messages are rejected again: each makes a new dead letter.
#[derive(Default)]
pub(super) struct Sent {
    /// Those that may have arrived.
    tried: HashSet<Fingerprint>,
    /// Those that have arrived.
    arrived: HashSet<Fingerprint>,
    /// The IDs that messages have now.
    ids: HashSet<String>,
}

impl Sent {
    /// Call it before the message is sent: it may arrive although the reply is lost.
    pub(super) fn trying(&mut self, dead_letter: &DeadLetter) {
        self.tried.insert(Fingerprint::of(dead_letter));
    }

    /// The message is sent, and has this ID now.
    pub(super) fn arrived(&mut self, dead_letter: &DeadLetter, id: Option<String>) {
        self.arrived.insert(Fingerprint::of(dead_letter));
        self.ids.extend(id);
    }

    pub(super) fn relation(&self, dead_letter: &DeadLetter) -> Relation {
        let is_sent = |id: &str| self.ids.contains(id);
        if is_sent(&dead_letter.id) || dead_letter.original_id().is_some_and(is_sent) {
            return Relation::Again;
        }
        let fingerprint = Fingerprint::of(dead_letter);
        match (self.arrived.contains(&fingerprint), self.tried.contains(&fingerprint)) {
            (true, _) => Relation::Copy,
            (false, true) => Relation::Again,
            (false, false) => Relation::New,
        }
    }
}
