//! Each event of the sample functions shows the fact in its name, and no other.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::facts::ids;
use crate::{all_records, files, of};

/// The body, if it is JSON.
fn body(record: &Value) -> Option<Value> {
    serde_json::from_str(record["body"].as_str()?).ok()
}

fn bodies(file: &str) -> Vec<Value> {
    of(file).iter().filter_map(body).collect()
}

fn sum(order: &Value) -> i64 {
    let lines = order["items"].as_array().unwrap().iter();
    lines
        .map(|line| line["quantity"].as_i64().unwrap() * line["price"].as_i64().unwrap())
        .sum()
}

/// Whether `place-order` accepts the order without regard to other orders.
fn is_acceptable(order: &Value) -> bool {
    let quantities = order["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| line["quantity"].as_i64().unwrap());
    order["amount"] == sum(order) && quantities.min() > Some(0)
}

#[test]
fn no_two_files_share_an_order() {
    let files = files();
    let mut seen: BTreeMap<String, &str> = BTreeMap::new();
    for (file, record) in all_records(&files).filter(|(file, _)| file.starts_with("place-order/")) {
        let Some(order) = body(record) else { continue };
        let first = *seen.entry(order["id"].to_string()).or_insert(file);
        assert_eq!(first, file, "{} is in both", order["id"]);
    }
}

#[test]
fn only_files_named_after_an_error_have_invalid_orders() {
    let files = files();
    let refused: BTreeSet<_> = all_records(&files)
        .filter(|(file, _)| file.starts_with("place-order/"))
        .filter(|(_, record)| !body(record).is_some_and(|order| is_acceptable(&order)))
        .map(|(file, _)| file)
        .collect();
    let expected = ["malformed-body", "negative-quantity", "one-bad-among-good", "wrong-sum"];
    assert_eq!(
        refused,
        expected
            .map(|name| format!("place-order/{name}.json"))
            .iter()
            .map(String::as_str)
            .collect()
    );
}

#[test]
fn only_files_named_after_an_error_have_bad_notifications() {
    let files = files();
    let is_complete = |message: Value| ["to", "subject", "text"].iter().all(|field| message[field].is_string());
    let refused: BTreeSet<_> = all_records(&files)
        .filter(|(file, _)| file.starts_with("send-notification/"))
        .filter(|(_, record)| !body(record).is_some_and(is_complete))
        .map(|(file, _)| file)
        .collect();
    assert_eq!(
        refused,
        BTreeSet::from([
            "send-notification/malformed-body.json",
            "send-notification/missing-recipient.json"
        ])
    );
}

#[test]
fn only_files_named_after_an_error_have_bad_reservations() {
    let files = files();
    let is_acceptable = |reservation: Value| {
        let names = ["sku", "order"].iter().all(|field| reservation[field].is_string());
        names && reservation["quantity"].as_i64() >= Some(1)
    };
    let refused: BTreeSet<_> = all_records(&files)
        .filter(|(file, _)| file.starts_with("reserve-stock/"))
        .filter(|(_, record)| !body(record).is_some_and(is_acceptable))
        .map(|(file, _)| file)
        .collect();
    assert_eq!(
        refused,
        BTreeSet::from(["reserve-stock/malformed-body.json", "reserve-stock/zero-quantity.json"])
    );
}

#[test]
fn message_group_of_a_reservation_is_its_sku() {
    let files = files();
    for (file, record) in all_records(&files).filter(|(file, _)| file.starts_with("reserve-stock/")) {
        let Some(reservation) = body(record) else { continue };
        assert_eq!(record["attributes"]["MessageGroupId"], reservation["sku"], "{file}");
    }
}

#[test]
fn invalid_order_breaks_only_the_rule_in_its_name() {
    assert_eq!(bodies("place-order/malformed-body.json"), Vec::<Value>::new());
    let wrong_sum = &bodies("place-order/wrong-sum.json")[0];
    assert!(wrong_sum["amount"] != sum(wrong_sum));
    let negative = &bodies("place-order/negative-quantity.json")[0];
    assert!(negative["amount"] == sum(negative), "only the quantity is wrong");
    let verdicts: Vec<_> = bodies("place-order/one-bad-among-good.json")
        .iter()
        .map(is_acceptable)
        .collect();
    assert_eq!(verdicts, [true, false, true]);
}

#[test]
fn each_sample_function_has_repeated_messages() {
    let files = files();
    for sample in ["place-order", "reserve-stock", "send-notification"] {
        for file in ["duplicate-in-one-batch.json", "redelivered.json"] {
            assert!(files.contains_key(&format!("{sample}/{file}")), "{sample}/{file}");
        }
    }
}

#[test]
fn order_sent_twice_has_two_message_ids() {
    let sent_twice = of("place-order/same-order-sent-twice.json");
    assert_eq!(ids(&sent_twice).len(), 2);
    assert_eq!(sent_twice[0]["body"], sent_twice[1]["body"]);
    let changed = bodies("place-order/same-id-other-content.json");
    assert_eq!(changed[0]["id"], changed[1]["id"]);
    assert_ne!(changed[0], changed[1]);
}

#[test]
fn larger_batches_match_their_names() {
    let distinct = |file: &str, field: &str| -> BTreeSet<String> {
        bodies(file).iter().map(|order| order[field].to_string()).collect()
    };
    assert_eq!(distinct("place-order/ten-orders.json", "id").len(), 10);
    assert_eq!(distinct("place-order/ten-orders.json", "customer").len(), 4);
    assert_eq!(distinct("place-order/two-orders-of-one-customer.json", "id").len(), 2);
    assert_eq!(
        distinct("place-order/two-orders-of-one-customer.json", "customer").len(),
        1
    );
    assert_eq!(distinct("send-notification/three-notifications.json", "to").len(), 3);
    let groups = |file: &str| -> Vec<Value> {
        let records = of(file);
        let groups = records.iter().map(|record| &record["attributes"]["MessageGroupId"]);
        groups.cloned().collect()
    };
    assert_eq!(groups("place-order/two-groups.json"), ["pia", "quin", "pia", "quin"]);
    let interleaved = ["tea-black", "cup-white", "tea-black", "cup-white"];
    assert_eq!(groups("reserve-stock/two-groups.json"), interleaved);
    assert_eq!(groups("reserve-stock/three-of-one-group.json"), ["tea-white"; 3]);
}
