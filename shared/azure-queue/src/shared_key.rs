//! Shared Key: the signature of a request with the account's key
//! ([Authorize with Shared Key](https://learn.microsoft.com/rest/api/storageservices/authorize-with-shared-key)).

use std::fmt;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use ring::hmac;

/// The key of an account.
#[derive(Clone)]
pub(crate) struct SharedKey {
    account: String,
    key: hmac::Key,
}

/// Without the key.
impl fmt::Debug for SharedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SharedKey({})", self.account)
    }
}

/// What is signed of a request.
#[derive(Debug)]
pub(crate) struct ToSign<'a> {
    pub(crate) method: &'a str,
    pub(crate) content_length: usize,
    /// All that begin with `x-ms-`, sorted by name.
    pub(crate) headers: &'a [(&'static str, String)],
    pub(crate) path: &'a str,
    /// Names, and values that are not percent-encoded, sorted by name.
    pub(crate) query: &'a [(&'static str, String)],
}

impl SharedKey {
    /// The key in Base64, as Azure shows it. `None`: it is not Base64.
    pub(crate) fn new(account: &str, key: &str) -> Option<Self> {
        let key = BASE64_STANDARD.decode(key).ok().filter(|key| !key.is_empty())?;
        Some(Self {
            account: account.to_owned(),
            key: hmac::Key::new(hmac::HMAC_SHA256, &key),
        })
    }

    /// The value of the header `Authorization`.
    pub(crate) fn authorization(&self, request: &ToSign<'_>) -> String {
        let signature = hmac::sign(&self.key, self.string_to_sign(request).as_bytes());
        format!("SharedKey {}:{}", self.account, BASE64_STANDARD.encode(signature))
    }

    fn string_to_sign(&self, request: &ToSign<'_>) -> String {
        // A length of zero is empty since version 2015-02-21.
        let length = Some(request.content_length).filter(|length| *length > 0);
        let length = length.map(|length| length.to_string()).unwrap_or_default();
        // Content-Encoding, -Language and -Length, Content-MD5 and -Type, Date, four conditions, Range.
        let mut text = format!("{}\n\n\n{length}\n\n\n\n\n\n\n\n\n", request.method);
        for (name, value) in request.headers {
            text.push_str(&format!("{name}:{value}\n"));
        }
        text.push_str(&format!("/{}{}", self.account, request.path));
        for (name, value) in request.query {
            text.push_str(&format!("\n{name}:{value}"));
        }
        text
    }
}
