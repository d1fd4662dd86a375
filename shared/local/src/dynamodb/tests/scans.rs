use super::*;

fn filled(items: usize) -> DynamoDb {
    let store = store();
    for number in 0..items {
        let item = json!({ "id": { "S": format!("{number:02}") }, "n": { "N": number.to_string() } });
        put(&store, item);
    }
    store
}

fn scan(store: &DynamoDb, members: Value) -> Value {
    ok(store, "Scan", merged(json!({ "TableName": HASH }), members))
}

fn ids(answer: &Value) -> Vec<&str> {
    answer["Items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item["id"]["S"].as_str().unwrap())
        .collect()
}

#[test]
fn a_scan_reads_page_by_page_until_nothing_is_left() {
    let store = filled(5);
    let first = scan(&store, json!({ "Limit": 2 }));
    assert_eq!(
        (ids(&first), &first["LastEvaluatedKey"]),
        (vec!["00", "01"], &key("01"))
    );
    let second = scan(
        &store,
        json!({ "Limit": 2, "ExclusiveStartKey": first["LastEvaluatedKey"] }),
    );
    assert_eq!(ids(&second), ["02", "03"]);
    let third = scan(
        &store,
        json!({ "Limit": 2, "ExclusiveStartKey": second["LastEvaluatedKey"] }),
    );
    assert_eq!((ids(&third), third.get("LastEvaluatedKey")), (vec!["04"], None));
}

#[test]
fn a_page_that_ends_with_the_table_still_says_where_to_go_on() {
    let store = filled(2);
    let full = scan(&store, json!({ "Limit": 2 }));
    assert_eq!(full["LastEvaluatedKey"], key("01"));
    let rest = scan(
        &store,
        json!({ "Limit": 2, "ExclusiveStartKey": full["LastEvaluatedKey"] }),
    );
    assert_eq!(rest, json!({ "Items": [], "Count": 0, "ScannedCount": 0 }));
}

#[test]
fn a_scan_goes_on_from_a_key_that_is_gone() {
    let store = filled(4);
    ok(&store, "DeleteItem", json!({ "TableName": HASH, "Key": key("01") }));
    assert_eq!(
        ids(&scan(&store, json!({ "ExclusiveStartKey": key("01") }))),
        ["02", "03"]
    );
}

#[test]
fn the_limit_counts_items_before_the_filter() {
    let store = filled(6);
    let page = scan(
        &store,
        json!({
            "Limit": 4, "FilterExpression": "n >= :three", "ExpressionAttributeValues": { ":three": { "N": "3" } },
        }),
    );
    assert_eq!(
        (ids(&page), &page["ScannedCount"], &page["LastEvaluatedKey"]),
        (vec!["03"], &json!(4), &key("03"))
    );
}

#[test]
fn a_scan_can_only_count_or_show_a_part() {
    let store = filled(3);
    let filter = json!({ "FilterExpression": "n > :zero", "ExpressionAttributeValues": { ":zero": { "N": "0" } } });
    let counted = scan(&store, merged(filter, json!({ "Select": "COUNT" })));
    assert_eq!(counted, json!({ "Count": 2, "ScannedCount": 3 }));
    let parts = scan(&store, json!({ "ProjectionExpression": "n", "Limit": 1 }));
    assert_eq!(parts["Items"], json!([{ "n": { "N": "0" } }]));
    for members in [
        json!({ "Select": "SPECIFIC_ATTRIBUTES" }),
        json!({ "Select": "ALL_PROJECTED_ATTRIBUTES" }),
        json!({ "Select": "COUNT", "ProjectionExpression": "n" }),
        json!({ "Select": "ALL_ATTRIBUTES", "ProjectionExpression": "n" }),
    ] {
        let error = err(&store, "Scan", merged(json!({ "TableName": HASH }), members.clone()));
        assert_eq!(error.name(), "ValidationException", "{members}");
    }
}

#[test]
fn a_page_ends_after_a_megabyte() {
    let store = store();
    for id in ["a", "b", "c", "d"] {
        put(
            &store,
            json!({ "id": { "S": id }, "x": { "S": "x".repeat(390 * 1024) } }),
        );
    }
    let page = scan(&store, json!({}));
    assert_eq!(
        (ids(&page), &page["LastEvaluatedKey"]),
        (vec!["a", "b", "c"], &key("c"))
    );
}

#[test]
fn sort_keys_are_scanned_in_the_order_of_numbers() {
    let store = store();
    for sort in ["10", "9", "-1", "1e3"] {
        let item = json!({ "id": { "S": "a" }, "sort": { "N": sort } });
        ok(&store, "PutItem", json!({ "TableName": BOTH, "Item": item }));
    }
    let sorted: Vec<_> = store.scan(BOTH).iter().map(|item| item["sort"]["N"].clone()).collect();
    assert_eq!(sorted, ["-1", "9", "10", "1000"]);
}

#[test]
fn a_start_key_of_another_shape_is_refused() {
    let error = err(
        &filled(1),
        "Scan",
        json!({ "TableName": HASH, "ExclusiveStartKey": { "id": { "N": "1" } } }),
    );
    assert_eq!(
        error.message,
        "The provided starting key is invalid: The provided key element does not match the schema"
    );
}
