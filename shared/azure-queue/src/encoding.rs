//! How the text of a message is encoded.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use crate::xml::escaped;

/// How the text of a message is encoded: the setting `encoding`, and `messageEncoding` in the `host.json` of Azure Functions
/// ([host.json](https://learn.microsoft.com/azure/azure-functions/functions-bindings-storage-queue#host-json)).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    /// UTF-8 in Base64, the default of Azure Functions.
    Base64,
    /// As it is.
    None,
}

impl Encoding {
    pub(crate) fn encode(self, text: &str) -> String {
        match self {
            Self::Base64 => BASE64_STANDARD.encode(text),
            Self::None => plain(text),
        }
    }

    /// The text, or why it is none.
    pub(crate) fn decode(self, encoded: &str) -> Result<String, String> {
        if self == Self::None {
            return Ok(encoded.to_owned());
        }
        let bytes = BASE64_STANDARD.decode(encoded.trim());
        let bytes = bytes
            .map_err(|_| "its text is not Base64; if no producer uses Base64, set encoding=none in the queue's URL")?;
        String::from_utf8(bytes).map_err(|_| "its text is not UTF-8 in Base64".to_owned())
    }

    /// Bytes that a text takes in a request. XML escapes some characters of a text that is not encoded.
    pub(crate) fn bytes(self, text: &str) -> usize {
        match self {
            Self::Base64 => text.len().div_ceil(3) * 4,
            Self::None => escaped(&plain(text)).len(),
        }
    }
}

/// The JSON of an envelope without the two characters that XML can't have and JSON can, as text of a string
/// ([XML 1.0, section 2.2](https://www.w3.org/TR/xml/#charsets)).
fn plain(json: &str) -> String {
    json.replace('\u{fffe}', "\\ufffe").replace('\u{ffff}', "\\uffff")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_decoded_to_what_it_was() {
        for text in ["", "a", "ü茶", "{\"a\": 1}"] {
            for encoding in [Encoding::Base64, Encoding::None] {
                let encoded = encoding.encode(text);
                assert_eq!(
                    (encoding.decode(&encoded).as_deref(), encoding.bytes(text)),
                    (Ok(text), encoded.len())
                );
            }
        }
        assert_eq!(
            (Encoding::None.bytes("<\"&\r"), Encoding::Base64.bytes("<\"&\r")),
            (4 + 1 + 5 + 5, 8)
        );
        assert_eq!(Encoding::Base64.encode("tea"), "dGVh");
        assert_eq!(Encoding::None.encode("\u{ffff}"), "\\uffff");
    }

    #[test]
    fn what_is_not_base64_is_refused_with_the_setting() {
        assert!(Encoding::Base64.decode("{}").unwrap_err().contains("encoding=none"));
        assert!(Encoding::Base64.decode("/w==").unwrap_err().contains("UTF-8"));
    }
}
