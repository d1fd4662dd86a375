//! Retention of tables, messages and logs.

use std::collections::BTreeSet;

use serde_json::json;

use crate::Deployment;

#[test]
fn queues_and_tables_are_retained() {
    for resource in &Deployment::default().resources {
        let policies = [&resource.deletion_policy, &resource.update_replace_policy].map(Option::as_deref);
        if ["AWS::SQS::Queue", "AWS::DynamoDB::Table"].contains(&resource.kind.as_str()) {
            // Not after a failed creation: remaining resources would block the next one.
            let kept = [Some("RetainExceptOnCreate"), Some("Retain")];
            assert_eq!(policies, kept, "{}", resource.logical_id);
        }
    }
}

#[test]
fn tables_can_be_restored_and_are_protected_except_in_dev() {
    for deployment in Deployment::all() {
        let protected = if deployment.stage == "dev" { "false" } else { "true" };
        for table in deployment.of_kind("AWS::DynamoDB::Table") {
            let (properties, id) = (&table.properties, &table.logical_id);
            assert_eq!(properties["DeletionProtectionEnabled"], protected, "{id}");
            let recovery = &properties["PointInTimeRecoverySpecification"];
            assert_eq!(recovery["PointInTimeRecoveryEnabled"], "true", "{id}");
            // By default DynamoDB encrypts with a key of its own. This property is for other keys.
            assert!(properties["SSESpecification"].is_null(), "{id}");
            assert!(properties["ResourcePolicy"].is_null(), "{id}");
        }
    }
}

#[test]
fn only_ledger_records_expire() {
    let deployment = Deployment::default();
    let tables: BTreeSet<_> = deployment
        .template
        .functions
        .iter()
        .map(|function| &function.environment["IDEMPOTENCY_TABLE"])
        .collect();
    assert_eq!(tables.len(), 1, "all functions share the ledger: {tables:?}");
    for table in &deployment.template.tables {
        // No other table expires, such as orders.
        let expires = tables.contains(&table.name).then_some("expiration");
        assert_eq!(table.time_to_live.as_deref(), expires, "{}", table.name);
    }
}

#[test]
fn functions_log_json_for_longer_than_dead_letters_last() {
    for deployment in Deployment::all() {
        for function in &deployment.template.functions {
            let logging = &deployment.resource(&function.logical_id).properties["LoggingConfig"];
            let group = format!("{}Logs", function.logical_id);
            assert_eq!(logging["LogGroup"], json!({"Ref": group}));
            assert_eq!(logging["LogFormat"], "JSON");
            // The metrics line has level INFO.
            let level = logging["ApplicationLogLevel"].as_str().unwrap();
            assert!(["TRACE", "DEBUG", "INFO"].contains(&level), "{level}");

            let group = &deployment.resource(&group).properties;
            assert_eq!(group["LogGroupName"], format!("/aws/lambda/{}", function.name));
            let days: u32 = group["RetentionInDays"].as_str().unwrap().parse().unwrap();
            assert!(days >= 14, "{}: {days}", deployment.stage);
        }
    }
}
