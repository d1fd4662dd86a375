//! What a body that can't be decoded is instead, and what to do about it. Looked for only after an error.

use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE};
use serde_json::Value;

use crate::Envelope;

const BASE64: &str = "looks like Base64: decode it in the producer";
const BYTE_ORDER_MARK: &str = "starts with a UTF-8 byte order mark: send it without";
const UTF_16: &str = "looks like UTF-16: send it as UTF-8";
const ENCODED_TWICE: &str = "JSON inside a JSON string: the producer encodes it twice";
const SEVERAL: &str = "several JSON values: send each as a message of its own";

/// What the body is, if that can be recognised. `expected` is the envelope that it was expected to be.
pub(super) fn in_body(body: &str, expected: Envelope) -> Option<String> {
    // The category of the first error does not tell: serde reports a list that is longer than a struct as a syntax error.
    match serde_json::from_str(body) {
        Ok(value) => in_json(&value, expected).map(str::to_owned),
        Err(_) => in_text(body),
    }
}

/// What a text that is not JSON is.
fn in_text(body: &str) -> Option<String> {
    if let Some(column) = half_of_a_pair(body) {
        let why = "replace the character in the producer: no text can hold it";
        return Some(format!("half of a surrogate pair at column {column}: {why}"));
    }
    let text = body.trim_start();
    let is = |starts: &[&str]| starts.iter().any(|start| text.starts_with(start));
    let found = match text {
        "" if body.is_empty() => "empty body",
        "" => "blank body",
        _ if is(&["\u{feff}"]) => BYTE_ORDER_MARK,
        // The same bytes, read as Latin-1.
        _ if is(&["\u{ef}\u{bb}\u{bf}"]) => BYTE_ORDER_MARK,
        _ if is(&["\u{ff}\u{fe}", "\u{fe}\u{ff}", "\u{fffd}\u{fffd}", "\u{fffe}"]) || body.contains('\0') => UTF_16,
        _ if is(&["<!DOCTYPE html", "<!doctype html", "<html"]) => "looks like HTML: is it an error page?",
        _ if is(&["<"]) => "looks like XML: a handler can take it as RawBody",
        _ if is(&["%7B", "%7b", "%5B", "%5b"]) => "looks like percent-encoded JSON: decode it in the producer",
        _ if is(&["{&quot;", "[&quot;", "{&#34;", "{&#x22;"]) => {
            "looks like JSON with HTML entities: decode it in the producer"
        }
        _ if is(&["{\\", "[\\"]) => "looks like JSON with escaped quotation marks: the producer encodes it twice",
        _ if has_quotes(text, &['\'']) => "single quotation marks, where JSON has double ones: is it Python's repr?",
        _ if has_quotes(text, &['\u{201c}', '\u{201d}', '\u{201e}']) => {
            "typographic quotation marks, where JSON has plain ones"
        }
        _ if is(&["//", "/*", "#!"]) => "starts with a comment, which JSON does not have",
        _ => return in_values(text).or_else(|| in_plain(text)).map(str::to_owned),
    };
    Some(found.to_owned())
}

/// Whether an object's first name or a list's first value begins with one of these quotation marks.
fn has_quotes(text: &str, marks: &[char]) -> bool {
    let inside = text.strip_prefix(['{', '[']).map(str::trim_start);
    inside.is_some_and(|inside| inside.starts_with(marks))
}

/// What follows a JSON value that is complete.
fn in_values(text: &str) -> Option<&'static str> {
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<Value>();
    let first = values.next()?.ok()?;
    match values.next()? {
        Ok(_) if text.lines().filter(|line| !line.trim().is_empty()).all(is_json) => {
            Some("several JSON values, one a line (NDJSON): send each as a message of its own")
        }
        Ok(_) if first.is_object() || first.is_array() => Some(SEVERAL),
        Err(_) if first.is_object() || first.is_array() => Some("more text after the JSON: send the JSON alone"),
        _ => None,
    }
}

fn is_json(line: &str) -> bool {
    serde_json::from_str::<Value>(line).is_ok()
}

/// What a text without any JSON is.
fn in_plain(text: &str) -> Option<&'static str> {
    if text.starts_with(['{', '[', '"']) {
        return None;
    }
    if let Some(found) = in_base64(text) {
        return Some(found);
    }
    Some(match text {
        _ if is_form(text) => "looks like form data (name=value): send JSON, or take it as RawBody",
        _ if text.starts_with(|first: char| first.is_ascii_digit() || first == '-') => return None,
        _ => "plain text, not JSON: a handler can take it as RawBody",
    })
}

fn in_base64(text: &str) -> Option<&'static str> {
    // Mail breaks its lines.
    let joined: String = text.split_ascii_whitespace().collect();
    let padded = format!(
        "{}{}",
        joined.trim_end_matches('='),
        ["", "", "==", "="][joined.trim_end_matches('=').len() % 4]
    );
    let bytes = BASE64_STANDARD
        .decode(&padded)
        .or_else(|_| BASE64_URL_SAFE.decode(&padded))
        .ok()?;
    match *bytes {
        [0x1f, 0x8b, ..] => return Some("looks like gzip in Base64: decompress it in the producer"),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => return Some("looks like Zstandard in Base64: decompress it in the producer"),
        [0x78, 0x01 | 0x5e | 0x9c | 0xda, _, _, ..] => {
            return Some("looks like zlib data in Base64: decompress it in the producer");
        }
        _ => {}
    }
    let decoded = String::from_utf8_lossy(&bytes);
    if is_json(&decoded) && decoded.starts_with(['{', '[', '"']) {
        return Some("looks like JSON in Base64: decode it in the producer");
    }
    // A word or a UUID is in one case.
    let has = |kind: fn(&char) -> bool| joined.chars().any(|character| kind(&character));
    let is_mixed = has(char::is_ascii_uppercase)
        && has(char::is_ascii_lowercase)
        && has(|character| character.is_ascii_digit() || *character == '=');
    (joined.len() >= 16 && joined.len().is_multiple_of(4) && is_mixed).then_some(BASE64)
}

fn is_form(text: &str) -> bool {
    let pair = |pair: &str| {
        let name = pair.split_once('=').map(|(name, _)| name);
        let of_name = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.%+[]".contains(&byte);
        name.is_some_and(|name| !name.is_empty() && name.bytes().all(of_name))
    };
    !text.trim_end().contains(char::is_whitespace) && text.trim_end().split('&').all(pair)
}

/// The column (in characters, from 1) of the first escape of half a surrogate pair in the line that has it.
fn half_of_a_pair(body: &str) -> Option<usize> {
    let unit = |at: usize| {
        let digits = body.get(at..)?.strip_prefix("\\u")?.get(..4)?;
        u32::from_str_radix(digits, 16).ok()
    };
    let (mut at, mut in_string) = (0, false);
    while let Some(character) = body.get(at..)?.chars().next() {
        let length = match (character, unit(at)) {
            ('\\', Some(0xd800..=0xdbff)) if in_string => match unit(at + 6) {
                Some(0xdc00..=0xdfff) => 12,
                _ => return Some(column(body, at)),
            },
            ('\\', Some(0xdc00..=0xdfff)) if in_string => return Some(column(body, at)),
            ('\\', _) if in_string => 1 + body.get(at + 1..)?.chars().next()?.len_utf8(),
            _ => character.len_utf8(),
        };
        in_string ^= character == '"';
        at += length;
    }
    None
}

fn column(body: &str, at: usize) -> usize {
    let before = body.get(..at).unwrap_or_default();
    before.rsplit('\n').next().unwrap_or_default().chars().count() + 1
}

/// What JSON of another shape is.
fn in_json(value: &Value, expected: Envelope) -> Option<&'static str> {
    let has = |names: &[&str]| names.iter().all(|name| value.get(name).is_some());
    Some(match value {
        Value::String(text) if text.trim_start().starts_with(['{', '[']) && is_json(text) => ENCODED_TWICE,
        Value::String(text) => return in_base64(text),
        Value::Array(parts) => return in_list(parts),
        _ if value["Event"] == "s3:TestEvent" => {
            "an S3 test event, which S3 sends once when notifications are configured: delete it"
        }
        _ if has(&["Records"]) => return in_records(&value["Records"]),
        _ if has(&["Type", "TopicArn"]) && expected != Envelope::Sns => {
            "an SNS notification: set ENVELOPE to Envelope::Sns, or turn on raw message delivery"
        }
        _ if has(&["detail-type", "source", "detail"]) && expected != Envelope::EventBridge => {
            "an EventBridge event: set ENVELOPE to Envelope::EventBridge, or send its detail only"
        }
        _ if has(&["specversion", "type", "source"]) => {
            "a CloudEvents event: decode its envelope, the message is in `data`"
        }
        _ => return None,
    })
}

/// The names under which the
/// [extended client libraries](https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-managing-large-messages.html)
/// send the place of a message.
fn in_list(parts: &[Value]) -> Option<&'static str> {
    let name = parts.first()?.as_str()?;
    let is_pointer = [
        "software.amazon.payloadoffloading.PayloadS3Pointer",
        "com.amazon.sqs.javamessaging.MessageS3Pointer",
    ];
    is_pointer.contains(&name).then_some(
        "an S3 pointer of the SQS extended client library: send the message itself, or take it as RawBody and read the object",
    )
}

/// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html>
fn in_records(records: &Value) -> Option<&'static str> {
    let source = |name: &str| records[0].get(name)?.as_str();
    Some(match source("eventSource").or_else(|| source("EventSource"))? {
        "aws:s3" => "an S3 event notification: decode its `Records`, or stop the bucket's notifications to this queue",
        "aws:sqs" => "a whole event of Lambda: send the body of each record as a message of its own",
        "aws:sns" => "a whole event of Lambda, from SNS: subscribe the queue, and set ENVELOPE to Envelope::Sns",
        "aws:dynamodb" => "an event of a DynamoDB stream: it is not the handler's message",
        "aws:kinesis" => "an event of a Kinesis stream: it is not the handler's message",
        _ => return None,
    })
}
