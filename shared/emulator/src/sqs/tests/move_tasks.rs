mod refusals;

use super::*;

const ARN: &str = "arn:aws:sqs:eu-central-1:000000000000";

fn arn(queue: &str) -> String {
    format!("{ARN}:{queue}")
}

fn policy(target: &str) -> Value {
    let policy = json!({ "deadLetterTargetArn": arn(target), "maxReceiveCount": 1 });
    json!({ "RedrivePolicy": policy.to_string() })
}

/// A client of `dead`, which holds one message of `orders` with each of these bodies.
async fn with_dead(bodies: &[&str]) -> Client {
    let client = Client::standard().await;
    client.create("dead", json!({})).await;
    client
        .ok("SetQueueAttributes", json!({ "Attributes": policy("dead") }))
        .await;
    for body in bodies {
        client.send(body).await;
    }
    move_to_dead_letter_queue(&client).await;
    client.at("dead")
}

async fn move_to_dead_letter_queue(client: &Client) {
    let briefly = json!({ "VisibilityTimeout": 0, "MaxNumberOfMessages": 10 });
    client.receive_with(briefly).await;
    client.receive().await;
}

impl Client {
    async fn start(&self, request: Value) -> String {
        let mut request = request;
        request["SourceArn"] = arn(&self.queue).into();
        text(&self.sqs.call("StartMessageMoveTask", request).await.unwrap()["TaskHandle"])
    }

    async fn refused_start(&self, request: Value) -> ApiError {
        self.sqs.call("StartMessageMoveTask", request).await.unwrap_err()
    }

    async fn tasks(&self, max: usize) -> Vec<Value> {
        let request = json!({ "SourceArn": arn(&self.queue), "MaxResults": max });
        let answer = self.sqs.call("ListMessageMoveTasks", request).await.unwrap();
        answer["Results"].as_array().unwrap().clone()
    }

    fn held(&self, queue: &str) -> Vec<String> {
        self.sqs.peek(queue).into_iter().map(|message| message.body).collect()
    }
}

#[tokio::test(start_paused = true)]
async fn a_redriven_message_is_a_new_one_in_its_source_queue() {
    let client = Client::standard().await;
    client.create("dead", json!({})).await;
    client
        .ok("SetQueueAttributes", json!({ "Attributes": policy("dead") }))
        .await;
    let attributes = json!({ "n": { "DataType": "Number", "StringValue": "1" } });
    let send = json!({ "MessageBody": "again", "MessageAttributes": attributes });
    let old_id = text(&client.ok("SendMessage", send).await["MessageId"]);
    move_to_dead_letter_queue(&client).await;
    seconds(9).await;
    let client = client.at("dead");
    client.start(json!({})).await;
    assert!(client.states().is_empty());
    let client = client.at("orders");
    let all = json!({ "AttributeNames": ["All"], "MessageAttributeNames": ["All"] });
    let message = client.receive_with(all).await.remove(0);
    assert_ne!(text(&message["MessageId"]), old_id);
    assert_eq!(message["MessageAttributes"], attributes);
    let system = &message["Attributes"];
    assert_eq!(system["ApproximateReceiveCount"], "1");
    assert_eq!(system["SentTimestamp"], system["ApproximateFirstReceiveTimestamp"]);
    assert!(system.get("DeadLetterQueueSourceArn").is_none());
}

#[tokio::test(start_paused = true)]
async fn each_message_returns_to_the_queue_it_came_from() {
    let client = with_dead(&["of orders"]).await;
    client.create("invoices", policy("dead")).await;
    let client = client.at("invoices");
    client.send("of invoices").await;
    move_to_dead_letter_queue(&client).await;
    let client = client.at("dead");
    client.start(json!({})).await;
    assert_eq!(client.held("orders"), ["of orders"]);
    assert_eq!(client.held("invoices"), ["of invoices"]);
}

#[tokio::test(start_paused = true)]
async fn a_finished_task_is_listed_without_handle() {
    let client = with_dead(&["a", "b"]).await;
    client.create("repair", json!({})).await;
    client.start(json!({ "DestinationArn": arn("repair") })).await;
    let mut task = client.tasks(1).await.remove(0);
    assert_eq!(task["StartedTimestamp"].take().as_u64().unwrap().to_string().len(), 13);
    let expected = json!({
        "SourceArn": arn("dead"), "DestinationArn": arn("repair"), "Status": "COMPLETED", "StartedTimestamp": null,
        "ApproximateNumberOfMessagesMoved": 2, "ApproximateNumberOfMessagesToMove": 2,
    });
    assert_eq!(task, expected);
    assert_eq!(client.held("repair"), ["a", "b"], "oldest first");
}

#[tokio::test(start_paused = true)]
async fn a_rate_spreads_the_moves_over_time() {
    let client = with_dead(&["a", "b", "c"]).await;
    let handle = client.start(json!({ "MaxNumberOfMessagesPerSecond": 2 })).await;
    assert_eq!(client.held("orders"), ["a"]);
    let task = client.tasks(1).await.remove(0);
    assert_eq!(task["Status"], "RUNNING");
    assert_eq!(task["TaskHandle"], handle.as_str());
    assert_eq!(task["MaxNumberOfMessagesPerSecond"], 2);
    assert!(task.get("DestinationArn").is_none());
    tokio::time::advance(Duration::from_millis(499)).await;
    assert_eq!(client.held("orders"), ["a"]);
    tokio::time::advance(Duration::from_millis(1)).await;
    assert_eq!(client.held("orders"), ["a", "b"]);
    seconds(1).await;
    assert_eq!(client.held("orders"), ["a", "b", "c"]);
    assert_eq!(client.tasks(1).await[0]["Status"], "COMPLETED");
}

#[tokio::test(start_paused = true)]
async fn a_waiting_receiver_gets_a_message_when_it_moves() {
    let client = with_dead(&["a", "b"]).await;
    client.start(json!({ "MaxNumberOfMessagesPerSecond": 1 })).await;
    let client = client.at("orders");
    assert_eq!(client.bodies().await, ["a"]);
    let start = tokio::time::Instant::now();
    let waiting = json!({ "WaitTimeSeconds": 20 });
    assert_eq!(client.receive_with(waiting).await[0]["Body"], "b");
    assert_eq!(start.elapsed(), Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_task_leaves_what_it_has_not_moved() {
    let client = with_dead(&["a", "b", "c"]).await;
    let handle = client.start(json!({ "MaxNumberOfMessagesPerSecond": 1 })).await;
    seconds(1).await;
    let request = json!({ "TaskHandle": handle });
    let answer = client.sqs.call("CancelMessageMoveTask", request.clone()).await.unwrap();
    assert_eq!(answer, json!({ "ApproximateNumberOfMessagesMoved": 2 }));
    seconds(9).await;
    let task = client.tasks(1).await.remove(0);
    assert_eq!(task["Status"], "CANCELLED");
    assert!(task.get("TaskHandle").is_none());
    assert_eq!(client.held("dead"), ["c"]);
    let error = client.sqs.call("CancelMessageMoveTask", request).await.unwrap_err();
    assert_eq!(error.name(), "UnsupportedOperation");
}

#[tokio::test(start_paused = true)]
async fn one_task_of_a_queue_runs_at_a_time() {
    let client = with_dead(&["a", "b"]).await;
    client.start(json!({ "MaxNumberOfMessagesPerSecond": 1 })).await;
    let error = client.refused_start(json!({ "SourceArn": arn("dead") })).await;
    assert_eq!(query_error_code(&error).as_deref(), Some("InvalidParameterValue"));
    assert!(error.message.starts_with("There is already a task running."), "{error}");
    seconds(1).await;
    client.start(json!({})).await;
}

#[tokio::test(start_paused = true)]
async fn tasks_are_listed_newest_first_and_ten_at_most() {
    let client = with_dead(&[]).await;
    for rate in 1..=12 {
        client.start(json!({ "MaxNumberOfMessagesPerSecond": rate })).await;
    }
    let rates = |tasks: Vec<Value>| -> Vec<_> {
        let rates = tasks.iter().map(|task| task["MaxNumberOfMessagesPerSecond"].as_i64());
        rates.map(Option::unwrap).collect()
    };
    assert_eq!(rates(client.tasks(2).await), [12, 11]);
    assert_eq!(rates(client.tasks(10).await), [12, 11, 10, 9, 8, 7, 6, 5, 4, 3]);
    let default = json!({ "SourceArn": arn("dead") });
    let answer = client.sqs.call("ListMessageMoveTasks", default).await.unwrap();
    assert_eq!(answer["Results"].as_array().unwrap().len(), 1);
    for max in [0, 11] {
        let request = json!({ "SourceArn": arn("dead"), "MaxResults": max });
        assert!(client.sqs.call("ListMessageMoveTasks", request).await.is_err());
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_sent_to_the_dead_letter_queue_has_no_source() {
    let client = with_dead(&["moved by SQS"]).await;
    client.send("sent by a function").await;
    client.start(json!({})).await;
    let task = client.tasks(1).await.remove(0);
    assert_eq!(task["Status"], "FAILED");
    assert_eq!(task["FailureReason"], "CouldNotDetermineMessageSource");
    assert_eq!(task["ApproximateNumberOfMessagesMoved"], 1);
    assert_eq!(client.held("dead"), ["sent by a function"], "nothing is lost");
    client.start(json!({ "DestinationArn": arn("orders") })).await;
    assert_eq!(client.held("orders"), ["moved by SQS", "sent by a function"]);
}

#[tokio::test(start_paused = true)]
async fn a_task_whose_destination_is_deleted_fails() {
    let client = with_dead(&["a", "b"]).await;
    client.create("repair", json!({})).await;
    let request = json!({ "DestinationArn": arn("repair"), "MaxNumberOfMessagesPerSecond": 1 });
    client.start(request).await;
    let client = client.at("repair");
    client.ok("DeleteQueue", json!({})).await;
    seconds(1).await;
    let client = client.at("dead");
    let task = client.tasks(1).await.remove(0);
    assert_eq!(task["Status"], "FAILED");
    assert_eq!(task["FailureReason"], "AWS.SimpleQueueService.NonExistentQueue");
    assert_eq!(client.held("dead"), ["b"]);
}

#[tokio::test(start_paused = true)]
async fn a_message_in_flight_is_not_moved() {
    let client = with_dead(&["a", "b"]).await;
    client.receive_with(json!({ "MaxNumberOfMessages": 1 })).await;
    client.start(json!({})).await;
    assert_eq!(client.held("orders"), ["b"]);
    assert_eq!(client.tasks(1).await[0]["ApproximateNumberOfMessagesToMove"], 1);
}

#[tokio::test(start_paused = true)]
async fn a_redrive_of_a_fifo_queue_keeps_group_and_order() {
    let client = Client::fifo().await;
    client.create("dead.fifo", json!({ "FifoQueue": "true" })).await;
    client
        .ok("SetQueueAttributes", json!({ "Attributes": policy("dead.fifo") }))
        .await;
    let first = client.send_in_group("a", "1").await;
    client.send_in_group("a", "2").await;
    move_to_dead_letter_queue(&client).await;
    let client = client.at("dead.fifo");
    client.start(json!({})).await;
    let client = client.at("orders.fifo");
    let all = json!({ "AttributeNames": ["All"], "MaxNumberOfMessages": 10 });
    let messages = client.receive_with(all).await;
    assert_eq!((&messages[0]["Body"], &messages[1]["Body"]), (&json!("1"), &json!("2")));
    let system = &messages[0]["Attributes"];
    assert_eq!(system["MessageGroupId"], "a");
    assert_eq!(
        system["MessageDeduplicationId"],
        first.as_str(),
        "the ID of the message that moved"
    );
    assert!(text(&system["SequenceNumber"]) < text(&messages[1]["Attributes"]["SequenceNumber"]));
}
