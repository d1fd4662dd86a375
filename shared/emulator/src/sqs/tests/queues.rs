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
    let all = client.sqs.call("ListQueues", json!({})).await.unwrap();
    assert_eq!(urls(&all).len(), 4);
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
async fn a_page_without_maximum_has_no_token() {
    let client = Client::standard().await;
    for number in 0..1000 {
        client.create(&format!("queue-{number:03}"), json!({})).await;
    }
    let page = client.sqs.call("ListQueues", json!({})).await.unwrap();
    assert_eq!(page["QueueUrls"].as_array().unwrap().len(), 1000);
    assert!(page.get("NextToken").is_none());
    let page = client
        .sqs
        .call("ListQueues", json!({ "MaxResults": 1000 }))
        .await
        .unwrap();
    assert!(page["NextToken"].is_string());
}

#[tokio::test]
async fn a_queue_of_another_account_does_not_exist() {
    let client = Client::standard().await;
    let of = |account: &str| json!({ "QueueName": "orders", "QueueOwnerAWSAccountId": account });
    assert!(client.sqs.call("GetQueueUrl", of("000000000000")).await.is_ok());
    let error = client.sqs.call("GetQueueUrl", of("111122223333")).await.unwrap_err();
    assert_eq!(error.name(), "QueueDoesNotExist");
}

#[tokio::test]
async fn tags_have_lengths_and_a_number() {
    let client = Client::standard().await;
    let (key, value) = ("ä".repeat(128), "ä".repeat(256));
    client.ok("TagQueue", json!({ "Tags": { key: value } })).await;
    let many = |count: usize| -> serde_json::Map<_, _> { (0..count).map(|n| (n.to_string(), json!(""))).collect() };
    client.ok("TagQueue", json!({ "Tags": many(49) })).await;
    client.ok("TagQueue", json!({ "Tags": { "0": "changed" } })).await;
    for (tags, message) in [
        (json!({ "": "a" }), "Tag keys must be between 1 and 128"),
        (json!({ "k".repeat(129): "a" }), "Tag keys must be between 1 and 128"),
        (json!({ "k": "v".repeat(257) }), "Tag values must be between 0 and 256"),
        (json!({ "AWS:k": "v" }), "reserved"),
        (json!({ "one-more": "v" }), "Too many tags added for queue orders."),
        (json!({}), "The request must contain the parameter Tags."),
    ] {
        let error = client.call("TagQueue", json!({ "Tags": tags })).await.unwrap_err();
        assert!(error.message.contains(message), "{error}");
    }
    let create = json!({ "QueueName": "many", "tags": many(51) });
    assert!(client.sqs.call("CreateQueue", create).await.is_err());
    let error = client.call("UntagQueue", json!({ "TagKeys": [] })).await.unwrap_err();
    assert_eq!(error.message, "The request must contain the parameter TagKeys.");
}

#[tokio::test]
async fn an_operation_that_sqs_does_not_have_is_unknown() {
    let client = Client::standard().await;
    for operation in ["sendMessage", "SendMessages", ""] {
        let error = client.call(operation, json!({})).await.unwrap_err();
        assert_eq!(error.name(), "UnknownOperationException");
        assert_eq!(query_error_code(&error), None);
    }
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
