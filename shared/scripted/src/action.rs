//! What a message instructs the handler to do.

use serde::{Deserialize, Deserializer, Serialize};

/// The body of a message: one action per delivery. The last one applies to all further deliveries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Script {
    /// The business key, for a handler that uses one.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub key: String,
    /// None means done.
    pub actions: Vec<Action>,
}

impl Script {
    /// A script without a business key.
    pub fn new(actions: impl IntoIterator<Item = Action>) -> Self {
        Self {
            key: String::new(),
            actions: actions.into_iter().collect(),
        }
    }

    /// The same with a business key.
    #[must_use]
    pub fn with_key(self, key: &str) -> Self {
        Self {
            key: key.to_owned(),
            ..self
        }
    }

    /// The action of the delivery with this receive count.
    pub fn action(&self, receive_count: u32) -> Action {
        let before = usize::try_from(receive_count.saturating_sub(1)).unwrap_or(usize::MAX);
        let action = self.actions.get(before).or(self.actions.last());
        action.copied().unwrap_or(Action::Done)
    }
}

/// What the handler does with one delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// Done, without effects.
    Done,
    /// Done after this many milliseconds.
    Take(u64),
    /// Done after the test has released it.
    WhenReleased,
    /// Done, with a write. Its refusal means already done.
    Write,
    /// Done, with a write. Its refusal is permanent.
    WriteOnce,
    /// Done, with a write. Its refusal panics.
    PanicInRefusal,
    /// Done, with the outgoing messages of the effects.
    Send,
    /// Done, with a write and the outgoing messages.
    WriteAndSend,
    /// Done, with an outgoing message that no queue accepts.
    SendInvalid,
    /// Done, with a write and an outgoing message that no queue accepts.
    WriteAndSendInvalid,
    /// Done, with a write and more outgoing messages than a record has room for.
    WriteAndSendTooMuch,
    /// Fails with a retry.
    Retry,
    /// Fails with a retry after this many seconds.
    RetryAfter(u64),
    /// Fails permanently.
    Permanent,
    /// Panics.
    Panic,
    /// Panics while its body is decoded.
    PanicInDecoding(Panicking),
    /// Never ends.
    Hang,
}

/// Panics when it is decoded, as an incorrect `Deserialize` may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Panicking;

impl<'de> Deserialize<'de> for Panicking {
    #[expect(clippy::panic, reason = "the message requests it")]
    fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        panic!("while decoding")
    }
}
