//! A sample event.

use std::fmt::Write;

use base64::Engine;
use base64::prelude::BASE64_STANDARD as BASE64;
use md5::{Digest, Md5};
use serde_json::{Value, json};
use uuid::Uuid;

use super::name::Names;
use super::text::Text;

/// An SQS event of one message, as Lambda passes it to the function.
pub(super) fn event(text: &Text, names: &Names) -> String {
    let body = json!({ "id": format!("{}-1", names.name), "amount": 700 }).to_string();
    let handle: Vec<u8> = [(); 4].iter().flat_map(|()| Uuid::new_v4().into_bytes()).collect();
    let more = [
        ("message_id", Uuid::new_v4().to_string()),
        ("receipt_handle", format!("AQEB{}", BASE64.encode(handle))),
        ("md5", md5(&body)),
        ("body", Value::String(body).to_string()),
    ];
    let more: Vec<_> = more.iter().map(|(name, value)| (*name, value.as_str())).collect();
    text.fill_with(include_str!("templates/valid.json.txt"), &more)
}

fn md5(text: &str) -> String {
    Md5::digest(text).iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}
