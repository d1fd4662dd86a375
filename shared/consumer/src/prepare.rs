//! A message before its handler runs: unwrapped, decoded, with its key.

use std::any::Any;
use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use idempotency::{InvalidKey, Key};
use tracing::Span;

use crate::delivery::{self, Message};
use crate::envelope::{self, Unwrapped};
use crate::identity::{self, Identity};
use crate::{Delivery, Envelope, Failure, Handler, Incoming, Metrics, Received, body};

/// What the handler gets, or why it can't run.
pub(crate) struct Prepared<M> {
    pub(crate) content: Result<M, Failure>,
    /// Fingerprint of the payload; `None` for a key that the queue made, which has one payload only.
    pub(crate) fingerprint: Option<String>,
}

/// Decodes a message and decides its key. A panic fails this message only.
pub(crate) fn prepare<H: Handler>(
    handler: &H,
    incoming: Incoming,
    metrics: &Metrics,
) -> (Message, Prepared<H::Message>) {
    const {
        assert!(
            Key::is_namespace(H::NAMESPACE),
            "NAMESPACE must have 1 to 255 bytes and no '#'"
        )
    };
    let (mut received, malformed) = Received::new(incoming);
    let incoming = Arc::clone(&received.incoming);
    let (content, origin, no_envelope) = unwrap::<H>(&incoming.body);
    received.origin = origin;
    if H::ENVELOPE == Envelope::CloudEvents {
        received.adopt_trace();
    }
    let span = delivery::span(&received.incoming);
    let (identity, content) = span.in_scope(|| match (malformed, no_envelope) {
        // Nothing of what it states can be relied on, so no other message's key is rejected with it.
        (Some(why), _) => (identity::of_queue(H::NAMESPACE, &received), Err(permanent(why))),
        (None, Some(why)) => (identity::own(H::NAMESPACE, &received, &content), Err(permanent(why))),
        (None, None) => decided(handler, &received, &content),
    });
    let Identity { key, text, fingerprint } = identity;
    span.record("key", key.record_id());
    let delivery = Delivery {
        received,
        key,
        key_text: text,
        metrics: metrics.clone(),
    };
    let message = Message {
        delivery,
        span,
        host_span: Span::current(),
    };
    (message, Prepared { content, fingerprint })
}

/// The message inside its envelope; without a valid envelope, the body as it is, and the reason.
fn unwrap<H: Handler>(body: &str) -> (Cow<'_, str>, Option<crate::Origin>, Option<String>) {
    match envelope::unwrap(H::ENVELOPE, body) {
        Ok(Unwrapped { content, origin }) => (content, origin, None),
        Err(why) => (Cow::Borrowed(body), None, Some(format!("malformed body: {why}"))),
    }
}

/// The content and its key. If the handler can't decide the key, the content is why, under the message's own key.
fn decided<H: Handler>(handler: &H, received: &Received, content: &str) -> (Identity, Result<H::Message, Failure>) {
    let decode = || decode(handler, received, content);
    let failure = match catch_unwind(AssertUnwindSafe(decode)) {
        Ok(Ok((identity, message))) => return (identity, Ok(message)),
        Ok(Err(why)) => permanent(why),
        Err(panic) => panicked(&*panic),
    };
    (identity::own(H::NAMESPACE, received, content), Err(failure))
}

fn permanent(why: impl ToString) -> Failure {
    Failure::permanent(why.to_string())
}

fn decode<H: Handler>(handler: &H, received: &Received, content: &str) -> Result<(Identity, H::Message), String> {
    let message = body::decode(content, H::ENVELOPE)?;
    let stated = handler.key(&message, received);
    Ok((identity::stated(H::NAMESPACE, stated, received, content)?, message))
}

impl Delivery {
    /// The delivery of a message under its own key, for a test that calls a handler directly.
    ///
    /// # Errors
    ///
    /// [`InvalidKey`] if the namespace is invalid.
    pub fn new(namespace: &str, incoming: Incoming) -> Result<Self, InvalidKey> {
        if !Key::is_namespace(namespace) {
            return Err(InvalidKey::Namespace);
        }
        let received = Received::from(incoming);
        let Identity { key, text, .. } = identity::own(namespace, &received, &received.incoming.body);
        Ok(Self {
            received,
            key,
            key_text: text,
            metrics: Metrics::default(),
        })
    }
}

/// The failure of a message whose handler panicked.
pub(crate) fn panicked(panic: &(dyn Any + Send)) -> Failure {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    Failure::retry(format!("panic: {}", text.unwrap_or("(no message)")))
}
