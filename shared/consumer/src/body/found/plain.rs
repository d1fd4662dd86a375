//! Texts without any JSON.

use serde::de::IgnoredAny;

use super::{encoded, is_binary};

/// What a text without any JSON is.
pub(super) fn in_plain(text: &str) -> Option<&'static str> {
    // A number that no type can hold is JSON.
    if text.starts_with(['{', '[', '"']) || serde_json::from_str::<IgnoredAny>(text).is_ok() {
        return None;
    }
    // Base64 may start like a comment.
    let found = encoded::in_base64(text);
    Some(found.unwrap_or_else(|| match text {
        _ if encoded::is_jwt(text) => "looks like a JWT (token): send the message itself",
        _ if text.contains(is_binary) => "binary data: send JSON, or take it as RawBody in Base64",
        _ if ["//", "/*", "#!"].iter().any(|start| text.starts_with(start)) => {
            "starts with a comment, which JSON does not have"
        }
        _ if is_form(text.trim_end()) => "looks like form data (name=value): a handler can take it as RawBody",
        _ if is_yaml(text) => "looks like YAML: a handler can take it as RawBody",
        _ if is_csv(text) => "looks like CSV: a handler can take it as RawBody",
        _ => "plain text, not JSON: a handler can take it as RawBody",
    }))
}

/// Pairs of names and values; one has a value that is not Base64's padding.
fn is_form(text: &str) -> bool {
    let of_name = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.%+[]".contains(&byte);
    let is_name = |name: &str| !name.is_empty() && name.bytes().all(of_name);
    let pairs = || text.split('&').map(|pair| pair.split_once('='));
    !text.contains(char::is_whitespace)
        && pairs().all(|pair| pair.is_some_and(|(name, _)| is_name(name)))
        && pairs()
            .flatten()
            .any(|(_, value)| value.bytes().any(|byte| byte != b'='))
}

/// A document's start, or names with values and nothing else that begins a line.
fn is_yaml(text: &str) -> bool {
    let is_name = |name: &str| {
        !name.is_empty()
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte))
    };
    let is_entry = |line: &str| {
        line.starts_with([' ', '-', '#'])
            || line
                .split_once(':')
                .is_some_and(|(name, value)| is_name(name) && (value.is_empty() || value.starts_with(' ')))
    };
    let mut lines = text.lines().filter(|line| !line.trim().is_empty());
    match lines.next() {
        Some("---") => true,
        Some(first) if !first.starts_with([' ', '-', '#']) && is_entry(first) => {
            let mut rest = lines.peekable();
            rest.peek().is_some() && rest.all(is_entry)
        }
        _ => false,
    }
}

/// Several lines with the same number of commas, semicolons or tabs, none of them before a space, as in a sentence.
fn is_csv(text: &str) -> bool {
    let separates = |separator: char| {
        let counts: Vec<usize> = text.lines().map(|line| line.matches(separator).count()).collect();
        let is_same = counts.windows(2).all(|pair| pair[0] == pair[1] && pair[0] > 0);
        counts.len() > 1 && is_same && !text.contains(&format!("{separator} "))
    };
    [',', ';', '\t'].into_iter().any(separates)
}
