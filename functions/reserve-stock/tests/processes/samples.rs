//! The sample events, each invoked as `local invoke` does.

use testing::assert_all_samples;

use crate::stack::{self, stock};

/// The messages of a sample that fail permanently, and how much stock it uses.
const EXPECTED: [(&str, &[&str], i64); 8] = [
    ("duplicate-in-one-batch.json", &[], 1),
    ("malformed-body.json", &["cff418c2-086e-48ff-8127-ba16f6934ada"], 0),
    ("redelivered.json", &[], 1),
    ("three-of-one-group.json", &[], 6),
    ("two-groups.json", &[], 10),
    ("unknown-sku.json", &["936c7355-6073-4712-8037-2c0f87f2ef87"], 0),
    ("valid.json", &[], 2),
    ("zero-quantity.json", &["fa1580e0-e18d-40e3-a651-1c8b0f1210d7"], 0),
];

const SKUS: [&str; 6] = [
    "cup-white",
    "pot-large",
    "pot-small",
    "tea-black",
    "tea-green",
    "tea-white",
];

#[tokio::test]
async fn sample_events_dead_letter_exactly_their_invalid_messages() {
    let stack = stack::start(&SKUS.map(|sku| (sku, 100)), &[]).await;
    assert_all_samples("reserve-stock", EXPECTED.map(|(file, ..)| file));
    for (file, failing, taken) in EXPECTED {
        let left = || stock(&stack).values().sum::<i64>();
        let before = left();
        let sampled = stack.invoke_sample("reserve-stock", file).await;
        assert_eq!(sampled.reported, [""; 0], "{file}");
        assert_eq!(sampled.dead_lettered, failing, "{file}");
        assert_eq!(before - left(), taken, "{file}");
    }
}

#[tokio::test]
async fn without_dead_letter_queue_sample_events_report_failures() {
    let stack = stack::start_without_dead_letter_queue(&SKUS.map(|sku| (sku, 100)), &[]).await;
    for (file, failing, _) in EXPECTED {
        let sampled = stack.invoke_sample("reserve-stock", file).await;
        assert_eq!(sampled.reported, failing, "{file}");
        assert_eq!(sampled.dead_lettered, [""; 0], "{file}");
    }
}
