//! What outlives a mistake: tables, messages, and the log that explains them.

use std::collections::BTreeSet;

use serde_json::json;

use crate::Deployment;

#[test]
fn queues_and_tables_stay_when_the_stack_is_deleted_or_they_are_replaced() {
    for resource in &Deployment::default().resources {
        let policies = [&resource.deletion_policy, &resource.update_replace_policy].map(Option::as_deref);
        if ["AWS::SQS::Queue", "AWS::DynamoDB::Table"].contains(&resource.kind.as_str()) {
            // Not after a creation that failed: what it leaves would be in the way of the next.
            let kept = [Some("RetainExceptOnCreate"), Some("Retain")];
            assert_eq!(policies, kept, "{}", resource.logical_id);
        }
    }
}

#[test]
fn tables_can_be_restored_and_only_those_of_dev_can_be_deleted() {
    for deployment in Deployment::all() {
        let protected = if deployment.stage == "dev" { "false" } else { "true" };
        for table in deployment.of_kind("AWS::DynamoDB::Table") {
            let (properties, id) = (&table.properties, &table.logical_id);
            assert_eq!(properties["DeletionProtectionEnabled"], protected, "{id}");
            let recovery = &properties["PointInTimeRecoverySpecification"];
            assert_eq!(recovery["PointInTimeRecoveryEnabled"], "true", "{id}");
            // Without a word DynamoDB encrypts with a key of its own; saying so would be the way to another key.
            assert!(properties["SSESpecification"].is_null(), "{id}");
            assert!(properties["ResourcePolicy"].is_null(), "{id}");
        }
    }
}

#[test]
fn the_ledgers_records_expire_by_the_attribute_that_the_code_writes() {
    let deployment = Deployment::default();
    let tables: BTreeSet<_> = deployment
        .template
        .functions
        .iter()
        .map(|function| &function.environment["IDEMPOTENCY_TABLE"])
        .collect();
    assert_eq!(tables.len(), 1, "all functions share the ledger: {tables:?}");
    for table in &deployment.template.tables {
        // Nothing else expires: not an order.
        let expires = tables.contains(&table.name).then_some("expiration");
        assert_eq!(table.time_to_live.as_deref(), expires, "{}", table.name);
    }
}

#[test]
fn every_function_logs_json_to_a_group_of_its_own_that_outlives_its_dead_letters() {
    for deployment in Deployment::all() {
        for function in &deployment.template.functions {
            let logging = &deployment.resource(&function.logical_id).properties["LoggingConfig"];
            let group = format!("{}Logs", function.logical_id);
            assert_eq!(logging["LogGroup"], json!({"Ref": group}));
            assert_eq!(logging["LogFormat"], "JSON");
            // Lambda counts the line of metrics as INFO.
            let level = logging["ApplicationLogLevel"].as_str().unwrap();
            assert!(["TRACE", "DEBUG", "INFO"].contains(&level), "{level}");

            let group = &deployment.resource(&group).properties;
            assert_eq!(group["LogGroupName"], format!("/aws/lambda/{}", function.name));
            let days: u32 = group["RetentionInDays"].as_str().unwrap().parse().unwrap();
            assert!(days >= 14, "{}: {days}", deployment.stage);
        }
    }
}
