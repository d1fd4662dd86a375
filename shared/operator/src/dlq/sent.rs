//! What a run has sent, to recognise what comes back of it.

use std::collections::HashSet;

use super::letter::DeadLetter;

/// Without it a run would not end while its messages are rejected again: each makes a new letter.
#[derive(Default)]
pub(super) struct Sent {
    /// Keys, and message IDs, by the function that they are told of; message IDs are nobody's.
    marks: HashSet<(Option<String>, String)>,
}

impl Sent {
    /// To be told before it is sent: it may arrive although the reply is lost.
    pub(super) fn add(&mut self, letter: &DeadLetter) {
        let function = letter.function().map(str::to_owned);
        self.marks.insert((function, letter.key().to_owned()));
    }

    /// The message ID that one has now.
    pub(super) fn add_id(&mut self, id: String) {
        self.marks.insert((None, id));
    }

    /// Whether the letter is a copy of one that was sent, or what has become of it.
    pub(super) fn has(&self, letter: &DeadLetter) -> bool {
        let has =
            |function: Option<&str>, mark: &str| self.marks.contains(&(function.map(str::to_owned), mark.to_owned()));
        has(letter.function(), letter.key())
            || has(None, letter.key())
            || has(None, &letter.id)
            || letter.original_id().is_some_and(|id| has(None, id))
    }
}
