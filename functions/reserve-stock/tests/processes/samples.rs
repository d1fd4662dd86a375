//! The sample events, each invoked as `local invoke` does.

use std::collections::BTreeSet;

use testing::{UNHURRIED, failures, samples};

use crate::stage::{self, stock};

/// Which of a sample's messages can never be worked, and how much it takes.
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
async fn every_sample_event_is_done_with_and_exactly_what_its_fact_forbids_is_dead_lettered() {
    let stage = stage::set(&SKUS.map(|sku| (sku, 100)), &UNHURRIED).await;
    let samples = samples("reserve-stock");
    let expected: BTreeSet<_> = EXPECTED.iter().map(|(file, ..)| (*file).to_owned()).collect();
    assert_eq!(samples.keys().cloned().collect::<BTreeSet<_>>(), expected);
    for (file, failing, taken) in EXPECTED {
        let left = || stock(&stage).values().sum::<i64>();
        let (before, letters) = (left(), stage.dead_letters("reservations.fifo").len());
        let reported = failures(&stage.invoke_with("reserve-stock", samples[file].clone()).await);
        assert_eq!(reported, [""; 0], "{file}");
        assert_eq!(stage.dead_letters("reservations.fifo")[letters..], *failing, "{file}");
        assert_eq!(before - left(), taken, "{file}");
    }
}

#[tokio::test]
async fn without_a_dead_letter_queue_exactly_the_messages_that_its_fact_forbids_are_reported_of_every_sample_event() {
    let stage = stage::set_without_dead_letter_queue(&SKUS.map(|sku| (sku, 100)), &UNHURRIED).await;
    let samples = samples("reserve-stock");
    for (file, failing, _) in EXPECTED {
        let reported = failures(&stage.invoke_with("reserve-stock", samples[file].clone()).await);
        assert_eq!(reported, failing, "{file}");
    }
    assert_eq!(stage.dead_letters("reservations.fifo"), [""; 0]);
}
