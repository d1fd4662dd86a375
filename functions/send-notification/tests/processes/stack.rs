//! A test stack with this function, and what notifications leave there.

use emulator::Notified;
use idempotency::Key;
use serde_json::{Value, json};
use testing::TestStack;

/// The name of the function and the path of its binary.
pub(super) const SEND_NOTIFICATION: (&str, &str) = ("send-notification", env!("CARGO_BIN_EXE_send-notification"));

/// Starts a stack.
pub(super) async fn start(parameters: &[(&str, &str)]) -> TestStack {
    TestStack::start(&[SEND_NOTIFICATION], parameters).await
}

/// Starts a stack whose function has no dead-letter queue configured.
pub(super) async fn start_without_dead_letter_queue(parameters: &[(&str, &str)]) -> TestStack {
    TestStack::start_without_dead_letter_queues(&[SEND_NOTIFICATION], parameters).await
}

/// The `Idempotency-Key` of a message, the same at every attempt.
pub(super) fn token(message: &str) -> String {
    Key::new("send-notification", message).unwrap().token()
}

pub(super) fn notification(to: &str) -> Value {
    json!({ "to": to, "subject": "Your order", "text": "Grüße! It is on its way." })
}

/// What the receiver of the stack got for a message.
pub(super) fn notified(stack: &TestStack, message: &str) -> Option<Notified> {
    stack
        .receiver("NotificationUrl")
        .notifications()
        .remove(&token(message))
}
