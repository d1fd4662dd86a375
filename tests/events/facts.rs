//! Each sample event shows the fact in its name, whatever its function does.

use std::collections::BTreeSet;

use crate::{files, of};

pub(crate) fn ids(records: &[serde_json::Value]) -> BTreeSet<&str> {
    records
        .iter()
        .filter_map(|record| record["messageId"].as_str())
        .collect()
}

#[test]
fn duplicate_is_one_message_received_twice() {
    for name in files().keys() {
        let records = of(name);
        match name.split_once('/').unwrap().1 {
            "duplicate-in-one-batch.json" => {
                assert_eq!((records.len(), ids(&records).len()), (2, 1), "{name}");
                assert_eq!(records[0]["body"], records[1]["body"], "{name}");
            }
            "redelivered.json" => {
                assert_eq!(records[0]["attributes"]["ApproximateReceiveCount"], "3", "{name}");
            }
            _ => {}
        }
    }
}
