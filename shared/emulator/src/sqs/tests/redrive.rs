use super::*;
use crate::lambda::Event;

const ARN: &str = "arn:aws:sqs:eu-central-1:000000000000";

fn policy(target: &str, max_receive_count: impl Into<Value>) -> Value {
    let policy =
        json!({ "deadLetterTargetArn": format!("{ARN}:{target}"), "maxReceiveCount": max_receive_count.into() });
    json!({ "Attributes": { "RedrivePolicy": policy.to_string() } })
}

/// `orders`, whose messages move to `dead` after two receives.
async fn after_two_receives() -> Client {
    let client = Client::standard().await;
    client.create("dead", json!({})).await;
    client.ok("SetQueueAttributes", policy("dead", 2)).await;
    client
}

async fn receive_and_give_up(client: &Client, times: u32) {
    for _ in 0..times {
        let received = client.receive_with(json!({ "VisibilityTimeout": 0 })).await;
        assert_eq!(received.len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_received_too_often_moves_at_the_next_receive() {
    let client = after_two_receives().await;
    let id = client.send("poison").await;
    receive_and_give_up(&client, 2).await;
    assert!(client.sqs.peek("dead").is_empty(), "not before it is received again");
    assert!(client.receive().await.is_empty());
    assert!(client.states().is_empty());
    assert_eq!(client.sqs.peek("dead")[0].message_id, id);
}

#[tokio::test(start_paused = true)]
async fn a_move_is_reported_with_both_queues() {
    let client = after_two_receives().await;
    let (observer, mut events) = tokio::sync::mpsc::unbounded_channel();
    client.sqs.observe(observer);
    let message = client.send("poison").await;
    receive_and_give_up(&client, 2).await;
    assert!(events.try_recv().is_err());
    client.receive().await;
    let moved = Event::DeadLettered {
        queue: "orders".to_owned(),
        dead_letter_queue: "dead".to_owned(),
        message,
        receives: 2,
    };
    assert_eq!(events.try_recv(), Ok(moved));
}

#[tokio::test(start_paused = true)]
async fn a_moved_message_keeps_what_it_was_sent_with() {
    let client = after_two_receives().await;
    let attributes = json!({ "n": { "DataType": "Number", "StringValue": "1" } });
    client
        .ok(
            "SendMessage",
            json!({ "MessageBody": "poison", "MessageAttributes": attributes }),
        )
        .await;
    let all = json!({ "AttributeNames": ["All"], "MessageAttributeNames": ["All"], "VisibilityTimeout": 0 });
    let original = client.receive_with(all.clone()).await.remove(0);
    receive_and_give_up(&client, 1).await;
    seconds(7).await;
    client.receive().await;
    let client = client.at("dead");
    let moved = client.receive_with(all).await.remove(0);
    for same in ["MessageId", "Body", "MessageAttributes", "MD5OfMessageAttributes"] {
        assert_eq!(moved[same], original[same]);
    }
    assert_eq!(
        moved["Attributes"]["SentTimestamp"],
        original["Attributes"]["SentTimestamp"]
    );
    assert_eq!(moved["Attributes"]["DeadLetterQueueSourceArn"], format!("{ARN}:orders"));
    assert_eq!(
        moved["Attributes"]["ApproximateReceiveCount"], "3",
        "counted across queues"
    );
    assert!(original["Attributes"].get("DeadLetterQueueSourceArn").is_none());
    assert_eq!(client.sqs.deliveries(&text(&moved["MessageId"])), 3);
}

#[tokio::test(start_paused = true)]
async fn a_message_deleted_in_time_does_not_move() {
    let client = after_two_receives().await;
    client.send("a").await;
    receive_and_give_up(&client, 1).await;
    let message = client.receive_one().await;
    client.delete(&message).await;
    assert!(client.receive().await.is_empty());
    assert!(client.sqs.peek("dead").is_empty());
}

#[tokio::test(start_paused = true)]
async fn healthy_messages_are_received_while_poison_is_moved() {
    let client = after_two_receives().await;
    client.send("poison").await;
    receive_and_give_up(&client, 2).await;
    client.send("healthy").await;
    assert_eq!(client.receive_with(json!({})).await[0]["Body"], "healthy");
    assert_eq!(client.sqs.peek("dead").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn without_its_dead_letter_queue_a_message_stays() {
    let client = after_two_receives().await;
    client.send("poison").await;
    client
        .sqs
        .call("DeleteQueue", json!({ "QueueUrl": "dead" }))
        .await
        .unwrap();
    receive_and_give_up(&client, 5).await;
}

#[tokio::test(start_paused = true)]
async fn a_dead_letter_queue_counts_its_own_receives() {
    let client = after_two_receives().await;
    client.create("grave", json!({})).await;
    let client = client.at("dead");
    client.ok("SetQueueAttributes", policy("grave", 1)).await;
    let client = client.at("orders");
    client.send("poison").await;
    receive_and_give_up(&client, 2).await;
    client.receive().await;
    let client = client.at("dead");
    receive_and_give_up(&client, 1).await;
    client.receive().await;
    assert_eq!(client.sqs.peek("grave")[0].receive_count, 3);
}

#[tokio::test(start_paused = true)]
async fn retention_goes_on_counting_in_a_standard_dead_letter_queue() {
    let client = after_two_receives().await;
    client.send("poison").await;
    receive_and_give_up(&client, 2).await;
    seconds(345_600 - 1).await;
    client.receive().await;
    assert_eq!(client.sqs.peek("dead").len(), 1);
    seconds(1).await;
    assert!(client.sqs.peek("dead").is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_waiting_receiver_gets_a_dead_letter_at_once() {
    let client = after_two_receives().await;
    client.send("poison").await;
    receive_and_give_up(&client, 2).await;
    let start = tokio::time::Instant::now();
    let waiting = client
        .sqs
        .call("ReceiveMessage", json!({ "QueueUrl": "dead", "WaitTimeSeconds": 20 }));
    let moving = async {
        tokio::time::sleep(Duration::from_secs(3)).await;
        client.receive().await
    };
    let (answer, _) = tokio::join!(waiting, moving);
    assert_eq!(answer.unwrap()["Messages"][0]["Body"], "poison");
    assert_eq!(start.elapsed(), Duration::from_secs(3));
}

#[tokio::test]
async fn a_policy_names_an_existing_queue_of_its_type() {
    let client = Client::standard().await;
    client.create("dead", json!({})).await;
    client.create("dead.fifo", json!({ "FifoQueue": "true" })).await;
    for (request, reason) in [
        (policy("nowhere", 1), "Dead letter target does not exist."),
        (
            policy("dead.fifo", 1),
            "Dead-letter queue must be same type of queue as the source.",
        ),
        (policy("dead", 0), "valid values are from 1 to 1000"),
        (policy("dead", 1001), "valid values are from 1 to 1000"),
        (policy("dead", "many"), "valid values are from 1 to 1000"),
        (policy("dead", Value::Null), "mandatory attribute: maxReceiveCount"),
        (
            json!({ "Attributes": { "RedrivePolicy": "{}" } }),
            "mandatory attribute: deadLetterTargetArn",
        ),
        (
            json!({ "Attributes": { "RedrivePolicy": "no JSON" } }),
            "not a valid JSON map",
        ),
        (
            json!({ "Attributes": { "RedrivePolicy": r#"{"deadLetterTargetArn":"dead"}"# } }),
            "Invalid value for deadLetterTargetArn.",
        ),
    ] {
        let error = client.call("SetQueueAttributes", request).await.unwrap_err();
        assert!(error.message.contains(reason), "{error}");
        assert_eq!(query_error_code(&error).as_deref(), Some("InvalidParameterValue"));
    }
}

#[tokio::test]
async fn a_count_may_be_a_string_and_an_empty_policy_clears_it() {
    let client = Client::standard().await;
    client.create("dead", json!({})).await;
    client.ok("SetQueueAttributes", policy("dead", "3")).await;
    let stored: Value = serde_json::from_str(&text(&client.attribute("RedrivePolicy").await)).unwrap();
    assert_eq!(stored["maxReceiveCount"], 3);
    client
        .ok("SetQueueAttributes", json!({ "Attributes": { "RedrivePolicy": "" } }))
        .await;
    assert_eq!(client.attribute("RedrivePolicy").await, Value::Null);
}

#[tokio::test]
async fn the_sources_of_a_dead_letter_queue_are_listed() {
    let client = after_two_receives().await.at("dead");
    let answer = client.ok("ListDeadLetterSourceQueues", json!({})).await;
    assert_eq!(
        answer,
        json!({ "queueUrls": ["http://127.0.0.1:4566/000000000000/orders"] })
    );
}

#[tokio::test]
async fn a_dead_letter_queue_chooses_its_sources() {
    let client = Client::standard().await;
    for (permission, arns, allowed) in [
        ("allowAll", json!(null), true),
        ("denyAll", json!(null), false),
        ("byQueue", json!([format!("{ARN}:orders")]), true),
        ("byQueue", json!([format!("{ARN}:others")]), false),
    ] {
        let mut allow = json!({ "redrivePermission": permission });
        if !arns.is_null() {
            allow["sourceQueueArns"] = arns;
        }
        let name = format!("dead-{permission}-{allowed}");
        client
            .create(&name, json!({ "RedriveAllowPolicy": allow.to_string() }))
            .await;
        let answer = client.call("SetQueueAttributes", policy(&name, 1)).await;
        assert_eq!(answer.is_ok(), allowed, "{allow} {answer:?}");
    }
}

#[tokio::test]
async fn a_refused_policy_is_shown_as_it_was_sent() {
    let client = Client::standard().await;
    let policy = format!(r#"{{"maxReceiveCount": "3",  "deadLetterTargetArn": "{ARN}:nowhere"}}"#);
    let request = json!({ "Attributes": { "RedrivePolicy": policy } });
    let error = client.call("SetQueueAttributes", request).await.unwrap_err();
    assert!(
        error.message.starts_with(&format!("Value {policy} for parameter")),
        "{error}"
    );
}
