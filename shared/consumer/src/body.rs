//! A message's body, decoded.

mod found;
mod raw;

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
        false => explain(body, inside, &error),
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

/// Why a body is not the JSON that is expected: what it is instead, or what is wrong, with line and column.
///
/// The reason goes to the log and into the ledger. The body must not: it may hold secrets, and serde's messages quote it. The
/// names of missing and duplicate fields are the handler's; the texts about syntax are constants.
fn explain(body: &str, inside: Envelope, error: &serde_json::Error) -> String {
    if let Some(found) = found::in_body(body, found::Place::Inside(inside)) {
        return found;
    }
    let text = error.to_string();
    let text = text.split(" at line ").next().unwrap_or_default();
    let what = match error.classify() {
        Category::Data | Category::Io if is_about_a_field(text) => text.to_owned(),
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
        Category::Data | Category::Io | Category::Syntax => "a value is not what the handler expects".to_owned(),
    };
    format!("{what} (line {}, column {})", error.line(), error.column())
}

fn is_about_a_field(text: &str) -> bool {
    let field = text
        .strip_prefix("missing field `")
        .or_else(|| text.strip_prefix("duplicate field `"));
    field.is_some_and(|field| field.ends_with('`'))
}

#[cfg(test)]
mod tests;
