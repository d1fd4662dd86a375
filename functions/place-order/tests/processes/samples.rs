//! The sample events, each invoked as `local invoke` does.

use std::collections::BTreeSet;

use serde_json::Value;
use testing::{assert_all_samples, samples};

use crate::stack::{self, orders, sums, totals};

/// The messages of a sample that fail permanently.
enum Failing {
    None,
    These(&'static [&'static str]),
    /// One of these, whichever is committed last.
    OneOf(&'static [&'static str]),
}

const EXPECTED: [(&str, Failing); 12] = [
    ("duplicate-in-one-batch.json", Failing::None),
    (
        "malformed-body.json",
        Failing::These(&["4ea66c02-0c74-4368-a9a1-05b2b31775e7"]),
    ),
    (
        "negative-quantity.json",
        Failing::These(&["35606ff6-7b1f-47e0-88bb-df972bcfed83"]),
    ),
    (
        "one-bad-among-good.json",
        Failing::These(&["74928b0a-4549-4a1a-a0e4-3747d1f4e0e8"]),
    ),
    ("redelivered.json", Failing::None),
    (
        "same-id-other-content.json",
        Failing::OneOf(&[
            "f266b43b-78a0-4cde-85a5-459a17c8671c",
            "1593caa8-d0cf-43be-8c08-6814062fe3bb",
        ]),
    ),
    ("same-order-sent-twice.json", Failing::None),
    ("ten-orders.json", Failing::None),
    ("two-groups.json", Failing::None),
    ("two-orders-of-one-customer.json", Failing::None),
    ("valid.json", Failing::None),
    (
        "wrong-sum.json",
        Failing::These(&["9def2113-95b5-409f-b263-f4b5faeb4d6e"]),
    ),
];

impl Failing {
    #[track_caller]
    fn check(&self, failed: &[String], file: &str) {
        match self {
            Self::None => assert_eq!(failed, [""; 0], "{file}"),
            Self::These(ids) => assert_eq!(failed, *ids, "{file}"),
            Self::OneOf(ids) => assert!(failed.len() == 1 && ids.contains(&&*failed[0]), "{file}: {failed:?}"),
        }
    }
}

#[tokio::test]
async fn sample_events_dead_letter_exactly_their_invalid_messages() {
    let stack = stack::start(&[]).await;
    assert_all_samples("place-order", EXPECTED.iter().map(|(file, _)| *file));
    for (file, failing) in &EXPECTED {
        let sampled = stack.invoke_sample("place-order", file).await;
        assert_eq!(sampled.reported, [""; 0], "{file}");
        failing.check(&sampled.dead_lettered, file);
    }
    assert_eq!(orders(&stack), valid_orders());
    assert_eq!(totals(&stack), sums(&stack));
}

#[tokio::test]
async fn without_dead_letter_queue_sample_events_report_failures() {
    let stack = stack::start_without_dead_letter_queue(&[]).await;
    for (file, failing) in &EXPECTED {
        let sampled = stack.invoke_sample("place-order", file).await;
        failing.check(&sampled.reported, file);
        assert_eq!(sampled.dead_lettered, [""; 0], "{file}");
    }
    assert_eq!(orders(&stack), valid_orders());
}

/// IDs of all valid orders in the samples, sorted.
fn valid_orders() -> Vec<String> {
    let mut orders = BTreeSet::new();
    for sample in samples("place-order").values() {
        let event: Value = serde_json::from_slice(sample).unwrap();
        for record in event["Records"].as_array().unwrap() {
            let order = serde_json::from_str::<place_order::Order>(record["body"].as_str().unwrap());
            orders.extend(order.ok().filter(|order| order.check().is_ok()).map(|order| order.id));
        }
    }
    orders.into_iter().collect()
}
