//! A message's body, decoded.

mod found;
mod path;
mod raw;
mod refused;

use std::ops::Range;

use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::error::Category;
use serde_json::value::RawValue;

pub(crate) use found::confirmation;
pub use raw::{Body, RawBody};

use crate::Envelope;

/// The message in a body, or why it is malformed. `inside`: the envelope that it was in.
pub(crate) fn decode<M: Body>(body: &str, inside: Envelope) -> Result<M, String> {
    M::decode(body, inside).map_err(|why| format!("malformed body: {why}"))
}

fn json<M: DeserializeOwned>(body: &str, inside: Envelope) -> Result<M, String> {
    serde_json::from_str(body).map_err(|error| match is_list_of::<M>(body) {
        true => "a list of messages in one body: send each as a message of its own".to_owned(),
        false => explain(body, inside, &error, &|other| serde_json::from_str::<M>(other).err()),
    })
}

/// Whether a body is a list whose first object is a message.
fn is_list_of<M: DeserializeOwned>(body: &str) -> bool {
    let parts: Vec<&RawValue> = serde_json::from_str(body).unwrap_or_default();
    let first = parts.first().map(|first| first.get());
    first.is_some_and(|first| first.starts_with('{') && serde_json::from_str::<M>(first).is_ok())
}

/// What a body that should be an envelope is instead, if that can be recognised.
pub(crate) fn found_instead_of(envelope: Envelope, body: &str) -> Option<String> {
    found::in_body(body, found::Place::Of(envelope))
}

/// Why a body is not the JSON that is expected: what it is instead, or what is wrong, with its path, line and column.
///
/// The reason goes to the log and into the ledger. The body must not: it may hold secrets, and serde's messages quote it. Shown
/// are only names of the handler's own, and texts that are constants. `retry` decodes another body.
fn explain(body: &str, inside: Envelope, error: &serde_json::Error, retry: Retry<'_>) -> String {
    if let Some(found) = found::in_body(body, found::Place::Inside(inside)) {
        return found;
    }
    let text = error.to_string();
    let text = text.rsplit_once(" at line ").map_or(&*text, |(text, _)| text);
    let what = match error.classify() {
        Category::Data | Category::Io => refused(body, error, text, retry),
        // A number that only its type refuses is a syntax error, too.
        Category::Syntax if text.starts_with("number out of range") => "number out of range".to_owned(),
        Category::Syntax if text.starts_with("recursion limit") => "nested more than 127 levels deep".to_owned(),
        Category::Eof => "unexpected end of JSON: is it cut off?".to_owned(),
        Category::Syntax if serde_json::from_str::<IgnoredAny>(body).is_err() => {
            format!(
                "not JSON: {}",
                found::at(body, error.line(), error.column()).unwrap_or(text)
            )
        }
        // A list that is longer than the struct or tuple.
        Category::Syntax => NOT_EXPECTED.to_owned(),
    };
    match error.line() {
        // An enum with a tag, or without one, is decoded from a copy, which has no positions.
        0 => what,
        line => format!("{what} (line {line}, column {})", error.column()),
    }
}

const NOT_EXPECTED: &str = "a value is not what the handler expects";

/// Why another body can't be decoded.
type Retry<'a> = &'a dyn Fn(&str) -> Option<serde_json::Error>;

/// Why a value is refused, after its path.
fn refused(body: &str, error: &serde_json::Error, text: &str, retry: Retry<'_>) -> String {
    // With another name in its place, a map refuses the same value in the same words.
    let is_key_of_map = |name: Range<usize>| {
        let other = retry(&path::with_other_name(body, name));
        other.is_some_and(|other| other.to_string() == error.to_string())
    };
    let is_field = |name: Range<usize>| path::may_be_field(&body[name.clone()]) && !is_key_of_map(name);
    let why = refused::without_values(text);
    let why = why.unwrap_or_else(|| NOT_EXPECTED.to_owned());
    match path::path(body, error.line(), error.column(), is_field) {
        path if path.is_empty() => why,
        path => format!("`{path}`: {why}"),
    }
}

#[cfg(test)]
mod tests;
