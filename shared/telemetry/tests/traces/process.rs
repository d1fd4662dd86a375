//! A process whose environment names a collector, or not.

use std::process::{Command, Output, Stdio};

use axum::http::StatusCode;
use consumer::{Incoming, MessageId, Summary};
use serde_json::Value;
use telemetry::ProcessSpan;
use tokio::task::spawn_blocking;

use crate::collector::Collector;

const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";

/// The other tests start it in a process of its own: the log and the environment are those of a process.
#[tokio::test]
#[ignore = "run by the other tests"]
async fn processing() {
    let traces = telemetry::start_logging();
    let mut message = Incoming::new(MessageId::new("m-1").unwrap(), "{}");
    let span = ProcessSpan::start("memory", "orders", &mut message);
    span.span()
        .in_scope(|| tracing::info!("traced: {}", message.trace_context().is_some()));
    span.end(&Summary::default());
    traces.stop().await;
}

/// The log lines of a process with these variables.
async fn lines(variables: &[(&'static str, &str)]) -> Vec<Value> {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--ignored", "--exact", "process::processing", "--nocapture"]);
    let inherited = std::env::vars().map(|(name, _)| name);
    let inherited = inherited.filter(|name| name.starts_with("OTEL_") || name.ends_with("LOG_LEVEL"));
    inherited.for_each(|name| drop(command.env_remove(name)));
    command.envs(variables.iter().copied()).stdin(Stdio::null());
    let output = spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let Output { status, stdout, .. } = output;
    let text = String::from_utf8(stdout).unwrap();
    assert!(status.success(), "{text}");
    text.lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect()
}

fn messages(lines: &[Value]) -> Vec<(&str, &str)> {
    let lines = lines.iter();
    lines
        .map(|line| (line["level"].as_str().unwrap(), line["message"].as_str().unwrap()))
        .collect()
}

#[tokio::test]
async fn the_environment_names_endpoint_and_service() {
    let collector = Collector::start(StatusCode::OK).await;
    let lines = lines(&[(ENDPOINT, &collector.url), ("OTEL_SERVICE_NAME", "shop")]).await;
    assert_eq!(messages(&lines), [("INFO", "traced: true")]);
    let fields: Vec<_> = lines[0].as_object().unwrap().keys().collect();
    assert_eq!(fields, ["level", "message", "timestamp"], "no fields of the span");
    assert_eq!(collector.services(), ["shop"]);
    collector.span("process orders");
}

#[tokio::test]
async fn without_an_endpoint_nothing_is_traced() {
    assert_eq!(messages(&lines(&[]).await), [("INFO", "traced: false")]);
    let disabled = lines(&[(ENDPOINT, "http://127.0.0.1:4318"), ("OTEL_SDK_DISABLED", "true")]).await;
    assert_eq!(messages(&disabled), [("INFO", "traced: false")]);
}

#[tokio::test]
async fn a_wrong_endpoint_is_one_warning_without_its_value() {
    let lines = lines(&[(ENDPOINT, "collector-secret:4317")]).await;
    let [warning, processed] = &messages(&lines)[..] else {
        panic!("{lines:?}")
    };
    assert_eq!(*processed, ("INFO", "traced: false"));
    let expected = "no traces are exported: environment variable OTEL_EXPORTER_OTLP_ENDPOINT is not a";
    assert!(warning.0 == "WARN" && warning.1.starts_with(expected), "{warning:?}");
    assert!(!warning.1.contains("secret"), "{warning:?}");
}
