//! The state of the model: one key, its record, its messages, and the workers that process them.

/// Seconds since the beginning of the model, as some clock shows them.
pub(crate) type Tick = i8;

/// The state.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct World {
    /// The true time. No clock of a worker is right.
    pub(crate) time: Tick,
    pub(crate) record: Option<Entry>,
    pub(crate) messages: Vec<Message>,
    pub(crate) workers: Vec<Worker>,
    /// Requests that are still on their way, although nobody waits for their replies any more.
    pub(crate) strays: Vec<(Try, Request)>,
    /// What may still go wrong.
    pub(crate) faults: Faults,
    pub(crate) attempts: u8,
    pub(crate) seen: Seen,
}

/// The record of the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Entry {
    /// The word of its status.
    pub(crate) word: &'static str,
    /// The attempt that wrote it.
    pub(crate) owner: u8,
    pub(crate) lease_end: Option<Tick>,
    pub(crate) expires: Tick,
    pub(crate) payload: Option<&'static str>,
}

/// How many faults of each kind may still occur.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Faults {
    pub(crate) crashes: u8,
    /// Requests or replies that are lost.
    pub(crate) losses: u8,
    /// Requests that arrive after their sender has stopped waiting.
    pub(crate) delays: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Message {
    /// How often it may still be received.
    pub(crate) receives: u8,
    pub(crate) place: Place,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Place {
    /// In its queue. A delivery may happen at any time, also while another one is processed.
    Queue,
    /// Deleted, because it is done. A copy may still be delivered.
    Acknowledged,
    DeadLetterQueue,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Worker {
    /// How far its clock is ahead of the true time.
    pub(crate) skew: Tick,
    pub(crate) phase: Phase,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Phase {
    Idle,
    /// Its handler runs.
    Running(Try),
    /// It waits for the reply to a request.
    Asking {
        by: Try,
        request: Request,
        /// The record as an earlier copy of the request left it, if one was applied.
        applied: Option<Option<Entry>>,
    },
    /// It has a verdict, on which it has not acted yet.
    Decided {
        message: usize,
        payload: Option<&'static str>,
        verdict: Verdict,
    },
}

/// An attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Try {
    pub(crate) id: u8,
    pub(crate) message: usize,
    pub(crate) payload: Option<&'static str>,
    /// When it was made, by the worker's clock.
    pub(crate) now: Tick,
    /// The end of its lease, by the worker's clock.
    pub(crate) lease_end: Tick,
    /// The deadline of the worker, in true time: its handler is cancelled then, unless the process stalls.
    pub(crate) deadline: Tick,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Request {
    Claim,
    /// Completes without a claim.
    Commit,
    Complete,
    Release,
    Reject,
    Extend {
        lease_end: Tick,
        deadline: Tick,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Reply {
    /// Granted or applied.
    Done,
    Lost,
    Completed,
    Rejected,
    InProgress,
    OtherPayload,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Verdict {
    Done,
    Rejected,
}

/// What has happened, for the promises to look at.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub(crate) struct Seen {
    /// Attempts whose claim another one took over.
    pub(crate) taken_over: Vec<u8>,
    /// Whether the work of each message's payload was ever committed.
    pub(crate) committed: Vec<Option<&'static str>>,
    /// The promises that were broken, by number.
    pub(crate) broken: Vec<u8>,
}

impl Seen {
    pub(crate) fn breaks(&mut self, promise: u8) {
        if !self.broken.contains(&promise) {
            self.broken.push(promise);
            self.broken.sort_unstable();
        }
    }
}

impl Phase {
    /// The attempt that relies on its lease just now.
    pub(crate) fn holder(&self) -> Option<&Try> {
        match self {
            Self::Running(by) => Some(by),
            Self::Asking {
                by,
                request: Request::Complete | Request::Extend { .. },
                ..
            } => Some(by),
            _ => None,
        }
    }

    /// The message that is being processed.
    pub(crate) fn message(&self) -> Option<usize> {
        match self {
            Self::Idle => None,
            Self::Running(by) | Self::Asking { by, .. } => Some(by.message),
            Self::Decided { message, .. } => Some(*message),
        }
    }
}
