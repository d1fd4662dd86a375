//! The start of the function, and its log.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::thread;

use emulator::dynamodb::FaultKind;
use serde_json::Value;
use testing::{ENVIRONMENT, event, failures, last_words};

use crate::stack::{self, PLACE_ORDER, order, orders};

/// The settings of this function.
const SETTINGS: [(&str, &str); 3] = [
    ("ORDERS_TABLE", "orders"),
    ("CUSTOMERS_TABLE", "customers"),
    (
        "NOTIFICATIONS_QUEUE_URL",
        "http://127.0.0.1:1/000000000000/notifications",
    ),
];

/// All that the function needs to start.
fn environment() -> impl Iterator<Item = (&'static str, &'static str)> {
    SETTINGS.into_iter().chain(ENVIRONMENT)
}

#[test]
fn missing_setting_ends_the_start_with_one_line() {
    for (missing, _) in environment() {
        let line = last_words(PLACE_ORDER.1, environment().filter(|(name, _)| *name != missing));
        assert_eq!(line["message"], format!("environment variable {missing} is not set"));
        assert_eq!(line["level"], "ERROR");
    }
}

#[test]
fn empty_setting_ends_the_start_with_one_line() {
    let emptied = environment().map(|(name, value)| (name, if name == "ORDERS_TABLE" { "" } else { value }));
    let line = last_words(PLACE_ORDER.1, emptied);
    assert_eq!(line["message"], "environment variable ORDERS_TABLE is empty");
}

/// An order would be completed with it in its record, and its confirmation never sent.
#[test]
fn queue_that_is_no_url_ends_the_start_with_one_line() {
    for wrong in ["arn:aws:sqs:eu-central-1:111122223333:notifications", "notifications"] {
        let queue = |(name, value)| {
            (
                name,
                if name == "NOTIFICATIONS_QUEUE_URL" {
                    wrong
                } else {
                    value
                },
            )
        };
        let line = last_words(PLACE_ORDER.1, environment().map(queue));
        let message = line["message"].as_str().unwrap();
        let expected = "environment variable NOTIFICATIONS_QUEUE_URL is not a queue URL but ";
        assert!(message.starts_with(expected) && message.contains(wrong), "{message}");
    }
}

/// As each request would fail otherwise, before any other setting is used.
#[test]
fn unusable_file_of_authorities_ends_the_start_with_one_line() {
    let directory = env!("CARGO_MANIFEST_DIR");
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    for (variable, path, problem) in [
        (
            "AWS_CA_BUNDLE",
            "/nowhere/ca.pem",
            "can't be read: No such file or directory",
        ),
        ("SSL_CERT_FILE", directory, "can't be read: Is a directory"),
        ("SSL_CERT_FILE", manifest, "holds no certificate: "),
    ] {
        let line = last_words(PLACE_ORDER.1, [(variable, path)]);
        let message = line["message"].as_str().unwrap();
        let expected = format!("environment variable {variable} names {path:?}, which {problem}");
        assert!(message.starts_with(&expected), "{message}");
        assert_eq!(line["level"], "ERROR");
    }
    let line = last_words(PLACE_ORDER.1, [("AWS_CA_BUNDLE", ""), ("SSL_CERT_FILE", "")]);
    assert!(line["message"].as_str().unwrap().ends_with(" is not set"), "{line}");
}

/// The last words of the function with these variables instead of its own.
fn last_words_with(changed: &[(&'static str, &'static str)]) -> String {
    let is_changed = |name| changed.iter().any(|(changed, _)| *changed == name);
    let kept = environment().filter(|(name, _)| !is_changed(*name));
    let line = last_words(PLACE_ORDER.1, kept.chain(changed.iter().copied()));
    line["message"].as_str().unwrap().to_owned()
}

/// The SDK sends to the endpoint of its region, whatever a queue's URL states.
#[test]
fn queue_that_cannot_exist_ends_the_start_with_one_line() {
    for (url, problem) in [
        ("https://example.com:99999/1/n", "is not a queue URL: its port is not"),
        (
            "https://example.com/1/n.fifo",
            "names a FIFO queue: confirmations have no message group",
        ),
        (
            "https://sqs.eu-central-1.amazonaws.com/1111-2222-3333/n",
            "is not a queue URL: its path must be account (digits)",
        ),
        (
            "https://sqs.eu-central-1.amazonaws.com/111122223333/n",
            "is the URL of a queue in eu-central-1, but requests are sent to SQS in eu-west-1, ",
        ),
    ] {
        let message = last_words_with(&[("NOTIFICATIONS_QUEUE_URL", url), ("AWS_REGION", "eu-west-1")]);
        let expected = format!("environment variable NOTIFICATIONS_QUEUE_URL {problem}");
        assert!(message.starts_with(&expected), "{message}");
    }
}

#[test]
fn variables_of_the_sdk_that_cannot_work_end_the_start() {
    for (changed, problem) in [
        (("AWS_ENDPOINT_URL", ""), "is empty"),
        (("AWS_ENDPOINT_URL_DYNAMODB", ""), "is empty"),
        (
            ("AWS_ENDPOINT_URL", "https://example.com:99999"),
            "is not a URL: its port is not a number from 1 to 65535",
        ),
        (
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128 MB"),
            "is not a whole number of megabytes",
        ),
        (
            ("AWS_ACCESS_KEY_ID", "lo\ncal"),
            "has characters that no HTTP header can carry",
        ),
        (("AWS_SESSION_TOKEN", "secret\n"), "ends with a line break: remove it"),
    ] {
        let message = last_words_with(&[changed]);
        assert_eq!(message, format!("environment variable {} {problem}", changed.0));
    }
    let full = ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://127.0.0.1:1/");
    let no_key = ("AWS_ACCESS_KEY_ID", "");
    for (changed, expected) in [
        (
            ("AWS_REGION", "eu_west_1"),
            "AWS_REGION is not a region's name, such as eu-central-1",
        ),
        (
            ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://example.com/"),
            "AWS_CONTAINER_CREDENTIALS_FULL_URI is the URL of a host that can't give credentials without encryption: \
             use https, or an address of ECS, EKS Pod Identity or the loopback interface",
        ),
        (
            ("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "http://169.254.170.2/v2"),
            "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI is not the path of a URL, such as /v2/credentials",
        ),
        (
            ("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", ""),
            "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI is empty",
        ),
        (
            ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "secret\n"),
            "AWS_CONTAINER_AUTHORIZATION_TOKEN ends with a line break: remove it",
        ),
        (
            ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "secret\nsecret"),
            "AWS_CONTAINER_AUTHORIZATION_TOKEN has characters that no HTTP header can carry",
        ),
    ] {
        let changed = match changed.0 == full.0 {
            true => vec![no_key, changed],
            false => vec![no_key, full, changed],
        };
        let message = last_words_with(&changed);
        assert_eq!(message, format!("environment variable {expected}"));
    }
}

/// A role for a service account gives a token instead of an endpoint for credentials.
#[test]
fn role_for_a_service_account_is_named_as_unsupported() {
    let token = ("AWS_WEB_IDENTITY_TOKEN_FILE", "/var/run/secrets/token");
    assert_eq!(
        last_words_with(&[("AWS_ACCESS_KEY_ID", ""), token]),
        "environment variable AWS_ACCESS_KEY_ID is not set, and IAM roles for service accounts \
         (AWS_WEB_IDENTITY_TOKEN_FILE) are not supported: use EKS Pod Identity"
    );
}

/// As with SnapStart, and on ECS and EKS Pod Identity: the environment has no keys.
#[test]
fn credentials_come_from_the_endpoint_that_the_environment_names() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let server = thread::spawn(move || [(); 2].map(|()| answer(&listener)));
    let keys = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"];
    let environment = environment().filter(|(name, _)| !keys.contains(name));
    let environment = environment.map(|(name, value)| (name, value.to_owned()));
    let container = [
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", format!("{url}/credentials")),
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "secret".to_owned()),
        ("AWS_ENDPOINT_URL", url),
    ];
    let line = last_words(PLACE_ORDER.1, environment.chain(container));
    let message = line["message"].as_str().unwrap();
    assert!(message.contains("ResourceNotFoundException"), "{message}");
    let [credentials, request] = server.join().unwrap();
    assert!(
        credentials.starts_with("get /credentials ") && credentials.contains("authorization: secret"),
        "{credentials}"
    );
    assert!(
        request.contains("credential=container-key/") && request.contains("x-amz-security-token: session"),
        "{request}"
    );
}

/// Serves one connection: credentials to a `GET`, and to a `POST` that there is no such table. Returns the head of the request
/// in lower case.
fn answer(listener: &TcpListener) -> String {
    let (mut client, _) = listener.accept().unwrap();
    let mut lines = BufReader::new(client.try_clone().unwrap()).lines();
    let head: Vec<_> = lines
        .by_ref()
        .map_while(Result::ok)
        .take_while(|line| !line.is_empty())
        .collect();
    let (status, body) = match head[0].starts_with("GET") {
        true => (
            "200 OK",
            r#"{"AccessKeyId":"container-key","SecretAccessKey":"k","Token":"session","Expiration":"2099-01-01T00:00:00Z"}"#,
        ),
        false => (
            "400 Bad Request",
            r#"{"__type":"ResourceNotFoundException","message":"none"}"#,
        ),
    };
    let length = body.len();
    write!(
        client,
        "HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
    )
    .unwrap();
    head.join("\n").to_lowercase()
}

#[tokio::test]
async fn missing_ledger_table_is_named_at_start_with_its_variable() {
    let line = "IDEMPOTENCY_TABLE: !Ref IdempotencyTable";
    let stack = stack::start_edited((line, "IDEMPOTENCY_TABLE: nowhere"), &[]).await;
    let invocation = stack
        .invoke_with("place-order", event("orders", &[("m-1", order("o-1", "ada", 700))]))
        .await;
    assert!(invocation.failed);
    let reason = invocation.reason().unwrap();
    assert!(
        reason.contains("IDEMPOTENCY_TABLE: table nowhere can't be used"),
        "{reason}"
    );
    let tail = String::from_utf8(invocation.log_tail).unwrap();
    let lines: Vec<Value> = tail.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let message = lines.last().unwrap()["message"].as_str().unwrap();
    assert!(
        message.starts_with("environment variable IDEMPOTENCY_TABLE: table nowhere can't be used: ")
            && message.contains("ResourceNotFoundException"),
        "{message}"
    );
    assert_eq!(orders(&stack), [""; 0]);
}

#[tokio::test]
async fn failure_names_the_tables_of_the_request() {
    let stack = stack::start_edited(("ORDERS_TABLE: !Ref OrdersTable", "ORDERS_TABLE: nope"), &[]).await;
    let orders = [("m-1", order("o-1", "ada", 700))];
    assert_eq!(stack.invoke("place-order", &orders).await, ["m-1"]);
    let failed = || stack.log().into_iter().find(|line| line.contains("failed: "));
    stack.until("the failure is in the log", || failed().is_some()).await;
    let line: Value = serde_json::from_str(&failed().unwrap()).unwrap();
    assert_eq!(
        line["message"],
        "failed: the ledger refused the request: ResourceNotFoundException: Requested resource not found \
         (tables idempotency, nope, customers)"
    );
    assert_eq!(line["key"], "place-order#m-1");
}

#[tokio::test]
async fn dynamodb_endpoint_override_takes_precedence() {
    // Nothing listens at `AWS_ENDPOINT_URL`.
    let line = "          ORDERS_TABLE: !Ref OrdersTable\n";
    let proxy = crate::proxy::Proxy::hanging_at("text of no request").await;
    let urls = format!(
        "{line}          AWS_ENDPOINT_URL: http://127.0.0.1:1\n          AWS_ENDPOINT_URL_DYNAMODB: {}\n",
        proxy.url
    );
    let stack = stack::start_edited((line, &urls), &[]).await;
    proxy.forward_to(stack.stack.endpoint());
    assert_eq!(
        stack.invoke("place-order", &[("m-1", order("o-1", "ada", 700))]).await,
        [""; 0]
    );
    assert_eq!(orders(&stack), ["o-1"]);
}

#[tokio::test]
async fn log_lines_are_json_with_time_level_and_ids() {
    let parameters = [("LogLevel", "DEBUG")];
    let stack = stack::start(&parameters).await;
    let mut wrong = order("o-1", "ada", 700);
    wrong["amount"] = 701.into();
    let invocation = stack
        .invoke_with(
            "place-order",
            event("orders", &[("m-1", wrong), ("m-2", order("o-2", "ada", 50))]),
        )
        .await;
    assert_eq!(failures(&invocation), [""; 0]);

    let about = |lines: &[Value], message: &str, text: &str| {
        let is_about = |line: &&Value| {
            line["messageId"] == message && line["message"].as_str().is_some_and(|logged| logged.contains(text))
        };
        lines.iter().find(is_about).cloned()
    };
    let lines = || -> Vec<Value> {
        let log = stack.log();
        let lines = log.iter().map(|line| serde_json::from_str(line).unwrap());
        lines.filter(|line: &Value| line.get("_aws").is_none()).collect()
    };
    stack
        .until("both messages are in the log", || {
            about(&lines(), "m-1", "rejected").is_some() && about(&lines(), "m-2", "done").is_some()
        })
        .await;
    for line in lines() {
        let timestamp = line["timestamp"].as_str().unwrap();
        assert!(timestamp.ends_with('Z') && timestamp.contains('T'), "{line}");
        assert!(line["level"].is_string(), "{line}");
    }
    let rejected = about(&lines(), "m-1", "rejected").unwrap();
    assert_eq!(rejected["requestId"], invocation.request_id);
    assert_eq!(rejected["deadLettered"], true);
    assert_eq!(
        (&rejected["level"], &rejected["message"]),
        (
            &"ERROR".into(),
            &"rejected: order o-1 does not add up: amount is 701, its lines make 700".into()
        )
    );
}

#[tokio::test]
async fn log_lines_have_ids_at_every_level() {
    for level in ["WARN", "FATAL"] {
        // The template's parameter accepts only levels at which metrics are logged.
        let line = (
            "ApplicationLogLevel: !Ref LogLevel",
            &*format!("ApplicationLogLevel: {level}"),
        );
        let stack = stack::start_edited(line, &[]).await;
        let mut wrong = order("o-1", "ada", 700);
        wrong["amount"] = 701.into();
        let invocation = stack
            .invoke_with("place-order", event("orders", &[("m-1", wrong)]))
            .await;
        let rejected = || stack.log().iter().find(|line| line.contains("rejected")).cloned();
        stack
            .until("the rejection is in the log", || rejected().is_some())
            .await;
        let line: Value = serde_json::from_str(&rejected().unwrap()).unwrap();
        assert_eq!(
            (&line["messageId"], &line["requestId"]),
            (&"m-1".into(), &invocation.request_id.into())
        );
    }
}

#[tokio::test]
async fn event_of_another_kind_fails_with_one_line_without_content() {
    let stack = stack::start(&[]).await;
    let line = |what| format!("not an SQS event: {what}; is the function invoked by something other than its queue?");
    for (event, what) in [
        (r#"{"detail": "secret"}"#, "missing field `Records`"),
        (r#"{"Records": "secret", "more": ["secret"]}"#, "unexpected shape"),
        (r#""secret""#, "unexpected shape"),
    ] {
        let invocation = stack.invoke_with("place-order", event).await;
        assert!(invocation.failed);
        assert_eq!(invocation.reason().unwrap(), format!("UnusableEvent: {}", line(what)));
        let tail = String::from_utf8(invocation.log_tail.clone()).unwrap();
        assert!(!tail.contains("secret"), "{tail}");
        let lines = tail.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let [line_of_log] = lines.collect::<Vec<_>>().try_into().unwrap();
        assert_eq!(
            (&line_of_log["level"], &line_of_log["requestId"]),
            (&"ERROR".into(), &invocation.request_id.into())
        );
        assert!(
            line_of_log["message"].as_str().unwrap().contains(&line(what)),
            "{line_of_log}"
        );
    }
    let order = [("m-1", order("o-1", "ada", 700))];
    assert_eq!(stack.invoke("place-order", &order).await, [""; 0]);
}

#[tokio::test]
async fn throttled_table_does_not_prevent_the_start() {
    let stack = stack::start(&[]).await;
    // All attempts of the SDK.
    stack.inject("DeleteItem", None, 3, FaultKind::Throttle);
    assert_eq!(
        stack.invoke("place-order", &[("m-1", order("o-1", "ada", 700))]).await,
        [""; 0]
    );
    assert_eq!(orders(&stack), ["o-1"]);
}
