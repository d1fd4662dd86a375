//! What the author of a function writes.

use std::future::Future;
use std::time::Duration;

use crate::{Body, Delivery, Envelope, Failure, IdempotencyKey, Received};
use idempotency::{Completion, Write};

/// Processes one kind of message, on any host. Messages that are processed concurrently share it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a handler of messages",
    label = "has no `impl Handler`",
    note = "a handler states `type Message`, `type Write` and `const NAMESPACE`, and implements `async fn handle`",
    note = "a host gets the handler itself, without a reference or `Arc` around it; `process_batch` gets `&Arc<H>`"
)]
pub trait Handler: Send + Sync + 'static {
    /// What a message's body is decoded to: a type that implements `serde::Deserialize`, from JSON; or [`RawBody`](crate::RawBody).
    type Message: Body;

    /// What it commits together with its record: `NoWrites`, or the write type of its store.
    ///
    /// A handler whose writes belong to another store than the ledger's does not compile: no store can commit another's
    /// writes.
    type Write: Write;

    /// The namespace: a stable name that begins every key of this handler, such as `place-order`. 1 to 255 bytes, no `#`.
    ///
    /// It is stated, not derived from the name of the deployed function: after a rename, or in a second deployment, the
    /// records are still found.
    const NAMESPACE: &'static str;

    /// How the work is done once although messages are delivered more than once.
    const MODE: Mode = Mode::ClaimThenComplete;

    /// What the message is wrapped in. It is stated, never guessed from a body.
    const ENVELOPE: Envelope = Envelope::None;

    /// How long one message may take. `None`: as long as the time budget leaves.
    const TIMEOUT: Option<Duration> = None;

    /// Whether a FIFO message group waits behind a rejected message, or behind one that failed at its last receive, until the
    /// redrive policy or an operator moves it. By default such a message is dead-lettered and its group goes on, as with the
    /// redrive policy of SQS.
    ///
    /// Messages that wait behind it are received along with it. The redrive policy may move them as well.
    const HOLD_GROUP: bool = false;

    /// What makes two messages the same work. The default is the message's own key, usually its ID.
    fn key(&self, _message: &Self::Message, _received: &Received) -> IdempotencyKey {
        IdempotencyKey::of_message()
    }

    /// Processes one message.
    ///
    /// It may be cancelled at any `await` when the time budget or [`TIMEOUT`](Self::TIMEOUT) runs out; the message is then
    /// redelivered. A handler that blocks the thread can't be cancelled and may fail the whole batch.
    ///
    /// # Errors
    ///
    /// A [`Failure`] decides what happens to the message. Nothing is written or sent.
    fn handle(
        &self,
        message: Self::Message,
        delivery: &Delivery,
    ) -> impl Future<Output = Result<Completion<Self::Write>, Failure>> + Send;
}

/// How the work of a message is done once although it is delivered more than once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// The key is claimed before the handler runs, so that no other attempt runs concurrently. Right for a handler with
    /// effects outside its completion, such as an HTTP call. Two requests to the ledger per message.
    ClaimThenComplete,
    /// No claim: the record is put together with the completion's writes. Right for a handler whose only effects are
    /// these writes and messages. It runs at every delivery; one commits, the others are discarded. One request to the
    /// ledger per message.
    OneStep,
    /// No ledger. Right for a handler that is idempotent by itself, such as a put of a whole item or an insert under a
    /// business key. It runs and sends its messages at every delivery. It can't commit [writes](Handler::Write). No request
    /// to the ledger.
    Natural,
}
