//! What a run has sent, to recognise it when it is dead-lettered again.

use std::collections::HashSet;

use super::dead_letter::DeadLetter;

/// Without it a run would not end while its messages are rejected again: each makes a new dead letter.
#[derive(Default)]
pub(super) struct Sent {
    /// Keys with the function that rejected them, and message IDs without a function.
    identities: HashSet<(Option<String>, String)>,
}

impl Sent {
    /// Call it before the message is sent: it may arrive although the reply is lost.
    pub(super) fn add(&mut self, dead_letter: &DeadLetter) {
        let function = dead_letter.function().map(str::to_owned);
        self.identities.insert((function, dead_letter.key().to_owned()));
    }

    /// Adds the message ID that a sent message has now.
    pub(super) fn add_id(&mut self, id: String) {
        self.identities.insert((None, id));
    }

    /// Whether the dead letter is a copy of a message that was sent, or that message dead-lettered again.
    pub(super) fn has(&self, dead_letter: &DeadLetter) -> bool {
        let has = |function: Option<&str>, identity: &str| {
            let identity = (function.map(str::to_owned), identity.to_owned());
            self.identities.contains(&identity)
        };
        has(dead_letter.function(), dead_letter.key())
            || has(None, dead_letter.key())
            || has(None, &dead_letter.id)
            || dead_letter.original_id().is_some_and(|id| has(None, id))
    }
}
