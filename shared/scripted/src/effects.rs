//! What differs between a process and memory: where runs are recorded, and the types of writes.

use consumer::{Delivery, Failure};
use idempotency::{OutgoingMessage, Write};

/// The effects of the actions, and the record of the runs.
pub trait Effects: Send + Sync + 'static {
    /// The write of the store.
    type Write: Write;

    /// Records that the handler runs, whatever the outcome.
    ///
    /// # Errors
    ///
    /// The handler fails with this error before it performs its action.
    fn started(&self, delivery: &Delivery) -> impl Future<Output = Result<(), Failure>> + Send;

    /// Records that the action ended. It is not called for one that panicked or was cancelled.
    fn ended(&self) {}

    /// The write of an action.
    ///
    /// # Errors
    ///
    /// The handler fails with this error.
    fn write(&self, refused: Refused, delivery: &Delivery) -> Result<Self::Write, Failure>;

    /// The outgoing messages of an action. The first one's queue also receives the invalid ones.
    ///
    /// # Errors
    ///
    /// The handler fails with this error.
    fn outgoing(&self) -> Result<Vec<OutgoingMessage>, Failure>;

    /// Waits until the test releases the handler.
    ///
    /// # Errors
    ///
    /// The handler fails with this error.
    fn released(&self) -> impl Future<Output = Result<(), Failure>> + Send;
}

/// What it means that a write is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// The work is already done.
    AlreadyDone,
    /// The message fails permanently.
    Permanent,
    /// The handler's own code panics when it decides.
    Panic,
}
