//! What a body that can't be decoded is instead, and what to do about it. Looked for only after an error.

mod encoded;
mod json;
mod plain;
mod surrogate;
mod token;

pub(crate) use self::json::confirmation;
pub(super) use self::token::at;

use serde_json::Value;

use crate::Envelope;

/// Where a text that can't be decoded was found.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// In place of this envelope.
    Of(Envelope),
    /// In place of a message, inside this envelope.
    Inside(Envelope),
}

/// What the body is, if that can be recognised.
pub(super) fn in_body(body: &str, place: Place) -> Option<String> {
    // The category of the first error does not tell: serde reports a list that is longer than a struct as a syntax error.
    match serde_json::from_str(body) {
        Ok(value) => json::in_json(&value, place).map(str::to_owned),
        // An envelope is JSON.
        Err(_) if matches!(place, Place::Of(_)) => in_text(body).map(|found| found.replace(RAW_BODY, "")),
        Err(_) => in_text(body),
    }
}

const RAW_BODY: &str = ": a handler can take it as RawBody";

/// What a text that is not JSON is.
fn in_text(body: &str) -> Option<String> {
    if let Some(position) = surrogate::half_of_a_pair(body) {
        let why = "replace the character in the producer: no text can hold it";
        return Some(format!("half of a surrogate pair at {position}: {why}"));
    }
    if body
        .chars()
        .all(|character| is_invisible(character) && !is_binary(character))
    {
        return Some(if body.is_empty() { "empty body" } else { "blank body" }.to_owned());
    }
    let text = body.trim_start_matches(WHITE_SPACE);
    let known = in_start(text).or_else(|| is_utf_16(body).then_some(UTF_16));
    if let (None, Some(character)) = (known, invisible_start(text)) {
        let code = u32::from(character);
        return Some(format!(
            "starts with the invisible character U+{code:04X}: remove it in the producer"
        ));
    }
    let found = known
        .or_else(|| in_quotes(text))
        .or_else(|| in_values(text))
        .or_else(|| plain::in_plain(text));
    found.map(str::to_owned)
}

const UTF_16: &str = "looks like UTF-16: send it as UTF-8";

/// What texts that start like this are, in any case; the first that fits. Bytes outside ASCII may be read as Latin-1, or be
/// replaced.
const STARTS: [(&[&str], &str); 14] = [
    (
        &["\u{feff}", "\u{ef}\u{bb}\u{bf}"],
        "starts with a UTF-8 byte order mark: send it without",
    ),
    (
        &["\u{1f}\u{8b}", "\u{1f}\u{fffd}"],
        "looks like gzip: decompress it in the producer",
    ),
    (
        &["x\u{1}", "x\u{5e}\u{fffd}", "x\u{9c}", "x\u{da}", "x\u{fffd}"],
        "looks like zlib data: decompress it in the producer",
    ),
    (
        &["(\u{b5}/\u{fd}", "(\u{fffd}/\u{fffd}"],
        "looks like Zstandard data: decompress it in the producer",
    ),
    (
        &["b'", "b\""],
        "looks like Python's text of bytes: decode them in the producer",
    ),
    (
        &["'{", "'["],
        "single quotation marks around the JSON: send the JSON alone",
    ),
    (
        &["\u{ff}\u{fe}", "\u{fe}\u{ff}", "\u{fffd}\u{fffd}", "\u{fffe}"],
        UTF_16,
    ),
    (&["<!doctype html", "<html"], "looks like HTML: is it an error page?"),
    (&["<"], "looks like XML: a handler can take it as RawBody"),
    (
        &["%7b", "%5b"],
        "looks like percent-encoded JSON: decode it in the producer",
    ),
    (
        &["{&quot;", "[&quot;", "{&#34;", "{&#x22;"],
        "looks like JSON with HTML entities: decode it in the producer",
    ),
    (
        &["{\\", "[\\"],
        "looks like JSON with escaped quotation marks: the producer encodes it twice",
    ),
    (
        &["[object "],
        "JavaScript's text of an object: use JSON.stringify in the producer",
    ),
    (
        &["data:application/", "data:text/"],
        "looks like a data: URL: send its content",
    ),
];

fn in_start(text: &str) -> Option<&'static str> {
    let is = |start: &&str| {
        let found = text.get(..start.len());
        found.is_some_and(|found| found.eq_ignore_ascii_case(start))
    };
    let known = STARTS.iter().find(|(starts, _)| starts.iter().any(is));
    known.map(|(_, found)| *found)
}

/// ASCII in UTF-16 has a zero in every second byte.
fn is_utf_16(body: &str) -> bool {
    let zeros: Vec<bool> = body.chars().take(8).map(|character| character == '\0').collect();
    zeros.len() > 1 && zeros.windows(2).all(|pair| pair[0] != pair[1])
}

/// The white space of JSON ([RFC 8259, section 2](https://www.rfc-editor.org/rfc/rfc8259#section-2)).
const WHITE_SPACE: [char; 4] = [' ', '\t', '\n', '\r'];

/// The character that makes a text something else than JSON, but can't be seen.
fn invisible_start(text: &str) -> Option<char> {
    let first = text.chars().next().filter(|first| is_invisible(*first))?;
    text.trim_start_matches(is_invisible)
        .starts_with(['{', '[', '"'])
        .then_some(first)
}

fn is_invisible(character: char) -> bool {
    let is_format = matches!(
        character,
        '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2064}' | '\u{feff}'
    );
    is_format || character.is_whitespace() || character.is_control()
}

/// Whether no text has this character, or it replaces bytes that are none.
fn is_binary(character: char) -> bool {
    character == '\u{fffd}' || character.is_control() && !character.is_whitespace()
}

/// Other quotation marks at an object's first name or a list's first value.
fn in_quotes(text: &str) -> Option<&'static str> {
    let inside = text.strip_prefix(['{', '['])?.trim_start();
    let name = inside.trim_start_matches(|character: char| character.is_alphanumeric() || character == '_');
    match inside.chars().next()? {
        _ if text.starts_with('{') && name.len() < inside.len() && name.starts_with('=') => {
            Some("names with = after them, where JSON has colons and quotation marks: is it Java's toString?")
        }
        '\'' => Some("single quotation marks, where JSON has double ones: is it Python's repr?"),
        '\u{201c}' | '\u{201d}' | '\u{201e}' => Some("typographic quotation marks, where JSON has plain ones"),
        _ => None,
    }
}

/// What follows a JSON value that is complete.
fn in_values(text: &str) -> Option<&'static str> {
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<Value>();
    let first = values.next()?.ok()?;
    match values.next()? {
        Ok(_) if text.lines().filter(|line| !line.trim().is_empty()).all(is_json) => {
            Some("several JSON values, one a line (NDJSON): send each as a message of its own")
        }
        Ok(_) if first.is_object() || first.is_array() => {
            Some("several JSON values: send each as a message of its own")
        }
        Err(_) if first.is_object() || first.is_array() => Some("more text after the JSON: send the JSON alone"),
        _ => None,
    }
}

fn is_json(line: &str) -> bool {
    serde_json::from_str::<Value>(line).is_ok()
}
