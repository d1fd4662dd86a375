//! A message made ready: decoded, and under its key.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use idempotency::{InvalidKey, Key, fingerprint};
use serde_json::Value;

use crate::dead_letter::{IDEMPOTENCY_KEY, ORIGINAL_DEDUPLICATION_ID};
use crate::identity::Source;
use crate::message::{Delivery, Message};
use crate::{Failure, Handler, body, envelope};

/// What the handler is to work on, or why it can't.
pub(crate) struct Prepared<M> {
    pub(crate) content: Result<M, Failure>,
    /// Fingerprint of the payload, for a key that the queue did not make.
    pub(crate) fingerprint: Option<String>,
}

/// Decodes a message, and gives it the key that its handler names. A panic on the way costs this message alone.
pub(crate) fn prepare<H: Handler>(handler: &H, message: &mut Message) -> Prepared<H::Message> {
    let span = message.span.clone();
    let prepared = span.in_scope(|| catch_unwind(AssertUnwindSafe(|| decode(handler, message))));
    span.record("key", message.delivery.key().record_id());
    match prepared {
        Ok(Ok((content, fingerprint))) => Prepared {
            content: Ok(content),
            fingerprint,
        },
        Ok(Err(why)) => failed::<H>(message, Failure::permanent(why)),
        Err(panic) => failed::<H>(message, panicked(&*panic)),
    }
}

/// What can't be worked has a payload too: under a key that it brings, it is not a copy of just anything.
fn failed<H: Handler>(message: &Message, failure: Failure) -> Prepared<H::Message> {
    let of_payload = || {
        let unwrapped = envelope::unwrap(H::ENVELOPE, &message.body);
        payload_fingerprint(
            unwrapped
                .map_or(message.body.as_str().into(), |unwrapped| unwrapped.content)
                .as_ref(),
        )
    };
    Prepared {
        content: Err(failure),
        fingerprint: has_foreign_key(&message.delivery).then(of_payload),
    }
}

/// Whether the key that it brings is one that the queue did not make.
fn has_foreign_key(delivery: &Delivery) -> bool {
    brings_key(delivery) || delivery.origin().is_some()
}

fn brings_key(delivery: &Delivery) -> bool {
    delivery.attribute(IDEMPOTENCY_KEY).is_some_and(|key| !key.is_empty())
}

fn decode<H: Handler>(handler: &H, message: &mut Message) -> Result<(H::Message, Option<String>), String> {
    let Message { delivery, body, .. } = message;
    let unwrapped = envelope::unwrap(H::ENVELOPE, body).map_err(|why| format!("malformed body: {why}"))?;
    let brings_key = brings_key(delivery);
    if let Some(origin) = unwrapped.origin {
        if !brings_key {
            delivery.name::<H>(origin.id().to_owned())?;
        }
        delivery.origin = Some(origin);
    }
    let content = body::decode(&unwrapped.content)?;
    let of_payload = || payload_fingerprint(&unwrapped.content);
    let fingerprint = match handler.key(&content, delivery).0 {
        Source::Message => has_foreign_key(delivery).then(of_payload),
        Source::DeduplicationId => {
            if !brings_key {
                // The new one of a message that was sent back is the sender's.
                let original = delivery.attribute(ORIGINAL_DEDUPLICATION_ID);
                let id = original.or(delivery.deduplication_id()).map(str::to_owned);
                delivery.name::<H>(id.ok_or("it has no deduplication ID; is its queue FIFO?")?)?;
            }
            Some(of_payload())
        }
        Source::Business { key, fingerprint } => {
            // Before the key is its own: without a fingerprint, it could be taken for a copy of another payload.
            let fingerprint = fingerprint.map_or_else(
                || Ok(of_payload()),
                |stated| stated.map_err(|why| format!("its fingerprint can't be computed: {why}")),
            )?;
            delivery.name::<H>(key)?;
            Some(fingerprint)
        }
    };
    Ok((content, fingerprint))
}

impl Delivery {
    fn name<H: Handler>(&mut self, key: String) -> Result<(), String> {
        self.key = Key::new(H::NAMESPACE, &key).map_err(|why: InvalidKey| why.to_string())?;
        self.key_text = key;
        Ok(())
    }
}

/// What the handler could decode may still be too much for a plain value: numbers beyond all types, say. Its very text tells
/// it from others then.
fn payload_fingerprint(content: &str) -> String {
    let value = serde_json::from_str(content).unwrap_or_else(|_| Value::from(content));
    fingerprint(&value).unwrap_or_default()
}

/// After a panic of the author's code.
pub(crate) fn panicked(panic: &(dyn Any + Send)) -> Failure {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    Failure::retry(format!("panic: {}", text.unwrap_or("(no message)")))
}
