//! Reading a whole table.

use super::*;

fn filled(items: usize) -> DynamoDb {
    let store = store();
    for number in 0..items {
        put(
            &store,
            json!({ "id": { "S": format!("{number:02}") }, "n": { "N": number.to_string() } }),
        );
    }
    store
}

fn scan(store: &DynamoDb, members: Value) -> Value {
    ok(store, "Scan", merged(json!({ "TableName": HASH }), members))
}

/// The IDs of all pages, in order, and how many pages there were.
fn pages(store: &DynamoDb, members: &Value) -> (Vec<String>, usize) {
    let (mut ids, mut count, mut start) = (Vec::new(), 0, json!({}));
    loop {
        let page = scan(store, merged(members.clone(), start));
        let items = page["Items"].as_array().unwrap().iter();
        ids.extend(items.map(|item| item["id"]["S"].as_str().unwrap().to_owned()));
        count += 1;
        match page.get("LastEvaluatedKey") {
            Some(key) => start = json!({ "ExclusiveStartKey": key }),
            None => break,
        }
    }
    ids.sort();
    (ids, count)
}

#[test]
fn pages_of_a_scan_hold_every_item_once() {
    let all = ["00", "01", "02", "03", "04"].map(str::to_owned).to_vec();
    assert_eq!(pages(&filled(5), &json!({ "Limit": 2 })), (all, 3));
}

#[test]
fn a_scan_continues_after_a_deleted_key() {
    let store = filled(4);
    let first = scan(&store, json!({ "Limit": 2 }));
    let last = first["LastEvaluatedKey"].clone();
    ok(&store, "DeleteItem", json!({ "TableName": HASH, "Key": last }));
    let rest = scan(&store, json!({ "ExclusiveStartKey": last }));
    assert_eq!(rest["Count"], 2);
}

#[test]
fn a_page_ends_after_a_megabyte() {
    let store = store();
    let ids = ["a", "b", "c", "d"];
    for id in ids {
        put(
            &store,
            json!({ "id": { "S": id }, "x": { "S": "x".repeat(390 * 1024) } }),
        );
    }
    let (read, pages) = pages(&store, &json!({}));
    assert_eq!(read, ids);
    assert!(pages > 1);
    assert_eq!(store.scan(HASH).len(), 4);
}

#[test]
fn a_scan_filters_counts_and_projects() {
    let store = filled(3);
    let filter = json!({ "FilterExpression": "n > :zero", "ExpressionAttributeValues": { ":zero": { "N": "0" } } });
    let counted = scan(&store, merged(filter, json!({ "Select": "COUNT" })));
    assert_eq!(counted, json!({ "Count": 2, "ScannedCount": 3 }));
    let parts = scan(&store, json!({ "ProjectionExpression": "n", "Limit": 1 }));
    assert_eq!(parts["Items"][0].as_object().unwrap().keys().collect::<Vec<_>>(), ["n"]);
}
