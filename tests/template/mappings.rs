//! How messages go from a queue to its function.

use sam::Template;
use serde_json::Value;

use crate::{Deployment, path, settings};

/// The properties of each mapping, by its function.
fn events(deployment: &Deployment) -> Vec<(&str, &Value)> {
    let functions = deployment.of_kind("AWS::Serverless::Function");
    let events = functions.flat_map(|function| {
        let events = function.properties["Events"].as_object().unwrap().values();
        events.map(|event| (function.logical_id.as_str(), &event["Properties"]))
    });
    events.collect()
}

#[test]
fn every_mapping_is_at_work_and_reports_batch_item_failures() {
    let template = Deployment::default().template;
    assert_eq!(template.mappings.len(), template.functions.len());
    for mapping in &template.mappings {
        assert!(
            mapping.report_batch_item_failures,
            "without it, Lambda deletes {}'s failed messages",
            mapping.queue
        );
        assert!(mapping.enabled, "nobody would take messages from {}", mapping.queue);
    }
}

#[test]
fn every_queue_hides_a_message_for_six_times_its_functions_timeout_and_the_window() {
    for deployment in Deployment::all() {
        for mapping in &deployment.template.mappings {
            let mut functions = deployment.template.functions.iter();
            let function = functions.find(|function| function.name == mapping.function).unwrap();
            let hidden: u64 = deployment.queue(&mapping.queue).attributes["VisibilityTimeout"]
                .parse()
                .unwrap();
            let least = (function.timeout * 6 + mapping.window).as_secs();
            assert!(hidden >= least, "{}: {hidden} s < {least} s", mapping.queue);
        }
    }
}

#[test]
fn a_request_is_sent_three_times_before_its_invocations_time_is_up() {
    for deployment in Deployment::all() {
        for function in &deployment.template.functions {
            let request: u64 = function.environment["REQUEST_TIMEOUT_SECONDS"].parse().unwrap();
            let function_timeout = function.timeout.as_secs();
            assert!(
                function_timeout > 3 * request,
                "{}: {function_timeout} s",
                function.name
            );
        }
    }
}

#[test]
fn a_batch_of_more_than_ten_without_a_window_is_refused_and_a_fifo_queue_takes_neither() {
    let read = |parameters| Template::read(&path(), &settings(parameters));
    let refusal = read(&[("BatchSize", "11")]).unwrap_err().to_string();
    assert!(refusal.contains("MaximumBatchingWindowInSeconds"), "{refusal}");

    let template = read(&[("BatchSize", "10000"), ("BatchWindow", "1")]).unwrap();
    for mapping in template.mappings {
        let expected = if mapping.queue.ends_with(".fifo") {
            (10, 0)
        } else {
            (10_000, 1)
        };
        assert_eq!(
            (mapping.batch_size, mapping.window.as_secs()),
            expected,
            "{}",
            mapping.queue
        );
    }
}

#[test]
fn every_mapping_has_a_bound_of_its_own_and_none_has_provisioned_pollers_beside_it() {
    let deployment = Deployment::default();
    for (function, event) in events(&deployment) {
        assert!(event["ScalingConfig"]["MaximumConcurrency"].is_string(), "{function}");
        assert!(event["ProvisionedPollerConfig"].is_null(), "{function}");
        assert_eq!(event["MetricsConfig"]["Metrics"][0], "EventCount", "{function}");
    }
}

#[test]
fn functions_that_feed_each_other_in_a_circle_are_stopped() {
    for function in Deployment::default().of_kind("AWS::Serverless::Function") {
        assert_eq!(
            function.properties["RecursiveLoop"], "Terminate",
            "{}",
            function.logical_id
        );
    }
}
