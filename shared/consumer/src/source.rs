//! The queue that messages are received from, for hosts that poll it.

mod memory;

use std::error::Error;
use std::future::Future;
use std::time::Duration;

pub use memory::{
    InjectedFault, MemoryReceipt, MemorySource, SourceAction, SourceOperation, SourceRecord, StoredMessage,
};

use crate::{Incoming, Verdict};

/// A queue that a host polls: implemented by a crate for each kind of queue, and [in memory](MemorySource) for tests.
///
/// The host owns each receipt from the receive until it is settled. It never extends and settles one receipt at the same time.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a queue that messages can be received from",
    note = "use `SqsSource` of the crate `sqs` on a host, or `MemorySource` in a test"
)]
pub trait Source: Send + Sync + 'static {
    /// What extends and settles one received message: the queue's handle of this receive, and what a delayed copy needs.
    type Receipt: Send + 'static;

    /// The messaging system by its name in traces, one of those of
    /// [OpenTelemetry](https://opentelemetry.io/docs/specs/semconv/registry/attributes/messaging/) if it has one.
    const SYSTEM: &'static str = "other";

    /// What the host must know of the queue before it polls.
    fn queue(&self) -> &SourceQueue;

    /// Waits for messages, some seconds at most, and returns at most `max` of them, in the order of the queue.
    ///
    /// An empty result is no error: nothing was in the queue. A host drops this future only if it gets no answer for a minute: what
    /// it has received would be hidden until its visibility timeout ends.
    ///
    /// # Errors
    ///
    /// [`SourceError`]: nothing was received.
    fn receive(&self, max: usize) -> impl Future<Output = Result<Vec<(Incoming, Self::Receipt)>, SourceError>> + Send;

    /// Hides messages for this long from now. One result per receipt, in order.
    ///
    /// A queue without visibility timeouts has nothing to do.
    fn extend(
        &self,
        receipts: &mut [Self::Receipt],
        by: Duration,
    ) -> impl Future<Output = Vec<Result<(), SourceError>>> + Send;

    /// Does to each message what its verdict states. One result per message, in order; a message whose result is an error may
    /// be settled again with the same receipt.
    ///
    /// [`Verdict::Done`] and [`Verdict::Rejected`] delete it. [`Verdict::Retry`] makes it visible at the stated time, as
    /// precisely as the queue can; a time that is over: at once.
    fn settle(
        &self,
        messages: &mut [(Self::Receipt, Verdict)],
    ) -> impl Future<Output = Vec<Result<(), SourceError>>> + Send;

    /// Receives no more: an outstanding [`receive`](Self::receive) returns as soon as the queue allows, with what it has.
    /// Receipts can still be settled.
    fn close(&self) -> impl Future<Output = ()> + Send;
}

/// What a host must know of a queue before it polls it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceQueue {
    /// The name for log lines: the queue's URL, or another name without secrets.
    pub name: String,
    /// Whether the queue keeps the order of message groups, and what becomes of a group whose message fails.
    pub order: QueueOrder,
    /// The most messages that one [receive](Source::receive) returns.
    pub batch: usize,
    /// How long a received message stays hidden unless it is [extended](Source::extend), and how long a lease lasts unless it
    /// is extended.
    pub window: Duration,
    /// How long one [settle](Source::settle) may take. A host gives it up then, and repeats it. A queue that hides messages answers
    /// while they are hidden; one that sends delayed copies needs time to confirm them, or a copy is sent once more.
    pub settling: Duration,
    /// How long after its receive a message can be hidden at most; `None`: without end.
    pub longest: Option<Duration>,
}

/// Whether a queue keeps the order of message groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QueueOrder {
    /// It does not.
    Unordered,
    /// It does, and redelivers a failed message and those behind it in order.
    Groups,
    /// It does, but can't hide a failed message: the host keeps it, and processes it again after its delay. Its group waits.
    HeldGroups,
}

impl QueueOrder {
    /// Whether the queue keeps the order of message groups.
    pub fn is_ordered(self) -> bool {
        self != Self::Unordered
    }
}

/// A request to the queue that messages are received from failed, or its result is unknown.
#[derive(Debug, thiserror::Error)]
#[error("queue {queue}")]
pub struct SourceError {
    /// The queue's name.
    pub queue: String,
    /// What a host does about it.
    pub fault: SourceFault,
    /// What the queue reported, or why there was no answer.
    #[source]
    pub why: Box<dyn Error + Send + Sync>,
}

/// What a failed request to a queue means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SourceFault {
    /// The queue or the network is busy or broken: the same request may succeed soon.
    Unavailable,
    /// The queue is missing, or access to it is denied: only an operator can fix that.
    Refused,
    /// The receipt is no longer valid, because its connection or its time is over: the queue redelivers the message, or has
    /// done so.
    ReceiptLost,
}
