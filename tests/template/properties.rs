//! Properties of resources, parameters and outputs.

use std::collections::BTreeMap;
use std::path::Path;

use sam::Template;
use serde_json::{Value, json};

use crate::same::assert_same;
use crate::{Deployment, ROOT, path, section, settings};

/// The properties that resources of each kind may have.
const KNOWN: [(&str, &[&str]); 10] = [
    (
        "AWS::Serverless::Function",
        &[
            "Architectures",
            "CodeUri",
            "Environment",
            "FunctionName",
            "Handler",
            "LoggingConfig",
            "MemorySize",
            "RecursiveLoop",
            "Role",
            "Runtime",
            "Timeout",
            "Tracing",
        ],
    ),
    (
        "AWS::Lambda::EventSourceMapping",
        &[
            "BatchSize",
            "EventSourceArn",
            "FunctionName",
            "FunctionResponseTypes",
            "MaximumBatchingWindowInSeconds",
            "MetricsConfig",
            "ScalingConfig",
        ],
    ),
    ("AWS::IAM::Role", &["AssumeRolePolicyDocument", "Policies"]),
    ("AWS::IAM::RolePolicy", &["PolicyDocument", "PolicyName", "RoleName"]),
    ("AWS::Logs::LogGroup", &["LogGroupName", "RetentionInDays"]),
    (
        "AWS::SQS::Queue",
        &[
            "ContentBasedDeduplication",
            "DeduplicationScope",
            "FifoQueue",
            "FifoThroughputLimit",
            "MessageRetentionPeriod",
            "QueueName",
            "RedriveAllowPolicy",
            "RedrivePolicy",
            "SqsManagedSseEnabled",
            "VisibilityTimeout",
        ],
    ),
    ("AWS::SQS::QueuePolicy", &["PolicyDocument", "Queues"]),
    (
        "AWS::DynamoDB::Table",
        &[
            "AttributeDefinitions",
            "BillingMode",
            "DeletionProtectionEnabled",
            "KeySchema",
            "PointInTimeRecoverySpecification",
            "TableName",
            "TimeToLiveSpecification",
        ],
    ),
    (
        "AWS::CloudWatch::Alarm",
        &[
            "AlarmActions",
            "AlarmDescription",
            "AlarmName",
            "ComparisonOperator",
            "DatapointsToAlarm",
            "Dimensions",
            "EvaluationPeriods",
            "MetricName",
            "Namespace",
            "OKActions",
            "Period",
            "Statistic",
            "Threshold",
            "TreatMissingData",
        ],
    ),
    ("AWS::CloudWatch::Dashboard", &["DashboardBody", "DashboardName"]),
];

const DECIDE: &str = "decide which permissions it needs, whether every stage and every resource of its kind should have it, and \
                      what it costs; then add it here";

/// Parameters, each with a unique value and the kind of resource that takes it: one resource per function.
const USED_BY: [(&str, &str, &str); 13] = [
    ("Architecture", "arm64", "AWS::Serverless::Function"),
    ("MemorySize", "517", "AWS::Serverless::Function"),
    ("FunctionTimeout", "17", "AWS::Serverless::Function"),
    ("LongestRetryDelay", "717", "AWS::Serverless::Function"),
    ("RequestTimeout", "7", "AWS::Serverless::Function"),
    ("MaximumConcurrency", "317", "AWS::Lambda::EventSourceMapping"),
    ("LogLevel", "TRACE", "AWS::Serverless::Function"),
    ("SystemLogLevel", "WARN", "AWS::Serverless::Function"),
    ("Tracing", "PassThrough", "AWS::Serverless::Function"),
    ("VisibilityTimeout", "5417", "AWS::SQS::Queue"),
    ("MaxReceiveCount", "217", "AWS::SQS::Queue"),
    ("MaxReceiveCount", "217", "AWS::Serverless::Function"),
    ("LogRetentionDays", "545", "AWS::Logs::LogGroup"),
];

#[test]
fn resources_have_known_properties_only() {
    let known = BTreeMap::from(KNOWN);
    let topic = [("AlarmTopicArn", "arn:aws:sns:us-east-1:000000000000:on-call")];
    for resource in Deployment::with("", &topic).resources {
        let kind = resource.kind.as_str();
        let known = known.get(kind).unwrap_or_else(|| panic!("{kind} is new: {DECIDE}"));
        for property in resource.properties.as_object().unwrap().keys() {
            assert!(
                known.contains(&property.as_str()),
                "{property} of {kind} is new: {DECIDE}"
            );
        }
    }
}

#[test]
fn every_function_of_the_workspace_is_built_and_deployed() {
    let folder = Path::new(ROOT).join("functions");
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    let folders = entries.filter(|entry| entry.path().is_dir());
    let expected = folders.map(|folder| {
        let binary = folder.file_name().into_string().unwrap();
        json!({"BuildMethod": "rust-cargolambda", "BuildProperties": {"Binary": binary}}).to_string()
    });
    let resources = section("Resources", &[]).into_iter();
    let functions = resources.filter(|(_, resource)| resource["Type"] == "AWS::Serverless::Function");
    assert_same(
        "functions that are built",
        functions.map(|(_, function)| function["Metadata"].to_string()),
        expected,
        "Every folder of functions/ has a section in template.yaml, whose Metadata names its binary: see functions/README.md.",
    );
}

#[test]
fn every_function_takes_the_parameters() {
    let functions = Deployment::default().template.functions.len();
    for (parameter, value, kind) in USED_BY {
        let deployment = Deployment::with("", &[(parameter, value)]);
        let takes = |properties: &Value| properties.to_string().contains(&format!("\"{value}\""));
        let taken = deployment.of_kind(kind).filter(|resource| takes(&resource.properties));
        assert_eq!(taken.count(), functions, "{kind}s with {parameter}={value}");
    }
}

#[test]
fn no_parameter_removes_a_resource() {
    let names = |parameters: &[(&str, &str)]| {
        let resources = Deployment::with("", parameters).resources.into_iter();
        resources.map(|resource| resource.logical_id).collect::<Vec<_>>()
    };
    let topic = "arn:aws:sns:us-east-1:000000000000:on-call";
    for parameters in [[("Tracing", "PassThrough")], [("AlarmTopicArn", topic)]] {
        assert_eq!(names(&parameters), names(&[]), "{parameters:?}");
    }
}

#[test]
fn parameters_refuse_harmful_values() {
    for (parameter, harmful) in [
        // Metrics would not be logged.
        ("LogLevel", "WARN"),
        // Logs would expire before the dead letters that they explain.
        ("LogRetentionDays", "7"),
        // Without a separator, names of one stage could equal those of another.
        ("Prefix", "prod"),
        ("NotificationUrl", "notifications.example.com"),
    ] {
        let refusal = Template::read(&path(), &settings(&[(parameter, harmful)])).unwrap_err();
        let path_in_template = format!("Parameters.{parameter}:");
        assert!(refusal.to_string().contains(&path_in_template), "{refusal}");
    }
}

#[test]
fn tables_bill_per_request_and_functions_use_provided_al2023() {
    let deployment = Deployment::default();
    for (kind, property, value) in [
        ("AWS::DynamoDB::Table", "BillingMode", "PAY_PER_REQUEST"),
        ("AWS::Serverless::Function", "Runtime", "provided.al2023"),
    ] {
        for resource in deployment.of_kind(kind) {
            assert_eq!(resource.properties[property], value, "{}", resource.logical_id);
        }
    }
}

#[test]
fn outputs_match_their_names() {
    let deployment = Deployment::with("", &[("Prefix", "dev-")]);
    let mut expected = BTreeMap::new();
    for mapping in &deployment.template.mappings {
        let queue = deployment.queue(&mapping.queue);
        let url = format!("http://127.0.0.1:4566/000000000000/{}", queue.name);
        expected.insert(format!("{}Url", queue.logical_id), json!(url));
        let dead_letters = deployment.queue(&deployment.dead_letter_queue(&mapping.queue));
        expected.insert(format!("{}Name", dead_letters.logical_id), json!(dead_letters.name));
    }
    expected.insert("IdempotencyTableName".to_owned(), json!("dev-idempotency"));
    let dashboard =
        "https://console.aws.amazon.com/cloudwatch/home?region=${AWS::Region}#dashboards/dashboard/${Dashboard}";
    expected.insert("DashboardUrl".to_owned(), json!({"Fn::Sub": dashboard}));
    let outputs = section("Outputs", &[("Prefix", "dev-")]).into_iter();
    let values = outputs.map(|(name, mut output)| format!("{name} = {}", output["Value"].take()));
    assert_same(
        "outputs",
        values,
        expected.iter().map(|(name, value)| format!("{name} = {value}")),
        "Add it to Outputs in template.yaml, or to this test.",
    );
}
