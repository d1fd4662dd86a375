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

#[cfg(test)]
mod tests {
    use super::*;

    /// Signatures that Python's `hmac` computed from the documented text, with the key of Azurite.
    #[test]
    fn a_request_is_signed_as_documented() {
        let key = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";
        let key = SharedKey::new("devstoreaccount1", key).unwrap();
        let headers = [
            ("x-ms-date", "Fri, 02 Jan 2026 03:04:05 GMT".to_owned()),
            ("x-ms-version", "2021-12-02".to_owned()),
        ];
        let put = ToSign {
            method: "POST",
            content_length: 76,
            headers: &headers,
            path: "/devstoreaccount1/orders/messages",
            query: &[("messagettl", "-1".to_owned()), ("visibilitytimeout", "0".to_owned())],
        };
        assert_eq!(
            key.authorization(&put),
            "SharedKey devstoreaccount1:x0wvnre0GyOYvx8BSuwVYmJetvvbRRnZ73aDxETfyGc="
        );
        let update = ToSign {
            method: "PUT",
            content_length: 0,
            headers: &headers,
            path: "/devstoreaccount1/orders/messages/m-1",
            query: &[
                ("popreceipt", "a+b/c=".to_owned()),
                ("visibilitytimeout", "60".to_owned()),
            ],
        };
        assert_eq!(
            key.authorization(&update),
            "SharedKey devstoreaccount1:IpCpB82ACwb6jbmmmHOXJrPwtJ+GvsleLwKh/Dq6Pow="
        );
    }

    #[test]
    fn the_key_is_base64_and_not_shown() {
        let key = SharedKey::new("shop", "c2VjcmV0").unwrap();
        assert_eq!(format!("{key:?}"), "SharedKey(shop)");
        assert!(SharedKey::new("shop", "").is_none() && SharedKey::new("shop", "s?cret").is_none());
    }
}
