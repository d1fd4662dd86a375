//! `AWS::DynamoDB::Table`.

use serde_json::{Value as Json, json};

use super::{
    error::Problem,
    model::Table,
    node::Node,
    properties::{Properties, Rules},
    resources::Declared,
    scope::Scope,
};

const RULES: Rules = Rules {
    honoured: &["AttributeDefinitions", "BillingMode", "KeySchema", "TableName"],
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
