//! Properties of bodies, envelopes and dead-letter attributes, for any input. Tests check them on hostile inputs, and so do
//! the fuzz targets in `tests/fuzz`.

#![allow(clippy::expect_used, reason = "a property that does not hold is what a panic is for")]

use std::collections::BTreeMap;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hostile::quotes;
use serde_json::Value;

use crate::dead_letter::{Original, Rejection, Unpacked, pack};
use crate::{Attribute, Envelope, Incoming, MemoryQueues, MessageId, Queues, RawBody};
use crate::{body, envelope};

/// No reason is longer, whatever the body.
const LONGEST_REASON: usize = 300;

/// A message as a handler may declare it.
#[derive(Debug, PartialEq, serde::Deserialize)]
struct Order {
    id: String,
    amount: u64,
    #[serde(default)]
    items: Vec<Item>,
    note: Option<Note>,
}

#[derive(Debug, PartialEq, serde::Deserialize)]
struct Item {
    sku: String,
    price: f64,
    gift: Option<bool>,
}

#[derive(Debug, PartialEq, serde::Deserialize)]
enum Note {
    Text(String),
    Lines(Vec<String>),
}

/// A body is decoded as serde_json decodes it. Otherwise a short reason states why, and quotes nothing.
pub fn decodes_as_serde_json_does(input: &[u8]) {
    let body = &*String::from_utf8_lossy(input);
    assert_eq!(decoded::<RawBody>(body).as_ref().map(RawBody::as_str), Ok(body));
    same(body, decoded::<Value>(body), serde_json::from_str(body));
    same(body, decoded::<Order>(body), serde_json::from_str(body));
    same(body, decoded::<Option<Item>>(body), serde_json::from_str(body));
    same(
        body,
        decoded::<BTreeMap<String, Note>>(body),
        serde_json::from_str(body),
    );
}

fn decoded<M: body::Body>(body: &str) -> Result<M, String> {
    body::decode(body, Envelope::None)
}

fn same<M: PartialEq + std::fmt::Debug>(body: &str, decoded: Result<M, String>, expected: serde_json::Result<M>) {
    assert_eq!(decoded.as_ref().ok(), expected.as_ref().ok());
    if let Err(why) = decoded {
        assert_reason(&why, body);
        assert!(why.starts_with("malformed body: "), "{why}");
    }
}

fn assert_reason(why: &str, input: &str) {
    assert!(!quotes(why, input.as_bytes()), "quotes the input: {why}");
    assert!(why.len() < LONGEST_REASON, "{} bytes: {why}", why.len());
    assert!(!why.trim_end().ends_with(':'), "states nothing: {why}");
}

/// What an envelope contains is what serde_json finds in it, and has an ID. Otherwise a short reason quotes nothing.
pub fn unwraps_what_the_envelope_contains(input: &[u8]) {
    let body = &*String::from_utf8_lossy(input);
    let unwrapped = envelope::unwrap(Envelope::None, body).expect("without an envelope, the body is the content");
    assert_eq!((&*unwrapped.content, unwrapped.origin), (body, None));
    for kind in [Envelope::Sns, Envelope::EventBridge, Envelope::CloudEvents] {
        let unwrapped = match envelope::unwrap(kind, body) {
            Ok(unwrapped) => unwrapped,
            Err(why) => {
                assert_reason(&why, body);
                continue;
            }
        };
        let origin = unwrapped.origin.expect("an envelope has an origin");
        assert!(!origin.id().is_empty());
        // What serde_json can't hold, such as a number out of range beside the message, can be in an envelope.
        let Ok(value) = serde_json::from_str::<Value>(body) else {
            continue;
        };
        let (id, content) = match kind {
            Envelope::Sns => (&value["MessageId"], value["Message"].as_str().map(Value::from)),
            // Text and Base64 are no JSON values.
            Envelope::CloudEvents if value["datacontenttype"].is_string() || value.get("data").is_none() => continue,
            Envelope::CloudEvents => {
                assert_eq!(
                    value.get("data").cloned(),
                    serde_json::from_str(&unwrapped.content).ok()
                );
                continue;
            }
            _ => (&value["id"], value.get("detail").cloned()),
        };
        assert_eq!(Some(origin.id()), id.as_str());
        match kind {
            Envelope::Sns => assert_eq!(content, Some(Value::from(&*unwrapped.content))),
            _ => assert_eq!(content, serde_json::from_str(&unwrapped.content).ok()),
        }
    }
}

/// Attributes of a message, whatever they are: what is packed for the dead-letter queue is unpacked to the same. No attribute of
/// the producer that has a value is lost.
pub fn packs_what_it_unpacks(input: &[u8]) {
    let Some(attributes) = attributes(input) else {
        return;
    };
    let moved = Unpacked::of_dead_letter(attributes.clone(), true);
    assert_eq!(moved, Unpacked::of(attributes.clone()));
    let unpacked = Unpacked::of_dead_letter(attributes.clone(), false);
    if let Some(why) = &unpacked.malformed {
        assert_reason(&why.to_string(), &String::from_utf8_lossy(input));
    }
    let limits = MemoryQueues::new().limits("dlq");
    for mut unpacked in [moved, unpacked] {
        let original = unpacked.original.clone().unwrap_or_default();
        let sent = pack(
            unpacked.attributes.clone(),
            original.clone(),
            unpacked.rejection.as_ref(),
            &limits,
        );
        assert!(sent.len() <= limits.attributes);
        let again = Unpacked::of(sent);
        unpacked.attributes.retain(|_, attribute| !attribute.is_empty());
        assert_eq!(again.attributes, unpacked.attributes);
        assert_eq!(again.original, Some(original));
        assert_eq!((again.rejection, again.malformed), (unpacked.rejection, None));
    }
    is_dead_lettered_as_it_is(attributes);
}

/// The dead letter of a message with these attributes: its attributes, key and message ID are read from it.
fn is_dead_lettered_as_it_is(attributes: BTreeMap<String, Attribute>) {
    let incoming = Incoming {
        attributes,
        ..Incoming::new(MessageId::new("m-1").expect("not empty"), "body")
    };
    let (message, _) = crate::prepare::prepare(&Refusing, incoming, &crate::Metrics::default());
    let limits = MemoryQueues::new().limits("dlq");
    let Ok(dead_letter) = crate::dead_letter::of("fuzz", &message, &"refused".to_owned().into(), &limits) else {
        return;
    };
    assert!(dead_letter.bytes() <= limits.message_bytes && dead_letter.attributes.len() <= limits.attributes);
    let read = Unpacked::of_dead_letter(dead_letter.attributes, false);
    let sent = message
        .delivery
        .incoming
        .attributes
        .iter()
        .filter(|(_, attribute)| !attribute.is_empty());
    assert!(read.attributes.iter().eq(sent));
    let original = read.original.expect("a dead letter has an original");
    let before = message.delivery.original();
    let first_id = before.and_then(|before| before.message_id.as_deref());
    assert_eq!(original.message_id.as_deref(), first_id.or(Some("m-1")));
    let key = original.key.or(original.message_id);
    assert_eq!(key.as_deref(), Some(message.delivery.key_text()));
    let reason = read.rejection.expect("a dead letter has a reason").reason;
    assert!("refused".starts_with(&reason) && !reason.is_empty());
}

struct Refusing;

impl crate::Handler for Refusing {
    type Message = RawBody;
    type Write = idempotency::NoWrites;
    const NAMESPACE: &'static str = "fuzz";

    async fn handle(&self, _: RawBody, _: &crate::Delivery) -> Result<idempotency::Completion, crate::Failure> {
        Err(crate::Failure::permanent("refused"))
    }
}

/// Attributes as an event of Lambda has them; `None` if the input is nothing like that.
fn attributes(input: &[u8]) -> Option<BTreeMap<String, Attribute>> {
    let Value::Object(members) = serde_json::from_slice(input).ok()? else {
        return None;
    };
    let attribute = |(name, value): (String, Value)| {
        let text = |field: &str| value.get(field)?.as_str().map(str::to_owned);
        let attribute = Attribute {
            data_type: text("dataType"),
            string_value: text("stringValue"),
            binary_value: text("binaryValue").and_then(|text| BASE64_STANDARD.decode(text).ok()),
        };
        (name, attribute)
    };
    Some(members.into_iter().map(attribute).collect())
}

/// The JSON in our attributes is read to what it is written to.
pub fn reads_the_json_it_writes(input: &[u8]) {
    let text = &*String::from_utf8_lossy(input);
    match Original::from_json(text) {
        Ok(original) => assert_eq!(Original::from_json(&original.to_json()), Ok(original)),
        Err(why) => assert_reason(&why.to_string(), text),
    }
    match Rejection::from_json(text) {
        Ok(rejection) => assert_eq!(Rejection::from_json(&rejection.to_json()), Ok(rejection)),
        Err(why) => assert_reason(&why.to_string(), text),
    }
}

#[cfg(test)]
mod tests {
    use hostile::{check, files};

    use super::*;

    const RUNS: u64 = 3_000;

    #[test]
    fn hostile_bodies_are_decoded_or_explained() {
        check(&files(&["tests/fuzz/seeds/body"]), RUNS, decodes_as_serde_json_does);
    }

    #[test]
    fn hostile_envelopes_are_unwrapped_or_explained() {
        check(
            &files(&["tests/fuzz/seeds/envelope"]),
            RUNS,
            unwraps_what_the_envelope_contains,
        );
    }

    #[test]
    fn hostile_attributes_are_packed_without_loss() {
        check(&files(&["tests/fuzz/seeds/attributes"]), RUNS, packs_what_it_unpacks);
    }

    #[test]
    fn hostile_values_of_our_attributes_are_read_or_explained() {
        check(&files(&["tests/fuzz/seeds/original"]), RUNS, reads_the_json_it_writes);
    }
}
