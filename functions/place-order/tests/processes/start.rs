//! What the function says when it can't start, and while it runs.

use emulator::dynamodb::FaultKind;
use serde_json::Value;
use testing::{UNHURRIED, event, failures, last_words};

use crate::stage::{self, PLACE_ORDER, order, orders};

/// Everything that the function needs to start.
const ENVIRONMENT: [(&str, &str); 11] = [
    ("ORDERS_TABLE", "orders"),
    ("CUSTOMERS_TABLE", "customers"),
    (
        "NOTIFICATIONS_QUEUE_URL",
        "http://127.0.0.1:1/000000000000/notifications",
    ),
    ("IDEMPOTENCY_TABLE", "idempotency"),
    ("AWS_REGION", "us-east-1"),
    ("AWS_ACCESS_KEY_ID", "local"),
    ("AWS_SECRET_ACCESS_KEY", "local"),
    ("AWS_LAMBDA_RUNTIME_API", "127.0.0.1:1"),
    ("AWS_LAMBDA_FUNCTION_NAME", "place-order"),
    ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
    ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128"),
];

#[test]
fn without_a_setting_it_ends_with_one_line_that_names_it() {
    for (missing, _) in ENVIRONMENT {
        let line = last_words(
            PLACE_ORDER.1,
            ENVIRONMENT.into_iter().filter(|(name, _)| *name != missing),
        );
        assert_eq!(line["message"], format!("environment variable {missing} is not set"));
        assert_eq!(line["level"], "ERROR");
    }
}

#[test]
fn an_empty_setting_is_a_missing_one() {
    let emptied = ENVIRONMENT.map(|(name, value)| (name, if name == "ORDERS_TABLE" { "" } else { value }));
    let line = last_words(PLACE_ORDER.1, emptied);
    assert_eq!(line["message"], "environment variable ORDERS_TABLE is empty");
}

#[tokio::test]
async fn a_table_that_does_not_exist_is_named_at_start_with_its_variable() {
    let line = "IDEMPOTENCY_TABLE: !Ref IdempotencyTable";
    let stage = stage::set_otherwise((line, "IDEMPOTENCY_TABLE: nowhere"), &UNHURRIED).await;
    let invocation = stage
        .invoke_with("place-order", event("orders", &[("m-1", order("o-1", "ada", 700))]))
        .await;
    assert!(invocation.failed);
    let reason = invocation.reason().unwrap();
    assert!(
        reason.contains("IDEMPOTENCY_TABLE: table nowhere can't be used"),
        "{reason}"
    );
    let tail = String::from_utf8(invocation.log_tail).unwrap();
    let said: Vec<Value> = tail.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let message = said.last().unwrap()["message"].as_str().unwrap();
    assert!(
        message.starts_with("environment variable IDEMPOTENCY_TABLE: table nowhere can't be used: ")
            && message.contains("ResourceNotFoundException"),
        "{message}"
    );
    assert_eq!(orders(&stage), [""; 0]);
}

#[tokio::test]
async fn a_table_of_its_own_that_does_not_exist_is_among_those_that_its_failure_names() {
    let stage = stage::set_otherwise(("ORDERS_TABLE: !Ref OrdersTable", "ORDERS_TABLE: nope"), &UNHURRIED).await;
    let orders = [("m-1", order("o-1", "ada", 700))];
    assert_eq!(stage.invoke("place-order", &orders).await, ["m-1"]);
    let failed = || stage.log().into_iter().find(|line| line.contains("failed: "));
    stage.until("the log says so", || failed().is_some()).await;
    let line: Value = serde_json::from_str(&failed().unwrap()).unwrap();
    assert_eq!(
        line["message"],
        "failed: the ledger refused the request: ResourceNotFoundException: Requested resource not found \
         (tables idempotency, nope, customers)"
    );
    assert_eq!(line["key"], "place-order#m-1");
}

#[tokio::test]
async fn the_tables_have_an_endpoint_of_their_own_if_one_is_stated() {
    // `AWS_ENDPOINT_URL` names a place where nobody listens.
    let line = "          ORDERS_TABLE: !Ref OrdersTable\n";
    let proxy = crate::proxy::Proxy::stuck_at("never said").await;
    let urls = format!(
        "{line}          AWS_ENDPOINT_URL: http://127.0.0.1:1\n          AWS_ENDPOINT_URL_DYNAMODB: {}\n",
        proxy.url
    );
    let stage = stage::set_otherwise((line, &urls), &UNHURRIED).await;
    proxy.lead_to(stage.stack.endpoint());
    assert_eq!(
        stage.invoke("place-order", &[("m-1", order("o-1", "ada", 700))]).await,
        [""; 0]
    );
    assert_eq!(orders(&stage), ["o-1"]);
}

#[tokio::test]
async fn every_log_line_but_the_metrics_is_json_with_time_level_and_the_ids_of_request_and_message() {
    let parameters = [UNHURRIED.as_slice(), &[("LogLevel", "DEBUG")]].concat();
    let stage = stage::set(&parameters).await;
    let mut wrong = order("o-1", "ada", 700);
    wrong["amount"] = 701.into();
    let invocation = stage
        .invoke_with(
            "place-order",
            event("orders", &[("m-1", wrong), ("m-2", order("o-2", "ada", 50))]),
        )
        .await;
    assert_eq!(failures(&invocation), [""; 0]);

    let about = |lines: &[Value], message: &str, text: &str| {
        let said = |line: &&Value| {
            line["messageId"] == message && line["message"].as_str().is_some_and(|said| said.contains(text))
        };
        lines.iter().find(said).cloned()
    };
    let lines = || -> Vec<Value> {
        let log = stage.log();
        let lines = log.iter().map(|line| serde_json::from_str(line).unwrap());
        lines.filter(|line: &Value| line.get("_aws").is_none()).collect()
    };
    stage
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
async fn the_ids_are_on_a_line_whatever_level_is_logged() {
    for level in ["WARN", "FATAL"] {
        // The template's own parameter takes no level that metrics would be lost at.
        let line = (
            "ApplicationLogLevel: !Ref LogLevel",
            &*format!("ApplicationLogLevel: {level}"),
        );
        let stage = stage::set_otherwise(line, &UNHURRIED).await;
        let mut wrong = order("o-1", "ada", 700);
        wrong["amount"] = 701.into();
        let invocation = stage
            .invoke_with("place-order", event("orders", &[("m-1", wrong)]))
            .await;
        let said = || stage.log().iter().find(|line| line.contains("rejected")).cloned();
        stage.until("the rejection is in the log", || said().is_some()).await;
        let line: Value = serde_json::from_str(&said().unwrap()).unwrap();
        assert_eq!(
            (&line["messageId"], &line["requestId"]),
            (&"m-1".into(), &invocation.request_id.into())
        );
    }
}

#[tokio::test]
async fn what_is_no_event_of_sqs_fails_in_one_line_of_log_and_answer_that_does_not_quote_it() {
    let stage = stage::set(&UNHURRIED).await;
    let line = |what| format!("not an SQS event: {what}; is the function invoked by something other than its queue?");
    for (event, what) in [
        (r#"{"detail": "secret"}"#, "missing field `Records`"),
        (r#"{"Records": "secret", "more": ["secret"]}"#, "unexpected shape"),
        (r#""secret""#, "unexpected shape"),
    ] {
        let invocation = stage.invoke_with("place-order", event).await;
        assert!(invocation.failed);
        assert_eq!(invocation.reason().unwrap(), format!("UnusableEvent: {}", line(what)));
        let tail = String::from_utf8(invocation.log_tail.clone()).unwrap();
        assert!(!tail.contains("secret"), "{tail}");
        let said = tail.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let [said] = said.collect::<Vec<_>>().try_into().unwrap();
        assert_eq!(
            (&said["level"], &said["requestId"]),
            (&"ERROR".into(), &invocation.request_id.into())
        );
        assert!(said["message"].as_str().unwrap().contains(&line(what)), "{said}");
    }
    let order = [("m-1", order("o-1", "ada", 700))];
    assert_eq!(stage.invoke("place-order", &order).await, [""; 0]);
}

#[tokio::test]
async fn a_table_that_is_throttled_at_start_does_not_keep_it_from_starting() {
    let stage = stage::set(&UNHURRIED).await;
    // As often as the SDK tries.
    stage.inject("DeleteItem", None, 3, FaultKind::Throttle);
    assert_eq!(
        stage.invoke("place-order", &[("m-1", order("o-1", "ada", 700))]).await,
        [""; 0]
    );
    assert_eq!(orders(&stage), ["o-1"]);
}
