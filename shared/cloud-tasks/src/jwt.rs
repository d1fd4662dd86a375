//! JSON Web Tokens ([RFC 7519](https://www.rfc-editor.org/rfc/rfc7519)) that Google signs: RS256, and nothing else.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents};
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// Google's tokens have about a thousand.
const MOST_BYTES: usize = 8192;

/// A token whose signature is not verified yet.
pub(crate) struct Token<'a> {
    signed: &'a str,
    signature: Vec<u8>,
    pub(crate) key_id: String,
    pub(crate) claims: Claims,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: String,
    /// Extensions that must be understood. None is.
    #[serde(default)]
    crit: Option<serde_json::Value>,
}

/// What a token states. Times are in seconds since 1970.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Claims {
    pub(crate) iss: String,
    pub(crate) aud: String,
    pub(crate) email: String,
    pub(crate) email_verified: bool,
    pub(crate) exp: u64,
    pub(crate) iat: u64,
    pub(crate) nbf: u64,
}

/// A key of an authority.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PublicKey {
    /// Without leading zeros.
    pub(crate) modulus: Vec<u8>,
    pub(crate) exponent: Vec<u8>,
}

impl<'a> Token<'a> {
    pub(crate) fn parse(token: &'a str) -> Result<Self, &'static str> {
        let malformed = "it is no signed token (three parts in Base64, separated by dots)";
        if token.len() > MOST_BYTES {
            return Err("it is too long");
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(malformed)?;
        let (header, claims) = signed.split_once('.').ok_or(malformed)?;
        let header: Header = json(header).ok_or("its header is not that of a token of Google")?;
        // The algorithm is ours to choose, not the token's: "none" would need no key, and "HS256" would take a public key for a
        // secret.
        if header.alg != "RS256" || header.crit.is_some() {
            return Err("its algorithm is not RS256");
        }
        Ok(Self {
            signed,
            signature: BASE64_URL_SAFE_NO_PAD.decode(signature).map_err(|_| malformed)?,
            key_id: header.kid,
            claims: json(claims).ok_or("its claims are not those of a token of Google")?,
        })
    }

    /// Whether the holder of this key has signed it.
    pub(crate) fn is_signed_by(&self, key: &PublicKey) -> bool {
        let key = RsaPublicKeyComponents {
            n: &key.modulus,
            e: &key.exponent,
        };
        key.verify(&RSA_PKCS1_2048_8192_SHA256, self.signed.as_bytes(), &self.signature)
            .is_ok()
    }
}

fn json<T: DeserializeOwned>(part: &str) -> Option<T> {
    let text = BASE64_URL_SAFE_NO_PAD.decode(part).ok()?;
    // serde would take the fields from an array, too.
    text.starts_with(b"{").then(|| serde_json::from_slice(&text).ok())?
}
