use std::time::{Duration, UNIX_EPOCH};

use super::*;

fn names(answer: &Value) -> Vec<&str> {
    answer["TableNames"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(Value::as_str)
        .collect()
}

#[test]
fn a_table_is_described_as_aws_describes_it() {
    let store = DynamoDb::with_clock("eu-central-1", || UNIX_EPOCH + Duration::from_millis(1_700_000_000_500));
    let mut request = table("orders", &[("id", "S", "HASH"), ("at", "N", "RANGE")]);
    request["Tags"] = json!([{ "Key": "a", "Value": "b" }]);
    request["SSESpecification"] = json!({ "Enabled": true });
    let created = ok(&store, "CreateTable", request);
    let item = json!({ "id": { "S": "a" }, "at": { "N": "1" } });
    ok(&store, "PutItem", json!({ "TableName": "orders", "Item": item }));
    let described = ok(&store, "DescribeTable", json!({ "TableName": "orders" }));
    assert_eq!(created["TableDescription"]["TableStatus"], "ACTIVE");
    let mut table = described["Table"].clone();
    assert_eq!(table["TableId"], created["TableDescription"]["TableId"]);
    table.as_object_mut().unwrap().remove("TableId");
    assert_eq!(
        table,
        json!({
            "TableName": "orders",
            "TableArn": "arn:aws:dynamodb:eu-central-1:000000000000:table/orders",
            "TableStatus": "ACTIVE",
            "CreationDateTime": 1_700_000_000.5,
            "KeySchema": [
                { "AttributeName": "id", "KeyType": "HASH" },
                { "AttributeName": "at", "KeyType": "RANGE" },
            ],
            "AttributeDefinitions": [
                { "AttributeName": "id", "AttributeType": "S" },
                { "AttributeName": "at", "AttributeType": "N" },
            ],
            "ItemCount": 1,
            "TableSizeBytes": 7,
            "DeletionProtectionEnabled": false,
            "ProvisionedThroughput": {
                "NumberOfDecreasesToday": 0, "ReadCapacityUnits": 0, "WriteCapacityUnits": 0,
            },
            "BillingModeSummary": {
                "BillingMode": "PAY_PER_REQUEST", "LastUpdateToPayPerRequestDateTime": 1_700_000_000.5,
            },
        })
    );
}

#[test]
fn a_table_can_be_created_once_and_deleted_once() {
    let store = store();
    put(&store, key("a"));
    let error = err(&store, "CreateTable", table(HASH, &[("id", "S", "HASH")]));
    assert_eq!(
        (error.name(), error.message.as_str()),
        ("ResourceInUseException", "Table already exists: hash")
    );
    let deleted = ok(&store, "DeleteTable", json!({ "TableName": HASH }));
    assert_eq!(deleted["TableDescription"]["TableStatus"], "DELETING");
    assert_eq!(
        err(&store, "DeleteTable", json!({ "TableName": HASH })).name(),
        "ResourceNotFoundException"
    );
    ok(&store, "CreateTable", table(HASH, &[("id", "S", "HASH")]));
    assert!(store.scan(HASH).is_empty());
}

#[test]
fn a_protected_table_can_not_be_deleted() {
    let store = store();
    let request = merged(
        table("safe", &[("id", "S", "HASH")]),
        json!({ "DeletionProtectionEnabled": true }),
    );
    ok(&store, "CreateTable", request);
    let error = err(&store, "DeleteTable", json!({ "TableName": "safe" }));
    assert!(error.message.contains("protected against deletion"), "{error}");
    ok(&store, "DescribeTable", json!({ "TableName": "safe" }));
}

#[test]
fn tables_are_listed_page_by_page() {
    let store = store();
    ok(&store, "CreateTable", table("more", &[("id", "S", "HASH")]));
    let all = ok(&store, "ListTables", json!({}));
    assert_eq!(
        (names(&all), all.get("LastEvaluatedTableName")),
        (vec!["both", "hash", "more"], None)
    );
    let page = ok(&store, "ListTables", json!({ "Limit": 2 }));
    assert_eq!(
        (names(&page), &page["LastEvaluatedTableName"]),
        (vec!["both", "hash"], &json!("hash"))
    );
    let rest = ok(
        &store,
        "ListTables",
        json!({ "Limit": 1, "ExclusiveStartTableName": "hash" }),
    );
    assert_eq!((names(&rest), rest.get("LastEvaluatedTableName")), (vec!["more"], None));
    assert!(
        err(&store, "ListTables", json!({ "Limit": 101 }))
            .message
            .contains("'limit'")
    );
}

#[test]
fn a_definition_that_could_not_be_honoured_is_refused() {
    let store = DynamoDb::new("eu-central-1");
    let good = table("good", &[("id", "S", "HASH")]);
    let schema = |keys: Value| json!({ "KeySchema": keys });
    let key = |name: &str, role: &str| json!({ "AttributeName": name, "KeyType": role });
    for (members, part) in [
        (
            json!({ "GlobalSecondaryIndexes": [{}] }),
            "does not emulate GlobalSecondaryIndexes",
        ),
        (
            json!({ "LocalSecondaryIndexes": [{}] }),
            "does not emulate LocalSecondaryIndexes",
        ),
        (
            json!({ "StreamSpecification": { "StreamEnabled": true } }),
            "does not emulate StreamSpecification",
        ),
        (json!({ "BillingMode": "FREE" }), "Value 'FREE' at 'billingMode'"),
        (
            json!({ "BillingMode": null }),
            "must both be specified when BillingMode is PROVISIONED",
        ),
        (
            json!({ "ProvisionedThroughput": { "ReadCapacityUnits": 1, "WriteCapacityUnits": 1 } }),
            "when BillingMode is PAY_PER_REQUEST",
        ),
        (json!({ "AttributeDefinitions": null }), "'attributeDefinitions'"),
        (schema(Value::Null), "'keySchema'"),
        (schema(json!([])), "greater than or equal to 1"),
        (
            schema(json!([key("id", "RANGE")])),
            "The first KeySchemaElement is not a HASH key type",
        ),
        (schema(json!([key("id", "X")])), "Value 'X' at 'keyType'"),
        (
            schema(json!([key("other", "HASH")])),
            "Keys: [other], AttributeDefinitions: [id]",
        ),
        (
            schema(json!([key("id", "HASH"), key("id", "RANGE")])),
            "have the same name",
        ),
        (
            schema(Value::from(vec![key("id", "HASH"); 3])),
            "less than or equal to 2",
        ),
        (
            json!({ "AttributeDefinitions": [
                { "AttributeName": "id", "AttributeType": "S" }, { "AttributeName": "x", "AttributeType": "S" },
            ] }),
            "does not exactly match number of attributes",
        ),
    ] {
        let error = err(&store, "CreateTable", merged(good.clone(), members.clone()));
        assert_eq!(error.name(), "ValidationException");
        assert!(error.message.contains(part), "{members}: {error}");
    }
    assert!(names(&ok(&store, "ListTables", json!({}))).is_empty());
    ok(
        &store,
        "CreateTable",
        merged(
            good,
            json!({ "GlobalSecondaryIndexes": [], "StreamSpecification": { "StreamEnabled": false } }),
        ),
    );
}

#[test]
fn time_to_live_is_a_setting_and_nothing_expires() {
    let store = store();
    let specify = |attribute: &str, enabled: bool| json!({ "TableName": HASH, "TimeToLiveSpecification": { "AttributeName": attribute, "Enabled": enabled } });
    let describe = || ok(&store, "DescribeTimeToLive", json!({ "TableName": HASH }))["TimeToLiveDescription"].clone();
    assert_eq!(describe(), json!({ "TimeToLiveStatus": "DISABLED" }));
    assert_eq!(
        err(&store, "UpdateTimeToLive", specify("ttl", false)).message,
        "TimeToLive is already disabled"
    );
    let answer = ok(&store, "UpdateTimeToLive", specify("ttl", true));
    assert_eq!(
        answer,
        json!({ "TimeToLiveSpecification": { "AttributeName": "ttl", "Enabled": true } })
    );
    assert_eq!(
        describe(),
        json!({ "TimeToLiveStatus": "ENABLED", "AttributeName": "ttl" })
    );
    assert_eq!(
        err(&store, "UpdateTimeToLive", specify("ttl", true)).message,
        "TimeToLive is already enabled"
    );
    assert!(
        err(&store, "UpdateTimeToLive", specify("x", true))
            .message
            .ends_with("current AttributeName is ttl")
    );

    put(&store, json!({ "id": { "S": "a" }, "ttl": { "N": "1" } }));
    assert_eq!(get(&store, "a")["ttl"], json!({ "N": "1" }));
    ok(&store, "UpdateTimeToLive", specify("ttl", false));
    assert_eq!(describe(), json!({ "TimeToLiveStatus": "DISABLED" }));
}
