//! A test stack with this function, and what notifications leave there.

use emulator::Notified;
use idempotency::Key;
use serde_json::{Value, json};
use testing::TestStack;

/// The name of the function and the path of its binary.
pub(super) const SEND_NOTIFICATION: (&str, &str) = ("send-notification", env!("CARGO_BIN_EXE_send-notification"));

/// Starts a stack.
pub(super) async fn start(parameters: &[(&str, &str)]) -> TestStack {
    TestStack::start(&[SEND_NOTIFICATION], &with_short_delays(parameters)).await
}

/// Starts a stack whose function has no dead-letter queue configured.
pub(super) async fn start_without_dead_letter_queue(parameters: &[(&str, &str)]) -> TestStack {
    let line = "          DEAD_LETTER_QUEUE_URL: !Ref NotificationsDeadLetterQueue\n";
    TestStack::start_edited(&[SEND_NOTIFICATION], (line, ""), &with_short_delays(parameters)).await
}

/// Bounds all retry delays at one second.
fn with_short_delays<'a>(parameters: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    [&[("LongestRetryDelay", "1")], parameters].concat()
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
    stack.stack.receiver().notifications().remove(&token(message))
}
