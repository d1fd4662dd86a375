//! What can go wrong with a request to a queue in memory.

use crate::SourceFault;

/// A kind of request to a [`Source`](crate::Source).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SourceOperation {
    /// [`receive`](crate::Source::receive).
    Receive,
    /// [`extend`](crate::Source::extend).
    Extend,
    /// [`settle`](crate::Source::settle).
    Settle,
}

/// How a request to a [`MemorySource`](crate::MemorySource) may fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InjectedFault {
    /// Nothing is done: the queue is too busy.
    Unavailable,
    /// Nothing is done: the queue is missing, or access to it is denied.
    Refused,
    /// Nothing is done to the message at this position, because the queue is too busy; a receive takes it, but does not return it.
    EntryFails(usize),
    /// All is done, but the reply is lost.
    ReplyLost,
    /// Nothing is done, and the request is never answered.
    Hangs,
}

impl InjectedFault {
    /// Why nothing is done to the message at this position.
    pub(super) fn before(self, position: usize) -> Option<SourceFault> {
        match self {
            Self::ReplyLost | Self::Hangs => None,
            _ => self.after(position),
        }
    }

    /// Why the host does not see what was done to the message at this position.
    pub(super) fn after(self, position: usize) -> Option<SourceFault> {
        match self {
            Self::Unavailable | Self::ReplyLost => Some(SourceFault::Unavailable),
            Self::Refused => Some(SourceFault::Refused),
            Self::EntryFails(entry) => (entry == position).then_some(SourceFault::Unavailable),
            Self::Hangs => None,
        }
    }
}

/// The faults that did not occur yet, in the order of their injection.
#[derive(Debug, Default)]
pub(super) struct Faults(Vec<(SourceOperation, InjectedFault)>);

impl Faults {
    pub(super) fn inject(&mut self, operation: SourceOperation, fault: InjectedFault) {
        self.0.push((operation, fault));
    }

    /// Takes the fault of this kind of request that was injected first.
    pub(super) fn take(&mut self, operation: SourceOperation) -> Option<InjectedFault> {
        let first = self.0.iter().position(|(of, _)| *of == operation)?;
        Some(self.0.remove(first).1)
    }
}
