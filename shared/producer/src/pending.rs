//! The messages that a queue has not confirmed yet.

use std::collections::BTreeSet;

use consumer::QueueMessage;

use crate::Unconfirmed;

/// Messages that are not confirmed, in order, each with what an error reports of it.
pub(crate) struct Pending {
    pub(crate) messages: Vec<QueueMessage>,
    unconfirmed: Vec<Unconfirmed>,
}

impl Pending {
    pub(crate) fn of(messages: impl IntoIterator<Item = (Unconfirmed, QueueMessage)>) -> Self {
        let (unconfirmed, messages) = messages.into_iter().unzip();
        Self { messages, unconfirmed }
    }

    /// Keeps the messages at these positions, which another try may send; the others are confirmed.
    ///
    /// `false`: no message has such a position, so the queue named none to send again. Which of them arrived is unknown, and
    /// all are kept.
    pub(crate) fn keep(&mut self, positions: &[usize]) -> bool {
        let existing = 0..self.messages.len();
        let positions: BTreeSet<_> = positions.iter().copied().filter(|it| existing.contains(it)).collect();
        if positions.is_empty() {
            return false;
        }
        retain(&mut self.messages, &positions);
        retain(&mut self.unconfirmed, &positions);
        true
    }

    pub(crate) fn into_unconfirmed(self) -> Vec<Unconfirmed> {
        self.unconfirmed
    }
}

fn retain<T>(items: &mut Vec<T>, positions: &BTreeSet<usize>) {
    let mut position = 0..;
    items.retain(|_| position.next().is_some_and(|position| positions.contains(&position)));
}
