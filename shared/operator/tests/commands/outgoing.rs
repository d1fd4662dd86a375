//! `outgoing resend`.

use std::sync::Arc;
use std::time::Duration;

use consumer::{Budget, Delivery, Failure, Handler, Incoming, MessageId, Services, Verdict, process_one};
use emulator::dynamodb::{Fault, FaultKind};
use idempotency::{Completion, DynamoDbStore, DynamoDbWrite, OutgoingMessage, Timestamp};
use serde_json::{Value, json};
use sqs::Sqs;

use crate::harness::{Harness, arn, put, record, text};
use crate::proxy::{Injection, run_with};

const TO: &str = "notifications";
const OTHER: &str = "orders";
const RESEND: [&str; 4] = ["outgoing", "resend", "place-order#m-1", "--yes"];

fn with<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&RESEND[..], more].concat()
}

/// The attribute of a completed record with a message to each destination.
fn outgoing(destinations: &[&str]) -> Value {
    let messages = destinations.iter().enumerate();
    let messages = messages.map(|(position, destination)| {
        json!({"queue_url": destination, "body": format!("body {position}"), "key": format!("place-order#m-1/{position}")})
    });
    json!({"outgoing": {"S": Value::from_iter(messages).to_string()}})
}

async fn completed(destinations: &[&str]) -> Harness {
    let harness = Harness::start().await;
    harness.record("m-1", "COMPLETED", outgoing(destinations));
    harness
}

async fn keys(harness: &Harness, queue: &str) -> Vec<String> {
    harness.arrived(queue).await.into_iter().map(|(key, _)| key).collect()
}

/// The destinations that the record has.
fn recorded(harness: &Harness) -> Vec<String> {
    let items = harness.stack.dynamodb().scan("idempotency");
    let messages: Vec<Value> = serde_json::from_str(items[0]["outgoing"]["S"].as_str().unwrap()).unwrap();
    let urls = messages.iter().map(|message| message["queue_url"].as_str().unwrap());
    urls.map(str::to_owned).collect()
}

/// Sends two messages to its destination.
struct Sends(String);

impl Handler for Sends {
    type Message = Value;
    type Write = DynamoDbWrite;
    const NAMESPACE: &'static str = "place-order";

    async fn handle(&self, _: Value, _: &Delivery) -> Result<Completion<DynamoDbWrite>, Failure> {
        let message = |body: &str| OutgoingMessage::new(&self.0, body).with_group("g-1");
        let second = message("second").with_key("its own").with_attribute("colour", "red");
        Ok(Completion::new().send(message("first")).send(second))
    }
}

/// The verdict about the message `m-1`.
async fn deliver(harness: &Harness, destination: &str) -> Verdict {
    let endpoint = harness.stack.endpoint();
    let store = DynamoDbStore::new(local::dynamodb_client(endpoint).await, "idempotency");
    let services = Services::new(store, Sqs::new(local::sqs_client(endpoint).await));
    let message = Incoming::new(MessageId::new("m-1").unwrap(), "{}");
    let now = Timestamp::now();
    let budget = Budget::new(now, now.plus(Duration::from_secs(30)));
    let handler = Arc::new(Sends(destination.to_owned()));
    process_one(&handler, &services, message, false, &budget).await.0
}

/// What identifies a message and is sent with it.
fn content(messages: Vec<(String, Value)>) -> Vec<Value> {
    let content = |(_, message): (String, Value)| {
        let system = &message["Attributes"];
        json!([
            message["Body"],
            message["MessageAttributes"],
            system["MessageGroupId"],
            system["MessageDeduplicationId"],
            system["AWSTraceHeader"],
        ])
    };
    messages.into_iter().map(content).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn redelivery_is_done_once_the_record_is_corrected() {
    let harness = Harness::start().await;
    harness.fifo_queues().await;
    let wrong = arn(&harness.stack, "line.fifo");
    assert!(matches!(deliver(&harness, &wrong).await, Verdict::Retry { .. }));
    // The function has the right URL by now. The record does not.
    let right = harness.url("line.fifo");
    assert!(matches!(deliver(&harness, &right).await, Verdict::Retry { .. }));
    let output = harness.succeed(&with(&["--to", "line.fifo"])).await;
    assert!(
        output.ends_with("corrected the record: a redelivery of the incoming message sends to line.fifo\n"),
        "{output}"
    );
    let resent = content(harness.arrived("line.fifo").await);
    assert_eq!(recorded(&harness), [right.clone(), right.clone()]);
    assert_eq!(deliver(&harness, &right).await, Verdict::Done);
    assert_eq!(harness.ids("line.fifo").len(), 2, "SQS recognises the copies");

    // What a function sends to a right destination is the same.
    let other = Harness::start().await;
    other.fifo_queues().await;
    assert_eq!(deliver(&other, &other.url("line.fifo")).await, Verdict::Done);
    assert_eq!(content(other.arrived("line.fifo").await), resent);
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_are_sent_to_their_own_destinations() {
    let harness = Harness::start().await;
    let urls = [harness.url(TO), harness.url(OTHER)];
    let more = outgoing(&[&urls[0], &urls[1]]);
    harness.record("m-1", "COMPLETED", more.clone());
    let output = harness.succeed(&RESEND).await;
    let expected = format!(
        "message 0 (key place-order#m-1/0): 43 bytes to {0}\n\
         message 1 (key place-order#m-1/1): 43 bytes to {1}\n\
         sent message 0 (key place-order#m-1/0) to {0}\n\
         sent message 1 (key place-order#m-1/1) to {1}\n",
        urls[0], urls[1]
    );
    assert_eq!(output, expected);
    let arrived = harness.arrived(TO).await;
    assert_eq!(arrived[0].1["Body"], "body 0");
    assert_eq!(
        arrived[0].1["MessageAttributes"],
        json!({"IdempotencyKey": text("place-order#m-1/0")})
    );
    assert_eq!(keys(&harness, OTHER).await, ["place-order#m-1/1"]);
    assert_eq!(
        harness.stack.dynamodb().scan("idempotency"),
        [record("m-1", "COMPLETED", more)]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_destination_is_named_before_anything_is_sent() {
    for (wrong, expected) in [
        (
            "arn:aws:sqs:us-east-1:000000000000:notifications",
            "is an ARN, not a queue's URL: \"arn:aws:sqs:us-east-1:000000000000:notifications\"",
        ),
        ("notifications", "is not a URL: \"notifications\""),
        ("URL\n", "contains white space or a line break: \"http://127.0.0.1:"),
    ] {
        let harness = Harness::start().await;
        let wrong = wrong.replace("URL", &harness.url(TO));
        harness.record("m-1", "COMPLETED", outgoing(&[&harness.url(OTHER), &wrong]));
        for more in ["--yes", "--dry-run"] {
            let done = harness.operator(&["outgoing", "resend", "place-order#m-1", more]).await;
            let expected = format!("error: the destination of message 1 {expected}");
            assert!(
                done.code == Some(1)
                    && done.err.starts_with(&expected)
                    && done.err.ends_with("; pass the right queue with --to\n"),
                "{done:?}"
            );
        }
        assert!(harness.ids(OTHER).is_empty());
        harness.succeed(&with(&["--to", TO, "--message", "1"])).await;
        assert_eq!(keys(&harness, TO).await, ["place-order#m-1/1"]);
        assert_eq!(recorded(&harness), [harness.url(OTHER), harness.url(TO)]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn correction_changes_the_destination_alone() {
    let harness = Harness::start().await;
    let more = |destination: &str| {
        let message = json!({
            "queue_url": destination, "body": "b", "key": "k", "group": "g", "attributes": {"colour": "red"},
        });
        json!({
            "outgoing": {"S": json!([message]).to_string()}, "data": {"S": "{\"total\":7}"}, "validation": {"S": "f"},
            "tool": {"S": "another"},
        })
    };
    harness.record("m-1", "COMPLETED", more("gone"));
    harness.succeed(&with(&["--to", TO])).await;
    let expected = record("m-1", "COMPLETED", more(&harness.url(TO)));
    let mut items = harness.stack.dynamodb().scan("idempotency");
    let messages = |item: &Value| -> Value { serde_json::from_str(item["outgoing"]["S"].as_str().unwrap()).unwrap() };
    assert_eq!(messages(&items[0]), messages(&expected));
    items[0]["outgoing"] = expected["outgoing"].clone();
    assert_eq!(items, [expected]);
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_of_several_destinations_are_not_sent_to_one() {
    let wrong = ["gone", "arn:aws:sqs:us-east-1:000000000000:notifications", "gone"];
    let harness = completed(&wrong).await;
    let done = harness.operator(&with(&["--to", TO])).await;
    assert!(
        done.code == Some(1)
            && done.err
                == "error: the messages have 2 different destinations: choose those for notifications with --message\n",
        "{done:?}"
    );
    assert!(harness.ids(TO).is_empty());
    harness
        .succeed(&with(&["--to", TO, "--message", "2", "--message", "0"]))
        .await;
    assert_eq!(keys(&harness, TO).await, ["place-order#m-1/0", "place-order#m-1/2"]);
    assert_eq!(recorded(&harness), [&harness.url(TO), wrong[1], &harness.url(TO)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn record_without_messages_to_send_is_refused() {
    let harness = Harness::start().await;
    let url = harness.url(TO);
    for (status, more, expected) in [
        (
            "INPROGRESS",
            outgoing(&[&url]),
            "place-order#m-1 is INPROGRESS: only a COMPLETED record",
        ),
        (
            "REJECTED",
            json!({}),
            "place-order#m-1 is REJECTED: only a COMPLETED record",
        ),
        ("COMPLETED", json!({}), "place-order#m-1 has no outgoing messages"),
        (
            "COMPLETED",
            json!({"outgoing": {"S": "[{}]"}}),
            "record place-order#m-1 can't be read: attribute outgoing",
        ),
    ] {
        harness.record("m-1", status, more);
        let done = harness.operator(&RESEND).await;
        assert!(
            done.code == Some(1) && done.err.starts_with(&format!("error: {expected}")),
            "{done:?}"
        );
    }
    harness.record("m-1", "COMPLETED", outgoing(&[&url]));
    let done = harness.operator(&with(&["--message", "1"])).await;
    assert!(
        done.code == Some(1) && done.err == "error: there is no message 1: the record has 1, numbered from 0\n",
        "{done:?}"
    );
    assert!(harness.ids(TO).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn queue_that_cannot_take_the_messages_is_refused() {
    let harness = completed(&["gone"]).await;
    harness.fifo_queues().await;
    for (to, expected) in [
        ("nowhere", "error: there is no queue nowhere"),
        (
            "arn:aws:sqs:us-east-1:000000000000:orders",
            "is an ARN, not a queue's URL: pass the queue's name or its URL",
        ),
        ("https://example.com/orders", "is not a queue's URL"),
        ("line.fifo", "message 0 can't be sent to http://127.0.0.1:"),
    ] {
        let done = harness.operator(&with(&["--to", to])).await;
        assert!(done.code == Some(1) && done.err.contains(expected), "{done:?}");
    }
    // A URL of the right form may be that of no queue: then the record keeps what it has.
    let done = harness.operator(&with(&["--to", &harness.url("nowhere")])).await;
    assert!(
        done.code == Some(1) && done.err.contains("message 0 (key place-order#m-1/0) is not sent: "),
        "{done:?}"
    );
    assert_eq!(recorded(&harness), ["gone"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn partial_failure_reports_what_is_sent_and_can_be_repeated() {
    let harness = completed(&["gone"; 3]).await;
    let resend = with(&["--to", TO]);
    let done = run_with(&harness, "SendMessageBatch", 2, Injection::Refused, &resend).await;
    assert!(
        done.code == Some(1)
            && done.out.contains("sent message 0 (key place-order#m-1/0) to ")
            && done.err.contains("message 1 (key place-order#m-1/1) may not be sent: ")
            && done.err.contains("OverLimit: refused by the test")
            && done
                .err
                .contains("; 1 of 3 are sent, not sent: 1, 2; fix the cause and run the command again"),
        "{done:?}"
    );
    assert_eq!(recorded(&harness), ["gone"; 3]);
    harness.succeed(&resend).await;
    let expected = [0, 0, 1, 2].map(|position| format!("place-order#m-1/{position}"));
    let mut arrived = keys(&harness, TO).await;
    arrived.sort();
    assert_eq!(arrived, expected);
    assert_eq!(recorded(&harness), [harness.url(TO), harness.url(TO), harness.url(TO)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn missing_destination_is_named_and_the_option_suggested() {
    let harness = Harness::start().await;
    harness.record("m-1", "COMPLETED", outgoing(&[&harness.url("nowhere")]));
    let done = harness.operator(&RESEND).await;
    assert!(
        done.code == Some(1)
            && done.err.contains("/000000000000/nowhere")
            && done.err.contains("NonExistentQueue")
            && done.err.ends_with(", or pass the right queue with --to\n"),
        "{done:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn record_that_changed_meanwhile_is_not_corrected() {
    let harness = completed(&["gone"]).await;
    let changed = record("m-1", "COMPLETED", outgoing(&["corrected by another"]));
    let (dynamodb, item) = (Arc::clone(harness.stack.dynamodb()), changed.clone());
    harness.stack.dynamodb().inject(Fault {
        operation: "GetItem".to_owned(),
        containing: Some("m-1".to_owned()),
        times: 1,
        kind: FaultKind::AfterApply(Box::new(move |_, _| put(&dynamodb, &item))),
    });
    let done = harness.operator(&with(&["--to", TO])).await;
    assert!(
        done.code == Some(1)
            && done
                .err
                .contains("the messages are sent, but the record may still have the wrong destination")
            && done.err.contains("it has changed since it was read"),
        "{done:?}"
    );
    assert_eq!(harness.ids(TO).len(), 1);
    assert_eq!(harness.stack.dynamodb().scan("idempotency"), [changed]);
}

#[tokio::test(flavor = "multi_thread")]
async fn record_is_corrected_although_the_reply_is_lost() {
    let harness = completed(&["gone"]).await;
    harness.stack.dynamodb().inject(Fault {
        operation: "UpdateItem".to_owned(),
        containing: None,
        times: 1,
        kind: FaultKind::LoseReply,
    });
    harness.succeed(&with(&["--to", TO])).await;
    assert_eq!(recorded(&harness), [harness.url(TO)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn dry_run_shows_and_changes_nothing() {
    let harness = completed(&["gone"]).await;
    // No --yes: a dry run needs no confirmation.
    let resend = ["outgoing", "resend", "place-order#m-1", "--to", TO, "--dry-run"];
    let output = harness.succeed(&resend).await;
    assert_eq!(
        output,
        "message 0 (key place-order#m-1/0): 43 bytes to gone\n\
         would send 1 message of place-order#m-1 to notifications, and correct its destination in the record\n"
    );
    let with_body = harness.succeed(&[&resend[..], &["--show-body"]].concat()).await;
    assert!(with_body.contains("to gone\n  body 0\nwould send"), "{with_body}");
    assert!(harness.ids(TO).is_empty());
    assert_eq!(recorded(&harness), ["gone"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn expired_record_is_sent_with_a_warning() {
    let harness = Harness::start().await;
    let mut more = outgoing(&[&harness.url(TO)]);
    more["expiration"] = json!({"N": "1700000000"});
    harness.record("m-1", "COMPLETED", more);
    let done = harness.operator(&RESEND).await;
    assert!(
        done.code == Some(0) && done.err.starts_with("warning: the record has expired: "),
        "{done:?}"
    );
    assert_eq!(harness.ids(TO).len(), 1);
}
