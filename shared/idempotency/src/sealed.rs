//! A completion on its way to the store.

use crate::{Attempt, Completion, Hold, OutgoingMessage, Record, Write};

/// A completion made ready to commit under a hold: its messages have keys, its record is built, and both fit the store.
///
/// Only [`Ledger::seal`](crate::Ledger::seal) makes one.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "nothing is committed before the sealed completion is"]
pub struct Sealed<W> {
    hold: Hold,
    record: Record,
    writes: Vec<W>,
}

impl<W: Write> Sealed<W> {
    pub(crate) fn of(hold: Hold, completion: Completion<W>) -> Self {
        let (data, outgoing, writes) = completion.into_parts(hold.attempt().key());
        Self {
            record: Record::completed(hold.attempt(), data, outgoing),
            hold,
            writes,
        }
    }

    /// The attempt that completes.
    pub fn attempt(&self) -> &Attempt {
        self.hold.attempt()
    }

    /// The messages to send once it is committed, each under its key.
    pub fn outgoing(&self) -> &[OutgoingMessage] {
        &self.record.outgoing
    }

    /// The same completion without its writes, for when their effect exists already.
    ///
    /// Its messages stay: it is unknown whether the attempt that had the effect sent its own. A business key makes both
    /// the same message.
    pub fn without_writes(self) -> Self {
        Self {
            writes: Vec::new(),
            ..self
        }
    }

    /// What the completion would have been committed under, to reject or release instead.
    pub fn into_hold(self) -> Hold {
        self.hold
    }

    pub(crate) fn hold(&self) -> &Hold {
        &self.hold
    }

    pub(crate) fn record(&self) -> &Record {
        &self.record
    }

    pub(crate) fn writes(&self) -> &[W] {
        &self.writes
    }
}
