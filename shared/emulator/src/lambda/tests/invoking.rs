//! The Invoke API, as its clients see it.

use std::time::Duration;

use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::{Value, json};

use super::{
    super::{Event, invocation::REQUEST_BYTES},
    http::Answer,
    stack::{Stack, function},
};

async fn invoke(stack: &Stack, name: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
    stack
        .request(&format!("POST /2015-03-31/functions/{name}/invocations"), headers, body)
        .await
}

fn refusal(answer: &Answer) -> (u16, &str, String) {
    let body: Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(body["Type"], "User");
    assert_eq!(
        [&body["errorType"], &body["errorMessage"]],
        [&answer.headers["x-amzn-errortype"].as_str().into(), &body["Message"]]
    );
    (
        answer.status,
        &answer.headers["x-amzn-errortype"],
        body["Message"].as_str().unwrap().to_owned(),
    )
}

#[tokio::test]
async fn a_function_is_invoked_by_name_arn_and_version() {
    let stack = Stack::new().await;
    for name in [
        "test",
        "test:$LATEST",
        "arn:aws:lambda:eu-west-1:000000000000:function:test",
        "arn%3Aaws%3Alambda%3Aeu-west-1%3A000000000000%3Afunction%3Atest",
    ] {
        let answer = invoke(&stack, name, &[], br#"{"do":"say","text":"[1]"}"#).await;
        assert_eq!((answer.status, answer.body.as_str()), (200, "[1]"), "{name}");
        assert_eq!(answer.headers["x-amz-executed-version"], "$LATEST");
        assert!(!answer.headers.contains_key("x-amz-function-error"));
        assert!(!answer.headers.contains_key("x-amz-log-result"));
    }
    let path = "POST /2015-03-31/functions/test/invocations?Qualifier=%24LATEST";
    let answer = stack.request(path, &[], br#"{"do":"say","text":"[1]"}"#).await;
    assert_eq!(answer.status, 200);
    stack.lambda.shutdown().await;
}

#[tokio::test]
async fn a_failure_is_an_answer_with_a_header() {
    let stack = Stack::new().await;
    let answer = invoke(&stack, "test", &[("x-amz-log-type", "Tail")], br#"{"do":"exit"}"#).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.headers["x-amz-function-error"], "Unhandled");
    assert!(answer.body.contains("Runtime.ExitError"), "{}", answer.body);
    let log = BASE64_STANDARD.decode(&answer.headers["x-amz-log-result"]).unwrap();
    assert!(String::from_utf8_lossy(&log).contains("giving up"));
}

#[tokio::test]
async fn no_payload_is_an_empty_object() {
    let mut stack = Stack::new().await;
    // The function does not know what to do with it, which shows that it got it.
    assert_eq!(
        invoke(&stack, "test", &[], b"").await.headers["x-amz-function-error"],
        "Unhandled"
    );
    assert!(matches!(stack.events()[0], Event::ProcessStarted { .. }));
}

#[tokio::test]
async fn an_unknown_function_is_refused_with_the_known_names() {
    let stack = Stack::new().await;
    let answer = invoke(&stack, "tset", &[], b"{}").await;
    let message = "Function not found: arn:aws:lambda:eu-west-1:000000000000:function:tset (there is test)";
    assert_eq!(refusal(&answer), (404, "ResourceNotFoundException", message.to_owned()));
    let answer = invoke(&stack, "test:7", &[], b"{}").await;
    let (status, kind, message) = refusal(&answer);
    assert_eq!((status, kind), (404, "ResourceNotFoundException"));
    assert!(message.contains(":function:test:7 "), "{message}");
}

#[tokio::test]
async fn a_payload_that_is_no_json_is_refused() {
    let stack = Stack::new().await;
    let answer = invoke(&stack, "test", &[], b"{").await;
    let (status, kind, message) = refusal(&answer);
    assert_eq!((status, kind), (400, "InvalidRequestContentException"));
    assert!(
        message.starts_with("Could not parse request body into json: "),
        "{message}"
    );
}

#[tokio::test]
async fn a_payload_over_six_megabytes_is_refused() {
    let stack = Stack::new().await;
    let payload = |bytes| json!("x".repeat(bytes - 2)).to_string();
    let answer = invoke(&stack, "test", &[], payload(REQUEST_BYTES + 1).as_bytes()).await;
    let message = "Request must be smaller than 6291456 bytes for the InvokeFunction operation";
    assert_eq!(refusal(&answer), (413, "RequestTooLargeException", message.to_owned()));
    let dry = [("x-amz-invocation-type", "DryRun")];
    assert_eq!(
        invoke(&stack, "test", &dry, payload(REQUEST_BYTES).as_bytes())
            .await
            .status,
        204
    );
}

#[tokio::test]
async fn a_dry_run_runs_nothing() {
    let mut stack = Stack::new().await;
    let answer = invoke(&stack, "test", &[("x-amz-invocation-type", "DryRun")], b"{}").await;
    assert_eq!((answer.status, answer.body.as_str()), (204, ""));
    assert_eq!(stack.events(), []);
}

#[tokio::test]
async fn an_event_is_accepted_first_and_run_then() {
    let mut stack = Stack::new().await;
    let event = [("x-amz-invocation-type", "Event")];
    let answer = invoke(&stack, "test", &event, br#"{"do":"fail"}"#).await;
    assert_eq!((answer.status, answer.body.as_str()), (202, ""));
    let trouble = stack
        .event(|event| {
            if let Event::Trouble { what } = event {
                Some(what)
            } else {
                None
            }
        })
        .await;
    assert_eq!(trouble, "asynchronous invocation of test failed: Scripted: as scripted");
    stack.lambda.shutdown().await;
}

#[tokio::test]
async fn another_invocation_type_is_refused() {
    let stack = Stack::new().await;
    let answer = invoke(&stack, "test", &[("x-amz-invocation-type", "Later")], b"{}").await;
    let (status, kind, message) = refusal(&answer);
    assert_eq!((status, kind), (400, "InvalidParameterValueException"));
    assert!(message.contains("'Later'"), "{message}");
}

#[tokio::test]
async fn a_functions_configuration_is_told_without_credentials() {
    let mut function = function("well", Duration::from_secs(7));
    let variables = [("TABLE", "orders"), ("AWS_SECRET_ACCESS_KEY", "secret")];
    function.environment = variables
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
    let stack = Stack::with(function).await;
    let path = "GET /2015-03-31/functions/test/configuration";
    let answer = stack.request(path, &[], b"").await;
    let body: Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(
        (answer.status, body),
        (
            200,
            json!({
                "FunctionName": "test",
                "FunctionArn": "arn:aws:lambda:eu-west-1:000000000000:function:test",
                "Version": "$LATEST",
                "Timeout": 7,
                "MemorySize": 128,
                "Environment": {"Variables": {"TABLE": "orders"}},
            })
        )
    );
    let answer = stack
        .request("GET /2015-03-31/functions/tset/configuration", &[], b"")
        .await;
    assert_eq!((answer.status, refusal(&answer).1), (404, "ResourceNotFoundException"));
}
