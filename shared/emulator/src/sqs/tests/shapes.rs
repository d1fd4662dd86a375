//! Answers have the members and types of the API's model, and only those.
//!
//! The model is `sqs/2012-11-05/service-2.json` of botocore 1.43; what AWS leaves out is what its clients reported.

use super::*;

/// The members of each operation's answer with the JSON type of each; those with `?` may be absent.
const ANSWERS: [(&str, &str); 20] = [
    ("CreateQueue", "QueueUrl:string"),
    ("GetQueueUrl", "QueueUrl:string"),
    ("ListQueues", "QueueUrls?:array NextToken?:string"),
    ("ListDeadLetterSourceQueues", "queueUrls:array NextToken?:string"),
    ("GetQueueAttributes", "Attributes?:object"),
    ("SetQueueAttributes", ""),
    (
        "SendMessage",
        "MD5OfMessageBody:string MessageId:string MD5OfMessageAttributes?:string MD5OfMessageSystemAttributes?:string \
         SequenceNumber?:string",
    ),
    ("SendMessageBatch", "Successful?:array Failed?:array"),
    ("ReceiveMessage", "Messages?:array"),
    ("ChangeMessageVisibility", ""),
    ("ChangeMessageVisibilityBatch", "Successful?:array Failed?:array"),
    ("DeleteMessage", ""),
    ("DeleteMessageBatch", "Successful?:array Failed?:array"),
    ("TagQueue", ""),
    ("ListQueueTags", "Tags?:object"),
    ("UntagQueue", ""),
    ("StartMessageMoveTask", "TaskHandle:string"),
    ("ListMessageMoveTasks", "Results:array"),
    ("PurgeQueue", ""),
    ("DeleteQueue", ""),
];

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// A request for each operation that succeeds; all but the last two leave what the others need.
fn request(operation: &str, handle: &Value) -> Value {
    let arn = "arn:aws:sqs:eu-central-1:000000000000:orders.fifo";
    let entry = json!({ "Id": "a", "ReceiptHandle": handle, "VisibilityTimeout": 30, "MessageBody": "b",
        "MessageGroupId": "g" });
    json!({
        "QueueName": "orders.fifo", "Entries": [entry], "ReceiptHandle": handle, "VisibilityTimeout": 30,
        "MessageBody": operation, "MessageGroupId": "g2", "Tags": { "a": "b" }, "TagKeys": ["a"],
        "Attributes": if operation == "CreateQueue" { json!({ "FifoQueue": "true" }) } else { json!({ "DelaySeconds": "0" }) },
        "SourceArn": arn,
    })
}

#[tokio::test]
async fn answers_have_the_members_and_types_of_the_api() {
    let client = Client::fifo().await;
    let policy = r#"{"deadLetterTargetArn":"arn:aws:sqs:eu-central-1:000000000000:orders.fifo","maxReceiveCount":1}"#;
    client
        .create("source.fifo", json!({ "FifoQueue": "true", "RedrivePolicy": policy }))
        .await;
    client.send_in_group("g", "first").await;
    let handle = client.receive_one().await["ReceiptHandle"].clone();
    for (operation, members) in ANSWERS {
        let answer = client.ok(operation, request(operation, &handle)).await;
        let mut left = answer.as_object().unwrap().clone();
        for member in members.split_whitespace() {
            let (name, kind) = member.split_once(':').unwrap();
            let optional = name.ends_with('?');
            match left.remove(name.trim_end_matches('?')) {
                None => assert!(optional, "{operation} lacks {name}: {answer}"),
                Some(value) => assert_eq!(type_of(&value), kind, "{operation} {name}: {answer}"),
            }
        }
        assert!(left.is_empty(), "{operation} has {left:?}");
    }
}

#[tokio::test]
async fn what_is_empty_is_absent() {
    let client = Client::standard().await;
    assert_eq!(client.ok("GetQueueAttributes", json!({})).await, json!({}));
    let redrive = json!({ "AttributeNames": ["RedrivePolicy"] });
    assert_eq!(client.ok("GetQueueAttributes", redrive).await, json!({}));
    assert_eq!(client.ok("ListQueueTags", json!({})).await, json!({}));
    let none = json!({ "QueueNamePrefix": "none" });
    assert_eq!(client.sqs.call("ListQueues", none).await.unwrap(), json!({}));
    let sources = client.ok("ListDeadLetterSourceQueues", json!({})).await;
    assert_eq!(sources, json!({ "queueUrls": [] }), "required");
    let tasks = json!({ "SourceArn": "arn:aws:sqs:eu-central-1:000000000000:orders" });
    let tasks = client.sqs.call("ListMessageMoveTasks", tasks).await.unwrap();
    assert_eq!(tasks, json!({ "Results": [] }));
}

#[tokio::test]
async fn a_batch_answer_has_no_empty_list() {
    let client = Client::standard().await;
    let members = |answer: &Value| answer.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    for (operation, good, bad) in [
        (
            "SendMessageBatch",
            json!({ "MessageBody": "a" }),
            json!({ "MessageBody": "" }),
        ),
        ("DeleteMessageBatch", json!({}), json!({ "ReceiptHandle": "garbage" })),
        (
            "ChangeMessageVisibilityBatch",
            json!({}),
            json!({ "ReceiptHandle": "garbage" }),
        ),
    ] {
        client.send("a").await;
        let handle = client.receive_with(json!({})).await[0]["ReceiptHandle"].clone();
        for (entry, expected) in [(good, "Successful"), (bad, "Failed")] {
            let mut entry = entry;
            entry["Id"] = "e".into();
            entry["VisibilityTimeout"] = 1.into();
            if entry.get("ReceiptHandle").is_none() {
                entry["ReceiptHandle"] = handle.clone();
            }
            let mut members_of = json!({ "Entries": [entry] });
            if operation == "SendMessageBatch" {
                members_of["Entries"][0]["VisibilityTimeout"].take();
            }
            let answer = client.ok(operation, members_of).await;
            assert_eq!(members(&answer), [expected], "{operation} {answer}");
        }
    }
}

#[tokio::test]
async fn a_queue_is_given_by_its_url_over_the_network() {
    let client = Client::standard().await;
    for (url, error) in [
        ("orders", "InvalidAddress"),
        ("arn:aws:sqs:eu-central-1:000000000000:orders", "InvalidAddress"),
        ("http://127.0.0.1:4566/orders", "InvalidAddress"),
        ("http://127.0.0.1:4566/000000000000/orders/", "InvalidAddress"),
        ("127.0.0.1:4566/000000000000/orders", "InvalidAddress"),
        ("http://127.0.0.1:4566/000000000000/orders\n", "QueueDoesNotExist"),
        ("http://127.0.0.1:4566/000000000000/Orders", "QueueDoesNotExist"),
        ("http://127.0.0.1:4566/111122223333/orders", "QueueDoesNotExist"),
        ("", "MissingRequiredParameterException"),
    ] {
        let request = json!({ "QueueUrl": url, "MessageBody": "a" });
        let crate::Reply::Answer(Err(refused)) = client.sqs.serve("SendMessage", request).await else {
            panic!("{url:?} is accepted");
        };
        assert_eq!(refused.name(), error, "{url:?}");
    }
}
