use super::*;

#[tokio::test]
async fn a_queue_url_ends_in_account_and_name() {
    let client = Client::standard().await;
    let answer = client
        .sqs
        .call("GetQueueUrl", json!({ "QueueName": "orders" }))
        .await
        .unwrap();
    assert_eq!(answer["QueueUrl"], "http://127.0.0.1:4566/000000000000/orders");
}

#[tokio::test]
async fn a_queue_is_found_under_any_host() {
    let client = Client::standard().await;
    let request = json!({ "QueueUrl": "http://other:1/000000000000/orders", "MessageBody": "a" });
    assert!(client.sqs.call("SendMessage", request).await.is_ok());
}

#[tokio::test]
async fn an_unknown_queue_does_not_exist() {
    let client = Client::standard().await.at("nowhere");
    let error = client
        .call("SendMessage", json!({ "MessageBody": "a" }))
        .await
        .unwrap_err();
    assert_eq!(error.code, "com.amazonaws.sqs#QueueDoesNotExist");
    assert_eq!(
        query_error_code(&error).as_deref(),
        Some("AWS.SimpleQueueService.NonExistentQueue")
    );
    assert_eq!(client.refused("ReceiveMessage", json!({})).await, "QueueDoesNotExist");
}

#[tokio::test]
async fn a_request_without_queue_url_says_so() {
    let client = Client::standard().await;
    let error = client
        .sqs
        .call("SendMessage", json!({ "MessageBody": "a" }))
        .await
        .unwrap_err();
    assert_eq!(error.message, "The request must contain the parameter QueueUrl.");
}

#[tokio::test]
async fn creating_an_existing_queue_changes_nothing() {
    let client = Client::with(json!({ "DelaySeconds": "3" })).await;
    client.send("kept").await;
    client.create("orders", json!({ "DelaySeconds": "3" })).await;
    client.create("orders", json!({})).await;
    assert_eq!(client.sqs.peek("orders").len(), 1);
}

#[tokio::test]
async fn creating_a_queue_again_with_other_attributes_is_refused() {
    let client = Client::with(json!({ "DelaySeconds": "3" })).await;
    let request = json!({ "QueueName": "orders", "Attributes": { "DelaySeconds": "4" } });
    let error = client.sqs.call("CreateQueue", request).await.unwrap_err();
    assert_eq!(error.name(), "QueueNameExists");
    assert!(error.message.ends_with("attribute DelaySeconds"), "{error}");
    assert_eq!(query_error_code(&error).as_deref(), Some("QueueAlreadyExists"));
}

#[tokio::test]
async fn queue_names_have_a_length_and_an_alphabet() {
    let sqs = Sqs::new(ENDPOINT, "eu-central-1");
    let fifo = json!({ "FifoQueue": "true" });
    let longest_fifo = format!("{}.fifo", "a".repeat(75));
    for (name, attributes, valid) in [
        ("a-B_9", json!({}), true),
        ("a".repeat(80).as_str(), json!({}), true),
        ("a".repeat(81).as_str(), json!({}), false),
        ("", json!({}), false),
        ("a.b", json!({}), false),
        ("a.fifo", json!({}), false),
        ("a", fifo.clone(), false),
        (".fifo", fifo.clone(), false),
        (longest_fifo.as_str(), fifo.clone(), true),
        (format!("a{longest_fifo}").as_str(), fifo, false),
    ] {
        let answer = sqs
            .call("CreateQueue", json!({ "QueueName": name, "Attributes": attributes }))
            .await;
        assert_eq!(answer.is_ok(), valid, "{name} {answer:?}");
    }
}

#[tokio::test]
async fn queues_are_listed_by_prefix_in_pages() {
    let client = Client::standard().await;
    for name in ["invoice-1", "invoice-2", "invoice-3"] {
        client.create(name, json!({})).await;
    }
    let page = |token: Value| {
        client.sqs.call(
            "ListQueues",
            json!({ "QueueNamePrefix": "inv", "MaxResults": 2, "NextToken": token }),
        )
    };
    let first = page(Value::Null).await.unwrap();
    let urls = |page: &Value| {
        page["QueueUrls"]
            .as_array()
            .unwrap()
            .iter()
            .map(text)
            .collect::<Vec<_>>()
    };
    assert_eq!(urls(&first).len(), 2);
    let second = page(first["NextToken"].clone()).await.unwrap();
    assert_eq!(urls(&second), ["http://127.0.0.1:4566/000000000000/invoice-3"]);
    assert!(second.get("NextToken").is_none());
}

#[tokio::test]
async fn a_deleted_queue_is_gone_with_its_messages() {
    let client = Client::standard().await;
    client.send("lost").await;
    client.ok("DeleteQueue", json!({})).await;
    assert_eq!(
        client.refused("GetQueueAttributes", json!({})).await,
        "QueueDoesNotExist"
    );
    client.create("orders", json!({})).await;
    assert!(client.sqs.peek("orders").is_empty());
}

#[tokio::test]
async fn purging_removes_messages_in_every_state() {
    let client = Client::standard().await;
    client.send("in flight").await;
    client.receive().await;
    client.send("visible").await;
    client
        .ok("SendMessage", json!({ "MessageBody": "delayed", "DelaySeconds": 9 }))
        .await;
    assert_eq!(
        client.states(),
        [MessageState::InFlight, MessageState::Visible, MessageState::Delayed]
    );
    client.ok("PurgeQueue", json!({})).await;
    assert!(client.states().is_empty());
}

#[tokio::test]
async fn tags_are_kept_until_removed() {
    let client = Client::standard().await;
    client
        .ok("TagQueue", json!({ "Tags": { "team": "blue", "stage": "dev" } }))
        .await;
    client.ok("UntagQueue", json!({ "TagKeys": ["stage"] })).await;
    assert_eq!(
        client.ok("ListQueueTags", json!({})).await,
        json!({ "Tags": { "team": "blue" } })
    );
}

#[tokio::test]
async fn an_operation_that_is_not_emulated_says_where_to_go() {
    let client = Client::standard().await;
    let error = client.call("AddPermission", json!({})).await.unwrap_err();
    assert_eq!(error.name(), "UnsupportedOperation");
    assert!(
        error.message.contains("AddPermission") && error.message.contains("--endpoint-url"),
        "{error}"
    );
}

#[tokio::test]
async fn a_malformed_request_ends_in_an_error_for_every_operation() {
    let client = Client::standard().await;
    let operations = "CreateQueue GetQueueUrl DeleteQueue PurgeQueue GetQueueAttributes SetQueueAttributes SendMessage \
        SendMessageBatch ReceiveMessage DeleteMessage DeleteMessageBatch ChangeMessageVisibility \
        ChangeMessageVisibilityBatch ListDeadLetterSourceQueues TagQueue UntagQueue ListQueueTags \
        StartMessageMoveTask ListMessageMoveTasks CancelMessageMoveTask";
    for operation in operations.split_whitespace() {
        for request in [
            json!(null),
            json!([]),
            json!("x"),
            json!({}),
            json!({ "QueueUrl": 1, "QueueName": [] }),
        ] {
            assert!(
                client.sqs.call(operation, request.clone()).await.is_err(),
                "{operation} {request}"
            );
        }
    }
}
