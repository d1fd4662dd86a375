//! A stage with this function on it, and what notifications leave there.

use emulator::Notified;
use idempotency::Key;
use serde_json::{Value, json};
use testing::TestStack;

/// The function and its program.
pub(super) const SEND_NOTIFICATION: (&str, &str) = ("send-notification", env!("CARGO_BIN_EXE_send-notification"));

/// A stage of its own for a test.
pub(super) async fn set(parameters: &[(&str, &str)]) -> TestStack {
    TestStack::start(&[SEND_NOTIFICATION], &hurried(parameters)).await
}

/// A stage whose function knows of no dead-letter queue.
pub(super) async fn set_without_dead_letter_queue(parameters: &[(&str, &str)]) -> TestStack {
    let line = "          DEAD_LETTER_QUEUE_URL: !Ref NotificationsDeadLetterQueue\n";
    TestStack::start_edited(&[SEND_NOTIFICATION], (line, ""), &hurried(parameters)).await
}

/// With delays that do not grow.
fn hurried<'a>(parameters: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    [&[("LongestRetryDelay", "1")], parameters].concat()
}

/// The `Idempotency-Key` of a message at every attempt.
pub(super) fn token(message: &str) -> String {
    Key::new("send-notification", message).unwrap().token()
}

pub(super) fn notification(to: &str) -> Value {
    json!({ "to": to, "subject": "Your order", "text": "Grüße! It is on its way." })
}

/// What the stack's own receiver got for a message, and under its key.
pub(super) fn notified(stage: &TestStack, message: &str) -> Option<Notified> {
    stage.stack.receiver().notifications().remove(&token(message))
}
