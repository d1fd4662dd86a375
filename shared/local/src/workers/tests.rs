#![allow(clippy::unwrap_used, clippy::panic, reason = "all of this is tests")]

use std::collections::BTreeMap;
use std::path::PathBuf;

use sam::Settings;

use super::program::Surroundings;
use super::*;
use crate::options::EndpointOverride;

/// Two queues, each with a function; a third function has none.
fn template() -> Template {
    let text = r#"
Transform: AWS::Serverless-2016-10-31
Resources:
  Orders: {Type: AWS::SQS::Queue, Properties: {QueueName: orders}}
  Refunds: {Type: AWS::SQS::Queue, Properties: {QueueName: refunds}}
  Charge:
    Type: AWS::Serverless::Function
    Metadata: {BuildMethod: rust-cargolambda, BuildProperties: {Binary: charge-card}}
    Properties:
      FunctionName: charge
      Runtime: provided.al2023
      Handler: bootstrap
      CodeUri: .
      Timeout: 7
      Environment: {Variables: {LIMIT: "5"}}
      Events: {Q: {Type: SQS, Properties: {Queue: !GetAtt Orders.Arn, BatchSize: 3}}}
  Refund:
    Type: AWS::Serverless::Function
    Metadata: {BuildMethod: rust-cargolambda, BuildProperties: {Binary: refund}}
    Properties:
      FunctionName: refund
      Runtime: provided.al2023
      Handler: bootstrap
      CodeUri: .
      Timeout: 7
      Environment: {Variables: {CONCURRENCY: "77", DRAIN_SECONDS: "1"}}
      Events: {Q: {Type: SQS, Properties: {Queue: !GetAtt Refunds.Arn}}}
  Idle:
    Type: AWS::Serverless::Function
    Metadata: {BuildMethod: rust-cargolambda, BuildProperties: {Binary: idle}}
    Properties: {FunctionName: idle, Runtime: provided.al2023, Handler: bootstrap, CodeUri: .}
"#;
    let directory = std::env::temp_dir().join(format!("workers-{}", uuid::Uuid::new_v4()));
    std::fs::create_dir_all(&directory).unwrap();
    let path = directory.join("template.yaml");
    std::fs::write(&path, text).unwrap();
    let template = Template::read(&path, &Settings::default());
    std::fs::remove_dir_all(directory).unwrap();
    template.unwrap_or_else(|error| panic!("{error}"))
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn refusal(name: &str) -> String {
    named(&names(&[name]), &template()).unwrap_err().to_string()
}

#[test]
fn an_unknown_function_is_named_with_the_known_ones() {
    assert_eq!(
        refusal("charg"),
        "no function charg to run as a worker: there is charge, refund, idle; did you mean charge?"
    );
    assert_eq!(
        refusal("x-1"),
        "no function x-1 to run as a worker: there is charge, refund, idle"
    );
}

#[test]
fn a_function_without_a_queue_is_no_worker() {
    assert_eq!(
        refusal("idle"),
        "idle can't run as a worker: no enabled event source mapping names the queue that it would poll"
    );
}

/// The programs of these workers, each with a binary.
fn started(workers: &[&str], overridden: bool) -> Vec<Program> {
    let template = template();
    let workers = named(&names(workers), &template).unwrap();
    let binary = |name: &str| (name.to_owned(), PathBuf::from(format!("/target/{name}")));
    let url = |name: &str| (name.to_owned(), format!("http://localhost:4566/000000000000/{name}"));
    programs(
        &template,
        &workers,
        &Surroundings {
            services: &EndpointOverride::emulator("http://127.0.0.1:4566"),
            overridden,
            queue_urls: &BTreeMap::from(["orders", "refunds"].map(url)),
            binaries: &BTreeMap::from(["charge-card", "charge-card-worker", "refund-worker"].map(binary)),
        },
    )
    .unwrap()
}

#[test]
fn a_worker_has_its_functions_variables_and_its_queue() {
    let [charge] = started(&["charge"], false).try_into().ok().unwrap();
    let variables = charge.environment();
    assert_eq!(charge.path(), "/target/charge-card-worker");
    assert_eq!(variables["LIMIT"], "5");
    assert_eq!(variables["QUEUE_URL"], "http://localhost:4566/000000000000/orders");
    assert_eq!(variables["AWS_ENDPOINT_URL_SQS"], "http://127.0.0.1:4566");
    assert_eq!(variables["AWS_SESSION_TOKEN"], "charge");
    assert_eq!(variables["HEALTH_ADDRESS"], charge.worker.health.to_string());
    assert_eq!((variables["CONCURRENCY"].as_str(), charge.drain().as_secs()), ("3", 7));
    assert!(
        !variables.keys().any(|name| name.starts_with("AWS_LAMBDA_F")),
        "{variables:?}"
    );
}

#[test]
fn variables_of_the_template_win_over_the_stacks() {
    let [charge, refund] = started(&["refund", "charge"], false).try_into().ok().unwrap();
    assert_ne!(charge.worker.health, refund.worker.health);
    assert_eq!(refund.environment()["CONCURRENCY"], "77");
    assert_eq!(refund.drain().as_secs(), 1);
}
