//! Bodies that other senders send.

use std::sync::{Arc, Mutex};

use consumer::{Delivery, Failure, Handler, IdempotencyKey, Mode, RawBody, Received};
use idempotency::{Completion, Key, Status};
use serde::Deserialize;

use crate::common::{DLQ, Effect, Message, STANDARD, batch_of, failed, rejection, with_dead_letter_queue};

#[derive(Deserialize)]
struct Order {
    id: String,
}

/// Records the IDs of orders.
#[derive(Default)]
struct Ordering(Mutex<Vec<String>>);

impl Handler for Ordering {
    type Message = Order;
    type Write = Effect;
    const NAMESPACE: &'static str = "ordering";

    async fn handle(&self, order: Order, _: &Delivery) -> Result<Completion<Effect>, Failure> {
        self.0.lock().unwrap().push(order.id);
        Ok(Completion::new())
    }
}

#[tokio::test(start_paused = true)]
async fn bodies_of_others_are_dead_lettered_beside_an_order() {
    let others = [
        ("\u{feff}{\"id\": \"o-1\"}", "starts with a UTF-8 byte order mark"),
        ("eyJpZCI6ICJvLTEifQ==", "looks like Base64 of JSON"),
        (
            "H4sIAAAAAAACA6tWykxRslJQyjdU0lGqBQBYvoC7DwAAAA==",
            "looks like Base64 of gzip",
        ),
        (
            r#"["software.amazon.payloadoffloading.PayloadS3Pointer", {"s3BucketName": "field-bucket", "s3Key": "k"}]"#,
            "an S3 pointer of the SQS extended client library",
        ),
        ("Hello from SQS!", "plain text"),
        (r#"{"id": "\ud83d"}"#, "half of a surrogate pair at column 9"),
        (
            r#"{"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "field-bucket"}"#,
            "an S3 test event",
        ),
        (
            r#"{"Records": [{"eventSource": "aws:s3", "s3": {}}]}"#,
            "an S3 event notification",
        ),
    ];
    let (handler, services) = (Arc::<Ordering>::default(), with_dead_letter_queue());
    let messages = others
        .iter()
        .enumerate()
        .map(|(n, (body, _))| Message::new(&format!("m-{n}"), *body));
    let messages = messages.chain([Message::new("m-order", r#"{"id": "o-1"}"#)]);
    assert!(
        failed(&handler, &services, batch_of(STANDARD, messages))
            .await
            .is_empty()
    );
    assert_eq!(*handler.0.lock().unwrap(), ["o-1"]);
    let dead_letters = services.queues().sent(DLQ);
    assert_eq!(dead_letters.len(), others.len());
    for (body, found) in others {
        let dead_letter = dead_letters
            .iter()
            .find(|dead_letter| dead_letter.body == body)
            .unwrap();
        let why = rejection(dead_letter).reason;
        assert!(why.starts_with(&format!("malformed body: {found}")), "{why}");
    }
}

/// Takes any body; its first line is the key.
#[derive(Default)]
struct Reading(Mutex<Vec<String>>);

impl Handler for Reading {
    type Message = RawBody;
    type Write = Effect;
    const NAMESPACE: &'static str = "reading";
    const MODE: Mode = Mode::ClaimThenComplete;

    fn key(&self, body: &RawBody, _: &Received) -> IdempotencyKey {
        IdempotencyKey::business(body.as_str().lines().next().unwrap_or_default())
    }

    async fn handle(&self, body: RawBody, _: &Delivery) -> Result<Completion<Effect>, Failure> {
        self.0.lock().unwrap().push(body.into_string());
        Ok(Completion::new())
    }
}

#[tokio::test(start_paused = true)]
async fn a_raw_body_is_handled_once_and_another_is_rejected() {
    let (handler, services) = (Arc::<Reading>::default(), with_dead_letter_queue());
    for (id, body) in [
        ("m-1", "o-1\n<a/>"),
        ("m-2", "o-1\n<a/>"),
        ("m-3", "o-1\n<b/>"),
        ("m-4", "\u{feff}o-2"),
    ] {
        assert!(
            failed(&handler, &services, batch_of(STANDARD, [Message::new(id, body)]))
                .await
                .is_empty()
        );
    }
    assert_eq!(*handler.0.lock().unwrap(), ["o-1\n<a/>", "\u{feff}o-2"]);
    let record = services.store().record(&Key::new("reading", "o-1").unwrap()).unwrap();
    assert_eq!(record.status, Status::Completed);
    let [dead_letter] = services.queues().sent(DLQ).try_into().unwrap();
    assert_eq!(dead_letter.body, "o-1\n<b/>");
    assert!(
        rejection(&dead_letter)
            .reason
            .starts_with("its key was used for another payload")
    );
}
