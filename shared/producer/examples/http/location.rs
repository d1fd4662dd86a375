//! Where a client reads what has become of its order.

use std::fmt::{self, Display};

use idempotency::fingerprint;

use crate::client_key::ClientKey;
use crate::order::Order;

/// How much of a fingerprint is in a location: enough to distinguish the requests of one caller with one key.
const DIGITS: usize = 16;

/// One accepted request: the client's key, and a part of the fingerprint of its content.
///
/// It does not name the caller, who must authenticate: with the same path, another caller reads a record of its own, or none.
/// The content tells a request from another one with the same key, which the ledger refuses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Location {
    content: String,
    key: ClientKey,
}

impl Location {
    /// The location of this order.
    pub(crate) fn of(key: ClientKey, order: &Order) -> Result<Self, serde_json::Error> {
        let mut content = fingerprint(order)?;
        content.truncate(DIGITS);
        Ok(Self { content, key })
    }

    /// From the last segment of its path, decoded.
    pub(crate) fn parse(segment: &str) -> Option<Self> {
        let (content, key) = segment.split_once('-')?;
        let is_content = content.len() == DIGITS && content.bytes().all(|byte| byte.is_ascii_hexdigit());
        let key = ClientKey::new(key).filter(|_| is_content)?;
        Some(Self {
            content: content.to_owned(),
            key,
        })
    }

    pub(crate) fn key(&self) -> &ClientKey {
        &self.key
    }

    /// Whether a record with this fingerprint is of another content. A record without one is of any.
    pub(crate) fn is_of_other_content(&self, recorded: Option<&str>) -> bool {
        recorded.is_some_and(|fingerprint| !fingerprint.starts_with(&self.content))
    }
}

/// The path.
impl Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "/orders/{}-", self.content)?;
        for byte in self.key.text().bytes() {
            match byte {
                // https://datatracker.ietf.org/doc/html/rfc3986#section-2.3
                b'-' | b'.' | b'_' | b'~' => write!(f, "{}", char::from(byte))?,
                _ if byte.is_ascii_alphanumeric() => write!(f, "{}", char::from(byte))?,
                _ => write!(f, "%{byte:02X}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_that_is_no_location_is_refused() {
        for wrong in [
            "",
            "k",
            "0123456789abcdef",
            "0123456789abcdef-",
            "0123456789abcde-k",
            "0123456789abcdeg-k",
        ] {
            assert_eq!(Location::parse(wrong), None, "{wrong}");
        }
        assert_eq!(Location::parse("0123456789abcdef-a-b").unwrap().key().text(), "a-b");
    }

    #[test]
    fn only_another_fingerprint_is_another_content() {
        let location = Location::parse("0123456789abcdef-k").unwrap();
        assert!(!location.is_of_other_content(None));
        assert!(!location.is_of_other_content(Some("0123456789abcdef0000")));
        assert!(location.is_of_other_content(Some("1123456789abcdef0000")));
    }
}
