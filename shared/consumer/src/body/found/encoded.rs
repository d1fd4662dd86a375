//! Texts in Base64.

use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE, BASE64_URL_SAFE_NO_PAD};

/// What a text in Base64 is.
pub(super) fn in_base64(text: &str) -> Option<&'static str> {
    // Mail breaks its lines.
    let joined: String = text.split_ascii_whitespace().collect();
    let digits = joined.trim_end_matches('=');
    let padded = format!("{digits}{}", ["", "", "==", "="][digits.len() % 4]);
    let bytes = BASE64_STANDARD
        .decode(&padded)
        .or_else(|_| BASE64_URL_SAFE.decode(&padded))
        .ok()?;
    match *bytes {
        [0x1f, 0x8b, ..] => return Some("looks like Base64 of gzip: decompress it in the producer"),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => {
            return Some("looks like Base64 of Zstandard data: decompress it in the producer");
        }
        [0x78, 0x01 | 0x5e | 0x9c | 0xda, _, _, ..] => {
            return Some("looks like Base64 of zlib data: decompress it in the producer");
        }
        _ => {}
    }
    let decoded = String::from_utf8_lossy(&bytes);
    if super::is_json(&decoded) && decoded.starts_with(['{', '[', '"']) {
        return Some("looks like Base64 of JSON: decode it in the producer");
    }
    // A word or a UUID is in one case.
    let has = |kind: fn(&char) -> bool| digits.chars().any(|character| kind(&character));
    let is_mixed = has(char::is_ascii_uppercase) && has(char::is_ascii_lowercase);
    let has_digit = has(char::is_ascii_digit) && joined.len() >= 16;
    // More padding is Base32's.
    let is_padded = (1..=2).contains(&(joined.len() - digits.len())) && joined.len() >= 8;
    (joined.len().is_multiple_of(4) && is_mixed && (has_digit || is_padded))
        .then_some("looks like Base64: decode it in the producer")
}

/// Three or five parts in Base64; the first is a JSON object ([RFC 7519, section 3.1](https://www.rfc-editor.org/rfc/rfc7519#section-3.1)).
pub(super) fn is_jwt(text: &str) -> bool {
    let parts: Vec<&str> = text.trim_end().split('.').collect();
    let decoded = |part: &&str| BASE64_URL_SAFE_NO_PAD.decode(part).ok();
    let header = parts.first().and_then(decoded).unwrap_or_default();
    matches!(parts.len(), 3 | 5) && parts.iter().all(|part| decoded(part).is_some()) && header.starts_with(b"{\"")
}
