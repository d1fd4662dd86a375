//! Headers of a task: what of a message they carry.
//!
//! Cloud Tasks silently drops a header whose value has other characters than those of [`is_plain`], or is too long.

use std::collections::BTreeMap;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use consumer::dead_letter::{IDEMPOTENCY_KEY, Original};
use consumer::{Attribute, is_trace_header};
use http::HeaderMap;

/// The message's ID.
pub(crate) const MESSAGE_ID: &str = "X-Consumer-Message-Id";
/// How often a message was received before it was copied.
pub(crate) const ATTEMPTS: &str = "X-Consumer-Attempts";
/// When the message was first sent, in milliseconds since 1970.
pub(crate) const SENT_AT: &str = "X-Consumer-Sent-At";
/// The message's group.
pub(crate) const GROUP: &str = "message-group";
/// The trace, in the format of AWS X-Ray.
pub(crate) const TRACE: &str = "X-Amzn-Trace-Id";
/// Followed by the name of an attribute, in lower case.
const ATTRIBUTE: &str = "X-Attribute-";
/// Followed by a number: the attributes that no header can carry, as JSON in Base64, in parts.
const PACKED: &str = "X-Consumer-Attributes-";
/// Attributes that are headers of the same name.
const NAMED: [&str; 3] = [IDEMPOTENCY_KEY, "traceparent", "tracestate"];

/// Name and value of a header that is longer than 8,188 bytes is dropped: the margin is large, because there is no error.
const MOST_VALUE_BYTES: usize = 4096;
const MOST_PART_BYTES: usize = 6000;

/// The attributes of a message as headers.
pub(crate) fn of_attributes(attributes: &BTreeMap<String, Attribute>) -> BTreeMap<String, String> {
    let mut headers = BTreeMap::new();
    let mut packed = BTreeMap::new();
    for (name, attribute) in attributes {
        match of_attribute(name, attribute) {
            Some((header, value)) => drop(headers.insert(header, value)),
            None => drop(packed.insert(name.clone(), attribute.clone())),
        }
    }
    if !packed.is_empty() {
        let packed = Original {
            attributes: packed,
            ..Original::default()
        };
        let text = BASE64_URL_SAFE_NO_PAD.encode(packed.to_json());
        for (number, part) in text.as_bytes().chunks(MOST_PART_BYTES).enumerate() {
            let part = String::from_utf8_lossy(part).into_owned();
            headers.insert(format!("{PACKED}{}", number + 1), part);
        }
    }
    headers
}

/// The header that carries an attribute unchanged.
fn of_attribute(name: &str, attribute: &Attribute) -> Option<(String, String)> {
    let is_header = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let header = match NAMED.contains(&name) {
        true => name.to_owned(),
        false if name.bytes().all(is_header) => format!("{ATTRIBUTE}{name}"),
        false => return None,
    };
    let value = attribute.string_value.as_deref().filter(|value| is_plain(value))?;
    let is_text = attribute.data_type.as_deref() == Some("String") && attribute.binary_value.is_none();
    (is_text && header.len() + value.len() <= MOST_VALUE_BYTES).then(|| (header, value.to_owned()))
}

/// Whether a header carries this value unchanged.
pub(crate) fn is_plain(value: &str) -> bool {
    !value.is_empty() && value.trim() == value && value.bytes().all(|byte| matches!(byte, b' '..=b'~'))
}

/// The bytes that headers take.
pub(crate) fn bytes(headers: &BTreeMap<String, String>) -> usize {
    headers.iter().map(|(name, value)| name.len() + value.len()).sum()
}

/// The attributes in the headers of a request.
///
/// # Errors
///
/// What is wrong with the packed ones, without quoting them.
pub(crate) fn attributes(headers: &HeaderMap) -> Result<BTreeMap<String, Attribute>, String> {
    let mut attributes = unpacked(headers)?;
    let named = NAMED
        .iter()
        .filter_map(|name| Some(((*name).to_owned(), text(headers, name)?)));
    let prefix = ATTRIBUTE.to_ascii_lowercase();
    let names = headers.keys().filter_map(|name| name.as_str().strip_prefix(&prefix));
    let others = names.filter_map(|name| Some((name.to_owned(), text(headers, &format!("{prefix}{name}"))?)));
    for (name, value) in named.chain(others).filter(|(name, _)| !name.is_empty()) {
        let attribute = Attribute {
            data_type: Some("String".to_owned()),
            string_value: Some(value.to_owned()),
            binary_value: None,
        };
        attributes.entry(name).or_insert(attribute);
    }
    Ok(attributes)
}

fn unpacked(headers: &HeaderMap) -> Result<BTreeMap<String, Attribute>, String> {
    let parts = (1..).map_while(|number: u32| text(headers, &format!("{PACKED}{number}")));
    let parts: String = parts.collect();
    if parts.is_empty() {
        return Ok(BTreeMap::new());
    }
    let wrong = || format!("the headers {PACKED}* are not attributes as this project writes them");
    let json = BASE64_URL_SAFE_NO_PAD.decode(parts).map_err(|_| wrong())?;
    let json = String::from_utf8(json).map_err(|_| wrong())?;
    Ok(Original::from_json(&json).map_err(|_| wrong())?.attributes)
}

/// A header as text, without empty ones.
pub(crate) fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok().filter(|text| !text.is_empty())
}

/// A header as a number.
pub(crate) fn number(headers: &HeaderMap, name: &str) -> Option<u64> {
    text(headers, name)?.parse().ok()
}

/// The trace of a request, if it is valid.
pub(crate) fn trace(headers: &HeaderMap) -> Option<String> {
    text(headers, TRACE)
        .filter(|trace| is_trace_header(trace))
        .map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn string(value: &str) -> Attribute {
        Attribute {
            data_type: Some("String".to_owned()),
            string_value: Some(value.to_owned()),
            binary_value: None,
        }
    }

    /// As an HTTP server receives them.
    fn received(headers: &BTreeMap<String, String>) -> HeaderMap {
        let headers = headers.iter();
        headers
            .map(|(name, value)| (name.parse::<http::HeaderName>().unwrap(), value.parse().unwrap()))
            .collect()
    }

    #[test]
    fn every_attribute_is_unchanged_by_the_way_through_headers() {
        let number = Attribute {
            data_type: Some("Number".to_owned()),
            ..string("12")
        };
        let binary = Attribute {
            data_type: Some("Binary.png".to_owned()),
            string_value: None,
            binary_value: Some((0..=255).collect()),
        };
        let all: BTreeMap<_, _> = [
            ("tenant", string("blue")),
            ("Tenant", string("red")),
            ("x_y", string("underscore")),
            ("umlaut", string("ü\n\0")),
            ("edge", string(" a ")),
            ("ö", string("name")),
            ("count", number),
            ("photo", binary),
            ("long", string(&"x".repeat(20_000))),
            ("IdempotencyKey", string("caller/k-1")),
            (
                "traceparent",
                string("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
            ),
            ("Consumer.Original", string("{\"messageId\":\"m-1\"}")),
        ]
        .map(|(name, attribute)| (name.to_owned(), attribute))
        .into();
        let headers = of_attributes(&all);
        assert_eq!(headers["X-Attribute-tenant"], "blue");
        assert_eq!(headers["IdempotencyKey"], "caller/k-1");
        assert!(
            headers
                .iter()
                .all(|(name, value)| name.len() + value.len() <= 8188 && is_plain(value))
        );
        assert!(headers.contains_key("X-Consumer-Attributes-4"), "{:?}", headers.keys());
        assert_eq!(attributes(&received(&headers)).unwrap(), all);
    }

    /// Of headers that are read.
    const NAMES: &str = "x-cloudtasks-(queuename|task(name|retrycount|eta))|x-consumer-(attempts|sent-at|message-id|\
                         attributes-1)|x-attribute-[a-z]{0,3}|message-group";

    proptest::proptest! {
        #[test]
        fn any_attributes_are_unchanged_by_the_way_through_headers(
            text in proptest::collection::btree_map("[a-zA-Z_.ü-]{1,8}|traceparent|IdempotencyKey", ".{1,40}", 0..5),
            binary in proptest::collection::btree_map("[a-z]{1,3}", proptest::collection::vec(0_u8.., 1..40), 0..2),
        ) {
            let binary = binary.into_iter().map(|(name, bytes)| {
                let attribute = Attribute {
                    data_type: Some("Binary".to_owned()),
                    string_value: None,
                    binary_value: Some(bytes),
                };
                (name, attribute)
            });
            let all: BTreeMap<_, _> = text.iter().map(|(name, value)| (name.clone(), string(value))).chain(binary).collect();
            let headers = of_attributes(&all);
            assert!(headers.values().all(|value| is_plain(value)), "{headers:?}");
            assert_eq!(attributes(&received(&headers)).unwrap(), all);
        }

        #[test]
        fn any_request_is_read_without_a_panic(
            names in proptest::collection::vec(NAMES, 0..9),
            value in proptest::collection::vec(32_u8..127, 0..20),
            body in proptest::collection::vec(0_u8.., 0..20),
        ) {
            let mut headers = HeaderMap::new();
            for name in names {
                headers.insert(name.parse::<http::HeaderName>().unwrap(), value.as_slice().try_into().unwrap());
            }
            let _ = crate::task(&headers, &body);
            let _ = crate::pubsub(&body);
        }
    }

    #[test]
    fn a_producers_key_that_no_header_can_carry_is_packed() {
        let key: BTreeMap<_, _> = [(IDEMPOTENCY_KEY.to_owned(), string("schlüssel"))].into();
        let headers = of_attributes(&key);
        assert!(!headers.contains_key(IDEMPOTENCY_KEY));
        assert_eq!(attributes(&received(&headers)).unwrap(), key);
    }

    #[test]
    fn other_headers_are_no_attributes() {
        let mut headers = HeaderMap::new();
        for name in [
            "host",
            "x-cloudtasks-taskname",
            "x-consumer-attempts",
            "message-group",
            "x-attribute-",
        ] {
            headers.insert(name, "v".parse().unwrap());
        }
        assert_eq!(attributes(&headers), Ok(BTreeMap::new()));
    }

    #[test]
    fn broken_packed_attributes_are_an_error_that_quotes_nothing() {
        for value in ["secret!", "c2VjcmV0", "e30="] {
            let mut headers = HeaderMap::new();
            headers.insert("x-consumer-attributes-1", value.parse().unwrap());
            let why = attributes(&headers).unwrap_err();
            assert!(why.contains("X-Consumer-Attributes") && !why.contains(value), "{why}");
        }
    }
}
