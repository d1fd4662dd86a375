//! Kinds of the handler: its constants and its key.

use std::time::Duration;

use consumer::{Envelope, IdempotencyKey, Mode};

use crate::Script;

/// The constants and the key of one kind of handler.
pub trait Kind: Send + Sync + 'static {
    /// See [`consumer::Handler::MODE`].
    const MODE: Mode = Mode::ClaimThenComplete;
    /// See [`consumer::Handler::ENVELOPE`].
    const ENVELOPE: Envelope = Envelope::None;
    /// See [`consumer::Handler::TIMEOUT`].
    const TIMEOUT: Option<Duration> = None;
    /// See [`consumer::Handler::HOLD_GROUP`].
    const HOLD_GROUP: bool = false;

    /// The key of a message with this script.
    fn key(_: &Script) -> IdempotencyKey {
        IdempotencyKey::of_message()
    }
}

/// Claims, then completes.
pub struct Claiming;
impl Kind for Claiming {}

/// Commits in one step.
pub struct OneStep;
impl Kind for OneStep {
    const MODE: Mode = Mode::OneStep;
}

/// Uses no ledger.
pub struct Natural;
impl Kind for Natural {
    const MODE: Mode = Mode::Natural;
}

/// Unwraps notifications of SNS.
pub struct Sns;
impl Kind for Sns {
    const ENVELOPE: Envelope = Envelope::Sns;
}

/// Unwraps events of EventBridge.
pub struct EventBridge;
impl Kind for EventBridge {
    const ENVELOPE: Envelope = Envelope::EventBridge;
}

/// Uses the script's business key.
pub struct Business;
impl Kind for Business {
    fn key(script: &Script) -> IdempotencyKey {
        IdempotencyKey::business(&script.key)
    }
}

/// Uses the deduplication ID as its key.
pub struct Deduplication;
impl Kind for Deduplication {
    fn key(_: &Script) -> IdempotencyKey {
        IdempotencyKey::deduplication_id()
    }
}
