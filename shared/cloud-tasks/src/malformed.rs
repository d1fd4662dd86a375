//! A request that holds no message.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use serde_json::json;

/// A request that can't be processed as a message, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct Malformed {
    why: String,
    /// All that was received, as JSON, for a dead letter: headers without `Authorization`, and the body, in Base64 if it is not
    /// UTF-8.
    pub record: String,
}

impl Malformed {
    pub(crate) fn new(why: impl Into<String>, headers: &HeaderMap, body: &[u8]) -> Self {
        let headers = headers.iter().filter(|(name, _)| *name != AUTHORIZATION);
        let headers = headers.map(|(name, value)| (name.as_str(), String::from_utf8_lossy(value.as_bytes())));
        let headers: serde_json::Map<_, _> = headers.map(|(name, value)| (name.to_owned(), json!(value))).collect();
        let record = match str::from_utf8(body) {
            Ok(text) => json!({ "headers": headers, "body": text }),
            Err(_) => json!({ "headers": headers, "base64": BASE64_STANDARD.encode(body) }),
        };
        Self {
            why: why.into(),
            record: record.to_string(),
        }
    }
}
