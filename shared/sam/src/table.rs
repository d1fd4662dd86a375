//! `AWS::DynamoDB::Table`.

use serde_json::{Value as Json, json};

use super::{
    declared::Declared,
    error::Problem,
    model::Table,
    node::Node,
    properties::{Properties, Rules},
    scope::Scope,
};

const RULES: Rules = Rules {
    supported: &["AttributeDefinitions", "BillingMode", "KeySchema", "TableName"],
    parts: &["ProvisionedThroughput", "TimeToLiveSpecification"],
    without_effect: &[
        "ContributorInsightsSpecification",
        "DeletionProtectionEnabled",
        "OnDemandThroughput",
        "PointInTimeRecoverySpecification",
        "ResourcePolicy",
        "SSESpecification",
        "TableClass",
        "Tags",
        "WarmThroughput",
    ],
    refused: &[
        (
            "GlobalSecondaryIndexes",
            "the local stack's tables have no secondary indexes: remove the property",
        ),
        (
            "LocalSecondaryIndexes",
            "the local stack's tables have no secondary indexes: remove the property",
        ),
        (
            "StreamSpecification",
            "the local stack's tables have no streams: remove the property",
        ),
    ],
};

const DEFINITION: Rules = Rules::only(&["AttributeName", "AttributeType"]);
const KEY: Rules = Rules::only(&["AttributeName", "KeyType"]);
const THROUGHPUT: Rules = Rules::only(&["ReadCapacityUnits", "WriteCapacityUnits"]);
const TIME_TO_LIVE: Rules = Rules::only(&["AttributeName", "Enabled"]);

/// Reads one table.
pub(crate) fn read(scope: &Scope<'_>, resource: &Declared<'_>) -> Result<Table, Problem> {
    let properties = Properties::open(scope, &resource.properties, &RULES)?;
    let mut create = json!({
        "TableName": resource.name,
        "AttributeDefinitions": each(properties.required("AttributeDefinitions")?, |node| definition(scope, node))?,
        "KeySchema": each(properties.required("KeySchema")?, |node| key(scope, node))?,
        "BillingMode": properties.one_of("BillingMode", &["PAY_PER_REQUEST", "PROVISIONED"])?.unwrap_or("PROVISIONED"),
    });
    if let Some(throughput) = properties.part(scope, "ProvisionedThroughput", &THROUGHPUT)? {
        create["ProvisionedThroughput"] = json!({
            "ReadCapacityUnits": throughput.required("ReadCapacityUnits")?.number(1..=u32::MAX)?,
            "WriteCapacityUnits": throughput.required("WriteCapacityUnits")?.number(1..=u32::MAX)?,
        });
    }
    let time_to_live = time_to_live(scope, &properties)?;
    Ok(Table {
        logical_id: resource.logical_id.to_owned(),
        name: resource.name.clone(),
        create,
        time_to_live,
    })
}

fn each(list: &Node, read: impl Fn(&Node) -> Result<Json, Problem>) -> Result<Vec<Json>, Problem> {
    list.list()?.iter().map(read).collect()
}

fn definition(scope: &Scope<'_>, node: &Node) -> Result<Json, Problem> {
    let definition = Properties::open(scope, node, &DEFINITION)?;
    Ok(json!({
        "AttributeName": definition.required("AttributeName")?.text()?,
        "AttributeType": definition.required("AttributeType")?.one_of(&["S", "N", "B"])?,
    }))
}

fn key(scope: &Scope<'_>, node: &Node) -> Result<Json, Problem> {
    let key = Properties::open(scope, node, &KEY)?;
    Ok(json!({
        "AttributeName": key.required("AttributeName")?.text()?,
        "KeyType": key.required("KeyType")?.one_of(&["HASH", "RANGE"])?,
    }))
}

fn time_to_live(scope: &Scope<'_>, properties: &Properties) -> Result<Option<String>, Problem> {
    let Some(time_to_live) = properties.part(scope, "TimeToLiveSpecification", &TIME_TO_LIVE)? else {
        return Ok(None);
    };
    if !time_to_live.required("Enabled")?.boolean()? {
        return Ok(None);
    }
    Ok(Some(time_to_live.required("AttributeName")?.text()?.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{read, with_resource};
    use super::*;

    const KEY: &str = "AttributeDefinitions: [{AttributeName: id, AttributeType: S}]
KeySchema: [{AttributeName: id, KeyType: HASH}]";

    fn table(more: &str) -> Result<Table, String> {
        Ok(read(&with_resource("AWS::DynamoDB::Table", &format!("{KEY}\n{more}")))?
            .tables
            .remove(0))
    }

    #[test]
    fn a_table_becomes_a_create_table_request() {
        let expected = json!({
            "TableName": "ledger",
            "AttributeDefinitions": [{ "AttributeName": "id", "AttributeType": "S" }],
            "KeySchema": [{ "AttributeName": "id", "KeyType": "HASH" }],
            "BillingMode": "PAY_PER_REQUEST",
        });
        let table = table("TableName: ledger\nBillingMode: PAY_PER_REQUEST").unwrap();
        assert_eq!((table.create, table.time_to_live), (expected, None));
    }

    #[test]
    fn provisioned_throughput_is_numbers() {
        let table = table("ProvisionedThroughput: {ReadCapacityUnits: 5, WriteCapacityUnits: '6'}").unwrap();
        let expected = json!({ "ReadCapacityUnits": 5, "WriteCapacityUnits": 6 });
        assert_eq!(
            (&table.create["BillingMode"], &table.create["ProvisionedThroughput"]),
            (&json!("PROVISIONED"), &expected)
        );
    }

    #[test]
    fn a_time_to_live_counts_only_if_it_is_enabled() {
        let with = |enabled| {
            table(&format!(
                "TimeToLiveSpecification: {{AttributeName: expiration, Enabled: {enabled}}}"
            ))
        };
        assert_eq!(with("true").unwrap().time_to_live.as_deref(), Some("expiration"));
        assert_eq!(with("false").unwrap().time_to_live, None);
        assert!(
            with("on")
                .unwrap_err()
                .ends_with("TimeToLiveSpecification.Enabled: must be true or false, not \"on\"")
        );
    }

    #[test]
    fn what_protects_a_table_on_aws_makes_no_difference_here() {
        table("PointInTimeRecoverySpecification: {PointInTimeRecoveryEnabled: true}\nDeletionProtectionEnabled: true\nSSESpecification: {SSEEnabled: true}").unwrap();
    }

    #[test]
    fn indexes_and_streams_are_refused() {
        let message = table("GlobalSecondaryIndexes: []").unwrap_err();
        assert_eq!(
            message,
            "t.yaml:7: Resources.It.Properties.GlobalSecondaryIndexes: the local stack's tables have no secondary indexes: remove the property"
        );
        assert!(
            table("StreamSpecification: {StreamViewType: NEW_IMAGE}")
                .unwrap_err()
                .contains("have no streams")
        );
    }

    #[test]
    fn a_refused_property_that_has_no_value_is_not_there() {
        table("StreamSpecification: !Ref AWS::NoValue").unwrap();
    }

    #[test]
    fn a_key_without_a_type_is_refused() {
        let message = read(&with_resource(
            "AWS::DynamoDB::Table",
            "KeySchema: [{AttributeName: id}]\nAttributeDefinitions: []",
        ));
        assert_eq!(
            message.unwrap_err(),
            "t.yaml:5: Resources.It.Properties.KeySchema[0]: KeyType is missing"
        );
    }
}
