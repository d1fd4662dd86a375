//! Which stack a command talks to.

use std::fs;
use std::net::TcpListener;

use crate::harness::{Up, directory, file, local, refused, template, triggered, until};

#[test]
fn without_a_stack_the_way_to_one_is_told_in_one_line() {
    let directory = directory("nobody");
    let body = file(&directory, "body.json", "{}");
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let endpoint = format!("http://{closed}");
    for command in ["send", "invoke"] {
        let (code, error) = refused(&[command, "orders", &body, "--endpoint-url", &endpoint]);
        assert_eq!(code, 1);
        assert!(
            error.starts_with(&format!("error: no answer from {endpoint} (Connection refused")),
            "{error}"
        );
        assert!(
            error.contains("cargo run -p local -- up") && error.lines().count() == 1,
            "{error}"
        );
    }
}

#[test]
fn unusable_file_of_authorities_is_named_in_one_line() {
    let directory = directory("authorities-file");
    let body = file(&directory, "body.json", "{}");
    let endpoint = "https://127.0.0.1:1";
    for command in ["send", "invoke"] {
        let mut local = local();
        local.args([command, "orders", &body, "--endpoint-url", endpoint]);
        let done = local.env("AWS_CA_BUNDLE", "/nowhere/ca.pem").output().unwrap();
        let error = String::from_utf8(done.stderr).unwrap();
        assert_eq!(done.status.code(), Some(1));
        let expected = "environment variable AWS_CA_BUNDLE names \"/nowhere/ca.pem\", which can't be read: ";
        assert!(
            error.starts_with(&format!("error: no answer from {endpoint}: {expected}"))
                && !error.contains("-p local")
                && error.lines().count() == 1,
            "{error}"
        );
    }
}

#[test]
fn a_wrong_endpoint_in_the_environment_is_named() {
    let directory = directory("environment");
    let body = file(&directory, "body.json", "{}");
    let done = local()
        .args(["send", "orders", &body])
        .env("AWS_ENDPOINT_URL", "localhost")
        .output()
        .unwrap();
    let error = String::from_utf8(done.stderr).unwrap();
    assert_eq!(done.status.code(), Some(1));
    assert!(
        error.starts_with("error: AWS_ENDPOINT_URL is no URL of a service: \"localhost\""),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stack_is_its_own_although_the_environment_names_another() {
    let directory = directory("two-stacks");
    let empty = template(None).replace("orders", "others");
    let other = Up::start(&file(&directory, "other.yaml", &empty));
    let exported = ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_SQS", "AWS_ENDPOINT_URL_DYNAMODB"];
    let exported = exported.map(|name| (name, &other.endpoint));
    let variables = directory.join("variables");
    let script = format!("env > {0}.new; mv {0}.new {0}", variables.display());
    let path = triggered(&directory, "worker", &script);
    let mut up = local();
    up.envs(exported);
    let up = Up::start_by(up, &path, &["--binaries", directory.to_str().unwrap()]);

    let body = file(&directory, "body.json", "{}");
    let mut send = local();
    send.args(["send", "orders", &body, "--endpoint-url", &up.endpoint])
        .envs(exported);
    assert!(send.output().unwrap().status.success());
    until("the function's start", || variables.exists());
    let variables = fs::read_to_string(variables).unwrap();
    for service in ["SQS", "DYNAMODB"] {
        let line = format!("AWS_ENDPOINT_URL_{service}={}", up.endpoint);
        assert!(
            variables.lines().any(|printed| printed == line),
            "{line} is missing:\n{variables}"
        );
    }
    assert!(!variables.contains(&other.endpoint), "{variables}");

    let guests = file(&directory, "guests.yaml", &template(None).replace("orders", "guests"));
    let mut guest = local();
    guest.envs(exported);
    let _guest = Up::start_by(guest, &guests, &["--endpoint-url", &up.endpoint]);
    let here = (
        vec!["guests".to_owned(), "orders".to_owned()],
        vec!["records".to_owned()],
    );
    assert_eq!(queues_and_tables(&up.endpoint).await, here);
    assert_eq!(
        queues_and_tables(&other.endpoint).await,
        (vec!["others".to_owned()], vec![])
    );
}

/// By clients of their own.
async fn queues_and_tables(endpoint: &str) -> (Vec<String>, Vec<String>) {
    let queues = local::sqs_client(endpoint).await.list_queues().send().await.unwrap();
    let name = |url: &String| url.rsplit('/').next().unwrap().to_owned();
    let tables = local::dynamodb_client(endpoint).await.list_tables().send().await;
    (
        queues.queue_urls().iter().map(name).collect(),
        tables.unwrap().table_names.unwrap_or_default(),
    )
}
