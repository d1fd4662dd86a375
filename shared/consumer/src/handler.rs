//! What the author of a function writes.

use std::future::Future;
use std::time::Duration;

use idempotency::{Completion, Write};
use serde::de::DeserializeOwned;

use crate::{Delivery, Envelope, Failure, IdempotencyKey, Received};

/// The work of one kind of message. It knows nothing of Lambda, and is shared by messages that run side by side.
pub trait Handler: Send + Sync + 'static {
    /// What a message's body holds, as JSON.
    type Message: DeserializeOwned + Send;

    /// What it commits together with the record of its work: `NoWrites`, or the write type of its store.
    ///
    /// A handler whose writes belong to another store than the ledger's does not compile: no store can commit another's
    /// writes.
    type Write: Write;

    /// A stable name that begins every key of this handler's, such as `place-order`; no `#`, at most 255 bytes.
    ///
    /// It is stated, not derived from the deployed function's name, so that a rename or a second deployment beside the
    /// first does not forget what was done.
    const NAMESPACE: &'static str;

    /// How the work is kept to once.
    const MODE: Mode = Mode::ClaimThenComplete;

    /// What the message is wrapped in.
    const ENVELOPE: Envelope = Envelope::None;

    /// How long the work of one message may take, if not as long as the invocation leaves.
    const TIMEOUT: Option<Duration> = None;

    /// Whether a FIFO group waits behind a message that can never be worked, until somebody has seen to it or the redrive
    /// policy moves it. By default such a message is dead-lettered and its group goes on, as SQS does it by itself.
    ///
    /// What waits behind it in a batch is received as often as it is, and may be moved along with it.
    const HOLD_GROUP: bool = false;

    /// What makes two messages the same work: unless said otherwise, what the message brings, which is its ID.
    fn key(&self, _message: &Self::Message, _received: &Received) -> IdempotencyKey {
        IdempotencyKey::of_message()
    }

    /// Does the work of one message.
    ///
    /// It may be cancelled at any `await` when the invocation's time or [`TIMEOUT`](Self::TIMEOUT) runs out; the message
    /// then comes again. One that blocks the thread can't be cancelled, and costs the whole batch.
    ///
    /// # Errors
    ///
    /// A [`Failure`] says what becomes of the message. Nothing that the completion would have written or sent happens.
    fn handle(
        &self,
        message: Self::Message,
        delivery: &Delivery,
    ) -> impl Future<Output = Result<Completion<Self::Write>, Failure>> + Send;
}

/// How the work of a message is kept to once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// The key is claimed before the handler runs, so that nobody else works on it: right for a handler with effects
    /// outside its completion, such as an HTTP call. Two requests to the ledger a message.
    ClaimThenComplete,
    /// No claim: the record is put together with the completion's writes. Right for a handler whose only effects *are*
    /// these writes and messages: it runs at every delivery, of which one commits and the others' work is discarded. One
    /// request a message.
    OneStep,
    /// No ledger: right for a handler whose effect is the same however often it happens, such as a put of a whole item or
    /// an insertion under a business key. It runs at every delivery, its messages are sent at every delivery, and it can
    /// have no [writes](Handler::Write) committed. No request.
    Natural,
}
