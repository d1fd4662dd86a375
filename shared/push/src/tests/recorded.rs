//! Requests as the documentation of each platform shows them.

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use consumer::Incoming;
use idempotency::Timestamp;

use super::bench::Bench;
use crate::answer::Platform;

/// The message of a request, as the host reads it.
fn read(platform: Platform, headers: &[(&'static str, &str)], body: &str) -> Incoming {
    let bench = Bench::new(platform);
    let headers: HeaderMap = headers
        .iter()
        .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap()))
        .collect();
    bench.push.dialect.read(&headers, body.as_bytes()).ok().unwrap().message
}

/// <https://cloud.google.com/pubsub/docs/push#receive_push>, with an ordering key and a dead-letter topic.
const PUBSUB: &str = r#"{
    "deliveryAttempt": 5,
    "message": {
        "attributes": {"key": "value"},
        "data": "SGVsbG8gQ2xvdWQgUHViL1N1YiEgSGVyZSBpcyBteSBtZXNzYWdlIQ==",
        "messageId": "2070443601311540",
        "message_id": "2070443601311540",
        "orderingKey": "key-1",
        "publishTime": "2021-02-26T19:13:55.749Z",
        "publish_time": "2021-02-26T19:13:55.749Z"
    },
    "subscription": "projects/myproject/subscriptions/mysubscription"
}"#;

#[tokio::test]
async fn the_envelope_of_pubsub_is_read() {
    let message = read(Platform::PubSub, &[], PUBSUB);
    assert_eq!(message.id.as_str(), "2070443601311540");
    assert_eq!(message.body, "Hello Cloud Pub/Sub! Here is my message!");
    assert_eq!((message.receive_count, message.group.as_deref()), (5, Some("key-1")));
    assert_eq!(message.attributes["key"].string_value.as_deref(), Some("value"));
    assert_eq!(message.sent_at, Some(Timestamp::from_millis(1_614_366_835_749)));
    assert!(message.queue.unwrap().ends_with("subscriptions/mysubscription"));
    // Without a dead-letter topic the attempt is not stated.
    let without = PUBSUB.replace("\"deliveryAttempt\": 5,", "");
    assert_eq!(read(Platform::PubSub, &[], &without).receive_count, 1);
}

/// <https://cloud.google.com/tasks/docs/creating-http-target-tasks#handler>
const TASK: [(&str, &str); 9] = [
    ("user-agent", "Google-Cloud-Tasks"),
    ("content-type", "application/octet-stream"),
    ("x-cloudtasks-queuename", "orders"),
    ("x-cloudtasks-taskname", "5434762842943434"),
    ("x-cloudtasks-taskretrycount", "3"),
    // Answers with 5xx are not counted.
    ("x-cloudtasks-taskexecutioncount", "1"),
    ("x-cloudtasks-tasketa", "1602727873.950779"),
    ("x-cloudtasks-taskpreviousresponse", "500"),
    ("x-cloudtasks-taskretryreason", "Timeout"),
];

#[tokio::test]
async fn the_headers_of_cloud_tasks_are_read() {
    let message = read(Platform::CloudTasks, &TASK, "{\"order\":1}");
    // Without an ID of ours, a digest of the body is added: another task may have this name later.
    assert!(message.id.as_str().starts_with("5434762842943434"), "{:?}", message.id);
    assert_ne!(message.id, read(Platform::CloudTasks, &TASK, "{\"order\":2}").id);
    assert_eq!(
        (message.body.as_str(), message.receive_count, message.group),
        ("{\"order\":1}", 4, None)
    );
}

/// <https://learn.microsoft.com/en-us/azure/azure-functions/functions-custom-handlers#request-payload>
const FUNCTIONS: &str = r#"{
  "Data": {
    "myQueueItem": "{ message: \"Message sent\" }"
  },
  "Metadata": {
    "DequeueCount": 1,
    "ExpirationTime": "2019-10-16T17:58:31+00:00",
    "Id": "800ae4b3-bdd2-4c08-badd-f08e5a34b865",
    "InsertionTime": "2019-10-09T17:58:31+00:00",
    "NextVisibleTime": "2019-10-09T18:08:32+00:00",
    "PopReceipt": "AgAAAAMAAAAAAAAAAgtnj8x+1QE=",
    "sys": {
      "MethodName": "QueueTrigger",
      "UtcNow": "2019-10-09T17:58:32.2205399Z",
      "RandGuid": "24ad4c06-24ad-4e5b-8294-3da9714877e9"
    }
  }
}"#;

#[tokio::test]
async fn the_request_of_the_functions_host_is_read() {
    // As the documentation has it, and as the host writes it: texts once more as JSON, and numbers as text.
    let written = r#"{
        "Data": { "myQueueItem": "\"{ message: \\\"Message sent\\\" }\"" },
        "Metadata": {
            "DequeueCount": "1",
            "Id": "\"800ae4b3-bdd2-4c08-badd-f08e5a34b865\"",
            "InsertionTime": "2019-10-09T17:58:31+00:00"
        }
    }"#;
    for request in [FUNCTIONS, written] {
        let message = read(Platform::AzureFunctions, &[], request);
        assert_eq!(message.id.as_str(), "800ae4b3-bdd2-4c08-badd-f08e5a34b865");
        assert_eq!(
            (message.body.as_str(), message.receive_count),
            ("{ message: \"Message sent\" }", 1)
        );
        assert_eq!(message.sent_at, Some(Timestamp::from_millis(1_570_643_911_000)));
        assert_eq!(
            message.queue.as_deref(),
            Some("https://shop.queue.core.windows.net/orders")
        );
    }
}
