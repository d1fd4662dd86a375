//! What rings, and what is shown.

use std::collections::BTreeSet;

use local::testing::Stage;
use serde_json::{Value, json};

use crate::Deployment;

/// Namespace, name and the value of the one dimension.
type Metric = (String, String, String);

fn metric(namespace: &str, name: &str, of: &str) -> Metric {
    (namespace.to_owned(), name.to_owned(), of.to_owned())
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text"))
}

/// The metric of each alarm.
fn alarmed(deployment: &Deployment) -> Vec<Metric> {
    let alarms = deployment.of_kind("AWS::CloudWatch::Alarm");
    let of = |properties: &Value| {
        let dimension = &properties["Dimensions"][0];
        metric(
            text(&properties["Namespace"]),
            text(&properties["MetricName"]),
            text(&dimension["Value"]),
        )
    };
    alarms.map(|alarm| of(&alarm.properties)).collect()
}

/// The dashboard's widgets, the names of queues and functions still to be filled in: it shows alarms as well, of which the
/// local stack knows no ARNs.
fn widgets(deployment: &Deployment) -> Vec<Value> {
    let body = &deployment.resource("Dashboard").properties["DashboardBody"]["Fn::Sub"];
    let body: Value = serde_json::from_str(text(body)).unwrap();
    body["widgets"].as_array().unwrap().clone()
}

/// The metrics on the dashboard.
fn shown(deployment: &Deployment) -> BTreeSet<Metric> {
    let widgets = widgets(deployment);
    let metrics = widgets
        .iter()
        .filter_map(|widget| widget["properties"]["metrics"].as_array());
    metrics
        .flatten()
        .map(|shown| metric(text(&shown[0]), text(&shown[1]), text(&shown[3])))
        .collect()
}

#[test]
fn every_function_and_its_queues_have_their_five_alarms() {
    let deployment = Deployment::with("", &[("Prefix", "dev-")]);
    let mut expected = BTreeSet::new();
    for mapping in &deployment.template.mappings {
        let dead_letters = deployment.dead_letter_queue(&mapping.queue);
        expected.extend([
            metric("AWS/SQS", "ApproximateNumberOfMessagesVisible", &dead_letters),
            metric("AWS/SQS", "ApproximateAgeOfOldestMessage", &mapping.queue),
            metric("AWS/Lambda", "Errors", &mapping.function),
            metric("AWS/Lambda", "Throttles", &mapping.function),
            metric("SqsConsumer", "LostLeases", &mapping.function),
        ]);
    }
    let alarmed = alarmed(&deployment);
    assert_eq!(alarmed.len(), expected.len());
    assert_eq!(BTreeSet::from_iter(alarmed), expected);
}

#[test]
fn alarms_of_one_kind_differ_in_what_they_are_about_alone() {
    let deployment = Deployment::with("", &[("Prefix", "dev-")]);
    let mut kinds: Vec<(Value, Value)> = Vec::new();
    for alarm in deployment.of_kind("AWS::CloudWatch::Alarm") {
        let mut rest = alarm.properties.clone();
        assert!(text(&rest["AlarmName"]).starts_with("dev-"), "{}", alarm.logical_id);
        assert_eq!(rest["TreatMissingData"], "notBreaching", "{}", alarm.logical_id);
        for own in ["AlarmName", "AlarmDescription"] {
            rest.as_object_mut().unwrap().remove(own);
        }
        rest["Dimensions"][0]["Value"].take();
        match kinds.iter().find(|(metric, _)| *metric == rest["MetricName"]) {
            Some((metric, first)) => assert_eq!(rest, *first, "{metric}"),
            None => kinds.push((rest["MetricName"].clone(), rest)),
        }
    }
    assert_eq!(kinds.len(), 5);
}

#[test]
fn alarms_tell_the_topic_if_there_is_one() {
    let topic = "arn:aws:sns:us-east-1:000000000000:on-call";
    for (given, told) in [(topic, json!([topic])), ("", Value::Null)] {
        let deployment = Deployment::with("", &[("AlarmTopicArn", given)]);
        for alarm in deployment.of_kind("AWS::CloudWatch::Alarm") {
            let properties = &alarm.properties;
            assert_eq!(
                (&properties["AlarmActions"], &properties["OKActions"]),
                (&told, &told),
                "{}",
                alarm.logical_id
            );
        }
    }
}

#[test]
fn the_dashboard_shows_every_alarm_and_of_each_function_outcomes_latency_age_and_dead_letters() {
    let deployment = Deployment::default();
    let alarms = deployment.of_kind("AWS::CloudWatch::Alarm");
    let arns: BTreeSet<_> = alarms.map(|alarm| format!("${{{}.Arn}}", alarm.logical_id)).collect();
    let widgets = widgets(&deployment);
    let listed = widgets[0]["properties"]["alarms"].as_array().unwrap();
    assert_eq!(
        listed.iter().map(|arn| text(arn).to_owned()).collect::<BTreeSet<_>>(),
        arns
    );

    let mut expected = BTreeSet::new();
    for mapping in &deployment.template.mappings {
        let functions = &mut deployment.template.functions.iter();
        let function = functions.find(|function| function.name == mapping.function).unwrap();
        let function = format!("${{{}}}", function.logical_id);
        for name in ["Done", "Duplicate", "InProgress", "Failed", "Rejected", "NotStarted"] {
            expected.insert(metric("SqsConsumer", name, &function));
        }
        for name in ["HandlerTime", "LedgerTime"] {
            expected.insert(metric("SqsConsumer", name, &function));
        }
        expected.insert(metric("AWS/Lambda", "Duration", &function));
        let queue = &deployment.queue(&mapping.queue).logical_id;
        let queue_name = format!("${{{queue}.QueueName}}");
        for name in [
            "NumberOfMessagesSent",
            "NumberOfMessagesDeleted",
            "ApproximateAgeOfOldestMessage",
        ] {
            expected.insert(metric("AWS/SQS", name, &queue_name));
        }
        let dead_letters = &deployment
            .queue(&deployment.dead_letter_queue(&mapping.queue))
            .logical_id;
        let dead_letters = format!("${{{dead_letters}.QueueName}}");
        expected.insert(metric("AWS/SQS", "ApproximateNumberOfMessagesVisible", &dead_letters));
    }
    assert_eq!(shown(&deployment), expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_functions_write_the_metrics_that_alarms_and_dashboard_are_about() {
    let stage = Stage::set_with_all(&[]).await;
    stage.send("orders", &json!("no order")).await;
    let written = || {
        let lines = stage.log().into_iter();
        let mut lines = lines.filter_map(|line| serde_json::from_str::<Value>(&line).ok());
        lines.find_map(|line| Some(line["_aws"]["CloudWatchMetrics"].as_array()?[0].clone()))
    };
    stage.until("metrics are written", || written().is_some()).await;
    let directive = written().unwrap();
    assert_eq!(directive["Dimensions"], json!([["FunctionName"]]));
    let names: BTreeSet<_> = directive["Metrics"]
        .as_array()
        .unwrap()
        .iter()
        .map(|written| text(&written["Name"]))
        .collect();
    let deployment = Deployment::default();
    let wanted = shown(&deployment).into_iter().chain(alarmed(&deployment));
    for (namespace, name, _) in wanted.filter(|(namespace, ..)| !namespace.starts_with("AWS/")) {
        assert_eq!(directive["Namespace"], namespace);
        assert!(names.contains(name.as_str()), "{name} is not among {names:?}");
    }
    stage.stack.shutdown().await;
}
