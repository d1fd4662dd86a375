//! Tables: created once, described, kept in a file.

use super::*;

const REGION: &str = "eu-central-1";

#[test]
fn a_table_is_active_as_soon_as_it_is_described() {
    let store = DynamoDb::in_memory(REGION).unwrap();
    let mut request = table("orders", &[("id", "S", "HASH"), ("at", "N", "RANGE")]);
    request["Tags"] = json!([{ "Key": "a", "Value": "b" }]);
    request["SSESpecification"] = json!({ "Enabled": true });
    let created = ok(&store, "CreateTable", request)["TableDescription"].clone();
    let described = ok(&store, "DescribeTable", json!({ "TableName": "orders" }))["Table"].clone();
    assert_eq!(described["TableStatus"], "ACTIVE");
    assert_eq!(
        described["TableArn"],
        "arn:aws:dynamodb:eu-central-1:000000000000:table/orders"
    );
    assert_eq!(created["TableArn"], described["TableArn"]);
    assert_eq!(
        described["KeySchema"][1],
        json!({ "AttributeName": "at", "KeyType": "RANGE" })
    );
    assert_eq!(described["BillingModeSummary"]["BillingMode"], "PAY_PER_REQUEST");
}

#[test]
fn a_table_can_be_created_once_and_deleted_once() {
    let store = store();
    put(&store, key("a"));
    let error = err(&store, "CreateTable", table(HASH, &[("id", "S", "HASH")]));
    assert_eq!(error.name(), "ResourceInUseException");
    ok(&store, "DeleteTable", json!({ "TableName": HASH }));
    let error = err(&store, "DeleteTable", json!({ "TableName": HASH }));
    assert_eq!(error.name(), "ResourceNotFoundException");
    ok(&store, "CreateTable", table(HASH, &[("id", "S", "HASH")]));
    assert!(store.scan(HASH).is_empty());
}

#[test]
fn a_protected_table_can_not_be_deleted() {
    let store = store();
    let protected = json!({ "DeletionProtectionEnabled": true });
    ok(
        &store,
        "CreateTable",
        merged(table("safe", &[("id", "S", "HASH")]), protected),
    );
    let error = err(&store, "DeleteTable", json!({ "TableName": "safe" }));
    assert!(error.message.contains("protected against deletion"), "{error}");
    ok(&store, "DescribeTable", json!({ "TableName": "safe" }));
}

#[test]
fn time_to_live_is_a_setting_and_nothing_expires() {
    let store = store();
    let on = json!({ "TableName": HASH, "TimeToLiveSpecification": { "AttributeName": "ttl", "Enabled": true } });
    let describe = || ok(&store, "DescribeTimeToLive", json!({ "TableName": HASH }))["TimeToLiveDescription"].clone();
    assert_eq!(describe(), json!({ "TimeToLiveStatus": "DISABLED" }));
    ok(&store, "UpdateTimeToLive", on);
    assert_eq!(
        describe(),
        json!({ "TimeToLiveStatus": "ENABLED", "AttributeName": "ttl" })
    );
    put(&store, json!({ "id": { "S": "a" }, "ttl": { "N": "1" } }));
    assert_eq!(get(&store, "a")["ttl"], json!({ "N": "1" }));
}

#[test]
fn tables_in_a_file_are_there_when_it_is_opened_again() {
    let path = std::env::temp_dir().join(format!("{}.sqlite", uuid::Uuid::new_v4()));
    let item = json!({ "id": { "S": "a" }, "n": { "N": "1" } });
    let store = with_tables(DynamoDb::in_file(REGION, &path).unwrap());
    put(&store, item.clone());
    drop(store);
    let store = DynamoDb::in_file(REGION, &path).unwrap();
    assert_eq!(get(&store, "a"), item);
    drop(store);
    std::fs::remove_file(&path).unwrap();
}

#[test]
fn a_file_that_can_not_be_used_is_an_error() {
    let error = DynamoDb::in_file(REGION, &std::env::temp_dir()).unwrap_err();
    assert!(error.to_string().contains("unable to open"), "{error}");
}
