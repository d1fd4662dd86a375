//! The client's key of a request.

use axum::http::{HeaderMap, StatusCode};
use idempotency::{InvalidKey, Key};

use crate::app::NAMESPACE;
use crate::callers::Caller;
use crate::problem::Problem;

/// The header
/// ([The Idempotency-Key HTTP Header Field](https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/)).
const HEADER: &str = "idempotency-key";

/// Longer than any UUID, short enough for a URL.
const LONGEST: usize = 255;

/// What the client states in the header `Idempotency-Key`: the same when it repeats a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ClientKey(String);

impl ClientKey {
    /// 1 to 255 visible ASCII characters, without the two that need an escape in the header.
    pub(crate) fn new(text: &str) -> Option<Self> {
        let is_plain = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\');
        let is_key = (1..=LONGEST).contains(&text.len()) && text.bytes().all(is_plain);
        is_key.then(|| Self(text.to_owned()))
    }

    /// The key of a request.
    ///
    /// The draft requires a structured string, in quotation marks. Many clients leave them out, so both are the same key.
    pub(crate) fn of(headers: &HeaderMap) -> Result<Self, Problem> {
        let mut values = headers.get_all(HEADER).iter();
        let value = match (values.next(), values.next()) {
            (Some(value), None) => value.to_str().unwrap_or_default(),
            (None, _) => {
                return Err(invalid(
                    "send the header Idempotency-Key, for example a UUID: the same when you repeat",
                ));
            }
            (Some(_), Some(_)) => return Err(invalid("the header Idempotency-Key occurs more than once; send one")),
        };
        let unquoted = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
        Self::new(unquoted.unwrap_or(value)).ok_or_else(|| {
            invalid("the header Idempotency-Key must have 1 to 255 visible ASCII characters, without \" and \\")
        })
    }

    pub(crate) fn text(&self) -> &str {
        &self.0
    }

    /// The key of the message. Two callers may choose the same, so it begins with the caller, whose name has no slash.
    pub(crate) fn of_message(&self, caller: &Caller) -> String {
        format!("{}/{}", caller.name(), self.0)
    }

    /// The key of the record, as the consumer makes it from the message's.
    pub(crate) fn of_record(&self, caller: &Caller) -> Result<Key, InvalidKey> {
        Key::new(NAMESPACE, &self.of_message(caller))
    }
}

fn invalid(detail: &str) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, detail)
}
