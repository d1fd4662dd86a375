//! What a handler's message may be.

use serde::de::DeserializeOwned;

use self::sealed::Decode;

/// What a body can be decoded to: any type that implements `serde::Deserialize` and borrows nothing, from JSON; or [`RawBody`].
///
/// Nothing else can implement it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't be decoded from a body",
    note = "derive `serde::Deserialize` for a message in JSON, or use `RawBody` for any other"
)]
pub trait Body: Decode + Send {}

impl<M: DeserializeOwned + Send> Body for M {}
impl Body for RawBody {}

/// The body as it is, for messages that are not JSON. With an [envelope](crate::Envelope), the text inside it.
///
/// Under a key that needs a [fingerprint](crate::IdempotencyKey::business), two bodies are the same payload if they are the
/// same text, or the same JSON.
///
/// ```
/// # use consumer::{Delivery, Failure, Handler, RawBody};
/// # use idempotency::{Completion, NoWrites};
/// struct ReadLines;
///
/// impl Handler for ReadLines {
///     type Message = RawBody;
///     type Write = NoWrites;
///     const NAMESPACE: &str = "read-lines";
///
///     async fn handle(&self, body: RawBody, _: &Delivery) -> Result<Completion, Failure> {
///         match body.as_str().lines().next() {
///             Some(_) => Ok(Completion::new()),
///             None => Err(Failure::permanent("there is no line")),
///         }
///     }
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawBody(String);

impl RawBody {
    /// This text as a body, for a test that calls a handler directly.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The text, without copying it.
    pub fn into_string(self) -> String {
        self.0
    }
}

mod sealed {
    use super::{DeserializeOwned, RawBody};
    use crate::Envelope;

    pub trait Decode: Sized {
        /// The message, or why the body is malformed.
        fn decode(body: &str, inside: Envelope) -> Result<Self, String>;
    }

    impl<M: DeserializeOwned> Decode for M {
        fn decode(body: &str, inside: Envelope) -> Result<Self, String> {
            crate::body::json(body, inside)
        }
    }

    impl Decode for RawBody {
        fn decode(body: &str, _: Envelope) -> Result<Self, String> {
            Ok(RawBody::new(body))
        }
    }
}
