//! The sample events, each invoked as `local invoke` does.

use testing::assert_all_samples;

use crate::stack;

/// The messages of a sample that fail permanently, and how many notifications it sends.
const EXPECTED: [(&str, &[&str], usize); 6] = [
    ("duplicate-in-one-batch.json", &[], 1),
    ("malformed-body.json", &["1c288189-060c-4acb-9d21-56d56fa4a8c5"], 0),
    ("missing-recipient.json", &["96521b09-de97-428a-8911-ec5d30292603"], 0),
    ("redelivered.json", &[], 1),
    ("three-notifications.json", &[], 3),
    ("valid.json", &[], 1),
];

#[tokio::test]
async fn sample_events_dead_letter_exactly_their_invalid_messages() {
    let stack = stack::start(&[]).await;
    assert_all_samples("send-notification", EXPECTED.map(|(file, ..)| file));
    let mut accepted = 0;
    for (file, failing, notifications) in EXPECTED {
        let sampled = stack.invoke_sample("send-notification", file).await;
        assert_eq!(sampled.reported, [""; 0], "{file}");
        assert_eq!(sampled.dead_lettered, failing, "{file}");
        accepted += notifications;
        let received = stack.receiver("NotificationUrl").notifications();
        assert_eq!(received.len(), accepted, "{file}");
        assert!(received.values().all(|notified| notified.requests == 1), "{file}");
    }
}

#[tokio::test]
async fn without_dead_letter_queue_sample_events_report_failures() {
    let stack = stack::start_without_dead_letter_queue(&[]).await;
    for (file, failing, _) in EXPECTED {
        let sampled = stack.invoke_sample("send-notification", file).await;
        assert_eq!(sampled.reported, failing, "{file}");
        assert_eq!(sampled.dead_lettered, [""; 0], "{file}");
    }
}
