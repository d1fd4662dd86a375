//! Event source mappings.

use std::collections::BTreeSet;

use sam::Template;

use crate::same::assert_same;
use crate::{Deployment, path, section, settings};

#[test]
fn every_queue_of_the_list_has_one_kind() {
    let kinds = section("Mappings", &[]).into_iter().find(|(name, _)| name == "Kinds");
    let (_, kinds) = kinds.unwrap();
    let lists = kinds
        .as_object()
        .unwrap()
        .values()
        .map(|kind| kind["Queues"].as_array().unwrap());
    let listed: Vec<_> = lists.flatten().map(|queue| queue.as_str().unwrap()).collect();
    let queues = section("Mappings", &[]).into_iter().find(|(name, _)| name == "Queues");
    let (_, queues) = queues.unwrap();
    let described: BTreeSet<_> = queues.as_object().unwrap().keys().map(String::as_str).collect();
    assert_same(
        "entries of Mappings.Queues",
        described.iter(),
        listed.iter(),
        "In template.yaml, a queue is in one list of Mappings.Kinds and has an entry in Mappings.Queues.",
    );
    assert_eq!(listed.len(), described.len(), "a queue is listed twice: {listed:?}");
}

#[test]
fn every_mapping_is_enabled_and_reports_batch_item_failures() {
    let template = Deployment::default().template;
    assert_eq!(template.mappings.len(), template.functions.len());
    for mapping in &template.mappings {
        assert!(
            mapping.report_batch_item_failures,
            "without it, Lambda deletes {}'s failed messages",
            mapping.queue
        );
        assert!(
            mapping.enabled,
            "no function would receive messages of {}",
            mapping.queue
        );
    }
}

#[test]
fn visibility_timeout_is_six_function_timeouts_and_the_window() {
    for deployment in Deployment::all() {
        for mapping in &deployment.template.mappings {
            let mut functions = deployment.template.functions.iter();
            let function = functions.find(|function| function.name == mapping.function).unwrap();
            let visibility_timeout: u64 = deployment.queue(&mapping.queue).attributes["VisibilityTimeout"]
                .parse()
                .unwrap();
            let least = (function.timeout * 6 + mapping.window).as_secs();
            assert!(
                visibility_timeout >= least,
                "{}: {visibility_timeout} s < {least} s",
                mapping.queue
            );
        }
    }
}

#[test]
fn three_request_timeouts_fit_into_an_invocation() {
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
fn batches_above_ten_need_a_window_and_a_standard_queue() {
    let read = |parameters| Template::read(&path(), &settings(parameters));
    // A FIFO queue has neither.
    match read(&[("BatchSize", "11")]).map_err(|refusal| refusal.to_string()) {
        Ok(template) => assert!(template.mappings.iter().all(|mapping| mapping.queue.ends_with(".fifo"))),
        Err(refusal) => assert!(refusal.contains("MaximumBatchingWindowInSeconds"), "{refusal}"),
    }

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
fn every_mapping_has_its_own_maximum_concurrency() {
    let deployment = Deployment::default();
    let mappings: Vec<_> = deployment.of_kind("AWS::Lambda::EventSourceMapping").collect();
    assert_eq!(mappings.len(), deployment.template.mappings.len());
    for mapping in mappings {
        let (properties, id) = (&mapping.properties, &mapping.logical_id);
        assert!(properties["ScalingConfig"]["MaximumConcurrency"].is_string(), "{id}");
        assert!(properties["ProvisionedPollerConfig"].is_null(), "{id}");
        assert_eq!(properties["MetricsConfig"]["Metrics"][0], "EventCount", "{id}");
    }
}

#[test]
fn recursive_loops_are_terminated() {
    for function in Deployment::default().of_kind("AWS::Serverless::Function") {
        assert_eq!(
            function.properties["RecursiveLoop"], "Terminate",
            "{}",
            function.logical_id
        );
    }
}
