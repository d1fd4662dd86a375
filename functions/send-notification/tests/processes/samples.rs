//! The sample events, each invoked as `local invoke` does.

use std::collections::BTreeSet;

use testing::{UNHURRIED, failures, samples};

use crate::stage;

/// Which of a sample's messages can never be worked, and how many notifications it makes.
const EXPECTED: [(&str, &[&str], usize); 6] = [
    ("duplicate-in-one-batch.json", &[], 1),
    ("malformed-body.json", &["1c288189-060c-4acb-9d21-56d56fa4a8c5"], 0),
    ("missing-recipient.json", &["96521b09-de97-428a-8911-ec5d30292603"], 0),
    ("redelivered.json", &[], 1),
    ("three-notifications.json", &[], 3),
    ("valid.json", &[], 1),
];

#[tokio::test]
async fn every_sample_event_is_done_with_and_exactly_what_its_fact_forbids_is_dead_lettered() {
    let stage = stage::set(&UNHURRIED).await;
    let samples = samples("send-notification");
    let expected: BTreeSet<_> = EXPECTED.iter().map(|(file, ..)| (*file).to_owned()).collect();
    assert_eq!(samples.keys().cloned().collect::<BTreeSet<_>>(), expected);
    let mut accepted = 0;
    for (file, failing, notifications) in EXPECTED {
        let before = stage.dead_letters("notifications").len();
        let reported = failures(&stage.invoke_with("send-notification", samples[file].clone()).await);
        assert_eq!(reported, [""; 0], "{file}");
        assert_eq!(stage.dead_letters("notifications")[before..], *failing, "{file}");
        accepted += notifications;
        let received = stage.stack.receiver().notifications();
        assert_eq!(received.len(), accepted, "{file}");
        assert!(received.values().all(|notified| notified.requests == 1), "{file}");
    }
}

#[tokio::test]
async fn without_a_dead_letter_queue_exactly_the_messages_that_its_fact_forbids_are_reported_of_every_sample_event() {
    let stage = stage::set_without_dead_letter_queue(&UNHURRIED).await;
    let samples = samples("send-notification");
    for (file, failing, _) in EXPECTED {
        let reported = failures(&stage.invoke_with("send-notification", samples[file].clone()).await);
        assert_eq!(reported, failing, "{file}");
    }
    assert_eq!(stage.dead_letters("notifications"), [""; 0]);
}
