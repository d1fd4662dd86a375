//! What receivers, tables and other versions of this crate depend on, as literal samples.

#![allow(clippy::unwrap_used, reason = "all of this is tests")]

use idempotency::{Key, OutgoingMessage, fingerprint};
use serde_json::{Value, json};

#[test]
fn record_ids_and_tokens_are_stable() {
    for (namespace, key, record_id, token) in [
        (
            "place-order",
            "m-1",
            "place-order#m-1",
            "d0f9fdc7bd07533fc64507a1d721c8e28159055801520ee61cab0b54fc9d0a1a",
        ),
        (
            "n",
            "a#b",
            "n#a#b",
            "d34039c220b9942c17f68f1d47bf630791fcd3546dbc06873d047b00aec375eb",
        ),
        (
            "send-notification",
            "Ünïcode\n",
            "send-notification#Ünïcode\n",
            "c07eb02f5e68806f996430cbe2c68fdc98bcfc411f106e8cc26e1614917e963f",
        ),
        // Too long for a partition key.
        (
            "n",
            &"k".repeat(3000),
            "n#sha256:1e668e6b850b1eb4bb89dc81d727b07b973d7d19e8fc87bcc55ab21c0a88da7a",
            "ca3ed45fb3f0741b2597ac31128f8ba18169164aae48f33d8898cb1bb2b81b3a",
        ),
        // Looks like a hash.
        (
            "n",
            "sha256:looks hashed",
            "n#sha256:aa0f9789d30347fd26b9110d0d8e5b1fd43f5efe01d92f8fdef58740dc7daec9",
            "cac6d58ad1beeaaa76eb29d3875018d9e6508b4e3742fa9d29d71a2740f6204e",
        ),
    ] {
        let key = Key::new(namespace, key).unwrap();
        assert_eq!((key.record_id(), key.token().as_str()), (record_id, token));
    }
}

#[test]
fn fingerprints_are_stable() {
    let of = |payload: &Value| fingerprint(payload).unwrap();
    assert_eq!(
        of(&json!({"b": [1, 2.5, "ü"], "a": null})),
        "3ca4eda1ebfd02e4296104981a1e65d4e87e99084ac993fafbc515a8f6a8ad84"
    );
    assert_eq!(
        of(&json!({})),
        "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
    );
    assert_eq!(
        of(&json!("text")),
        "1e1d0f251d3a76fa2b1bfc81164078572623403887db02988b504b0492e9f076"
    );
}

#[test]
fn outgoing_messages_are_stored_and_read_as_ever() {
    let message = OutgoingMessage::new("https://queue/2.fifo", "second")
        .with_key("the second")
        .with_group("g")
        .with_attribute("kind", "parcel");
    let stored = r#"{"queue_url":"https://queue/2.fifo","body":"second","key":"the second","group":"g","attributes":{"kind":"parcel"}}"#;
    assert_eq!(serde_json::to_string(&message).unwrap(), stored);
    assert_eq!(serde_json::from_str::<OutgoingMessage>(stored).unwrap(), message);

    let bare = r#"{"queue_url":"https://queue/1","body":""}"#;
    let message = OutgoingMessage::new("https://queue/1", "");
    assert_eq!(serde_json::to_string(&message).unwrap(), bare);
    assert_eq!(serde_json::from_str::<OutgoingMessage>(bare).unwrap(), message);
}

#[test]
fn deduplication_ids_are_stable() {
    let message = OutgoingMessage::new("q", "b").with_key("place-order#m-1/0");
    assert_eq!(
        message.deduplication_id(),
        "56d6838a9f7cdf677e43f2319177464b0bb455ba1f2e56b9641e6995cc2c6241"
    );
}
