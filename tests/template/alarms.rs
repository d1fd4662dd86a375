//! Alarms.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::{Value, json};
use testing::TestStack;

use crate::same::assert_same;
use crate::{Deployment, ROOT, dashboard};

pub(crate) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text"))
}

/// The properties of each alarm by name, without description and actions.
fn alarms(deployment: &Deployment) -> BTreeMap<String, Value> {
    let of = |properties: &Value| {
        let mut rest = properties.as_object().unwrap().clone();
        for own in ["AlarmDescription", "AlarmActions", "OKActions"] {
            rest.remove(own);
        }
        let name = rest.remove("AlarmName").unwrap();
        (text(&name).to_owned(), Value::Object(rest))
    };
    let alarms = deployment.of_kind("AWS::CloudWatch::Alarm");
    alarms.map(|alarm| of(&alarm.properties)).collect()
}

/// The expected alarms of a queue or function, in the same form.
fn about<const N: usize>(dimension: &str, of: &str, alarms: [(&str, Value); N]) -> [(String, Value); N] {
    alarms.map(|(name, mut alarm)| {
        alarm["Dimensions"] = json!([{"Name": dimension, "Value": of}]);
        alarm["ComparisonOperator"] = json!("GreaterThanThreshold");
        alarm["TreatMissingData"] = json!("notBreaching");
        let about = of.trim_end_matches(".fifo").trim_end_matches("-dlq");
        (format!("{about}-{name}"), alarm)
    })
}

fn of_dead_letter_queue(queue: &str) -> [(String, Value); 1] {
    let waiting = json!({
        "Namespace": "AWS/SQS", "MetricName": "ApproximateNumberOfMessagesVisible", "Statistic": "Maximum",
        "Period": "60", "EvaluationPeriods": "1", "Threshold": "0",
    });
    about("QueueName", queue, [("dead-letters", waiting)])
}

fn of_queue(queue: &str, oldest: &str) -> [(String, Value); 1] {
    let age = json!({
        "Namespace": "AWS/SQS", "MetricName": "ApproximateAgeOfOldestMessage", "Statistic": "Maximum",
        "Period": "60", "EvaluationPeriods": "5", "Threshold": oldest,
    });
    about("QueueName", queue, [("oldest-message", age)])
}

fn of_function(function: &str, oldest: &str) -> [(String, Value); 4] {
    let age = json!({
        "Namespace": "SqsConsumer", "MetricName": "OldestMessageAge", "Statistic": "Maximum",
        "Period": "300", "EvaluationPeriods": "3", "DatapointsToAlarm": "1", "Threshold": oldest,
    });
    let of_lambda = |name| {
        json!({
            "Namespace": "AWS/Lambda", "MetricName": name, "Statistic": "Sum",
            "Period": "300", "EvaluationPeriods": "3", "DatapointsToAlarm": "2", "Threshold": "0",
        })
    };
    let lost = json!({
        "Namespace": "SqsConsumer", "MetricName": "LostLeases", "Statistic": "Sum",
        "Period": "300", "EvaluationPeriods": "1", "Threshold": "0",
    });
    let alarms = [
        ("failing-messages", age),
        ("errors", of_lambda("Errors")),
        ("throttles", of_lambda("Throttles")),
        ("lost-leases", lost),
    ];
    about("FunctionName", function, alarms)
}

#[test]
fn every_function_has_six_alarms() {
    let deployment = Deployment::with("", &[("Prefix", "dev-"), ("OldestMessageAlarmSeconds", "777")]);
    let mut expected = BTreeMap::new();
    for mapping in &deployment.template.mappings {
        let dead_letters = deployment.dead_letter_queue(&mapping.queue);
        expected.extend(of_dead_letter_queue(&dead_letters));
        expected.extend(of_queue(&mapping.queue, "777"));
        expected.extend(of_function(&mapping.function, "777"));
    }
    let alarms = alarms(&deployment);
    assert_same(
        "alarms",
        alarms.keys(),
        expected.keys(),
        "Every queue and function has the alarms of the loops in template.yaml.",
    );
    for (name, alarm) in alarms {
        assert_eq!(alarm, expected[&name], "{name}");
    }
}

#[test]
fn failing_message_is_redelivered_before_its_alarm_clears() {
    for deployment in Deployment::all() {
        for (name, alarm) in alarms(&deployment) {
            let is_failing = alarm["MetricName"] == "OldestMessageAge";
            let seconds = |value: &Value| text(value).parse::<u64>().unwrap();
            let lasts = seconds(&alarm["Period"]) * seconds(&alarm["EvaluationPeriods"]);
            for function in deployment.template.functions.iter().filter(|_| is_failing) {
                let delay = function.environment["RETRY_DELAY_LONGEST_SECONDS"]
                    .parse::<u64>()
                    .unwrap();
                assert!(delay <= lasts, "{name} of {}", deployment.stage);
            }
        }
    }
}

#[test]
fn every_alarm_names_its_section_of_the_runbook() {
    const PAGE: &str = "shared/operator/README.md";
    let runbook = std::fs::read_to_string(Path::new(ROOT).join(PAGE)).unwrap();
    let deployment = Deployment::default();
    for alarm in deployment.of_kind("AWS::CloudWatch::Alarm") {
        let [name, description] = ["AlarmName", "AlarmDescription"].map(|property| text(&alarm.properties[property]));
        let reference = description.split_once(&format!("Runbook: {PAGE}, section '"));
        let section = reference.and_then(|(_, section)| section.strip_suffix('\''));
        let section = section.unwrap_or_else(|| panic!("{name} names no section: {description}"));
        let found = runbook.split_once(&format!("\n### {section}\n\n`…-"));
        let (_, about) = found.unwrap_or_else(|| panic!("{PAGE} has no section {section:?} about alarms"));
        let (kind, _) = about.split_once('`').unwrap();
        assert!(name.ends_with(&format!("-{kind}")), "{name} is not about {kind}");
    }
}

#[test]
fn alarms_notify_the_topic_if_one_is_set() {
    let topic = "arn:aws:sns:us-east-1:000000000000:on-call";
    for (given, notified) in [(topic, json!([topic])), ("", Value::Null)] {
        let deployment = Deployment::with("", &[("AlarmTopicArn", given)]);
        for alarm in deployment.of_kind("AWS::CloudWatch::Alarm") {
            let properties = &alarm.properties;
            assert_eq!(
                (&properties["AlarmActions"], &properties["OKActions"]),
                (&notified, &notified),
                "{}",
                alarm.logical_id
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn functions_write_the_metrics_of_alarms_and_dashboard() {
    let stack = TestStack::start_all(&[]).await;
    let queue = &stack.stack.template().mappings[0].queue;
    let body = json!("not a message");
    match queue.ends_with(".fifo") {
        true => stack.send_in_group(queue, "group", &body).await,
        false => stack.send(queue, &body).await,
    };
    let written = || {
        let lines = stack.log().into_iter();
        let mut lines = lines.filter_map(|line| serde_json::from_str::<Value>(&line).ok());
        lines.find_map(|line| Some(line["_aws"]["CloudWatchMetrics"].as_array()?[0].clone()))
    };
    stack.until("metrics are written", || written().is_some()).await;
    let directive = written().unwrap();
    assert_eq!(directive["Dimensions"], json!([["FunctionName"]]));
    let names: BTreeSet<_> = directive["Metrics"]
        .as_array()
        .unwrap()
        .iter()
        .map(|written| text(&written["Name"]))
        .collect();
    let deployment = Deployment::default();
    let alarms = alarms(&deployment).into_values();
    let alarmed = alarms.map(|alarm| ["Namespace", "MetricName"].map(|key| text(&alarm[key]).to_owned()));
    let wanted = dashboard::metrics(&deployment).into_iter().chain(alarmed);
    for [namespace, name] in wanted.filter(|[namespace, _]| !namespace.starts_with("AWS/")) {
        assert_eq!(directive["Namespace"], namespace);
        assert!(names.contains(name.as_str()), "{name} is not among {names:?}");
    }
    stack.stack.shutdown().await;
}
