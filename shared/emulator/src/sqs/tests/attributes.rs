use super::*;

#[tokio::test(start_paused = true)]
async fn all_attributes_read_back_with_their_defaults() {
    let client = Client::standard().await;
    let answer = client
        .ok("GetQueueAttributes", json!({ "AttributeNames": ["All"] }))
        .await;
    let mut attributes = answer["Attributes"].clone();
    let timestamps = ["CreatedTimestamp", "LastModifiedTimestamp"].map(|name| attributes[name].take());
    assert!(timestamps.iter().all(|at| text(at).len() == 10), "{timestamps:?}");
    assert_eq!(
        attributes,
        json!({
            "ApproximateNumberOfMessages": "0",
            "ApproximateNumberOfMessagesDelayed": "0",
            "ApproximateNumberOfMessagesNotVisible": "0",
            "CreatedTimestamp": null,
            "DelaySeconds": "0",
            "LastModifiedTimestamp": null,
            "MaximumMessageSize": "1048576",
            "MessageRetentionPeriod": "345600",
            "QueueArn": "arn:aws:sqs:eu-central-1:000000000000:orders",
            "ReceiveMessageWaitTimeSeconds": "0",
            "SqsManagedSseEnabled": "true",
            "VisibilityTimeout": "30",
        })
    );
}

#[tokio::test]
async fn a_fifo_queue_has_four_attributes_more() {
    let client = Client::fifo().await;
    let names = [
        "FifoQueue",
        "ContentBasedDeduplication",
        "DeduplicationScope",
        "FifoThroughputLimit",
    ];
    let answer = client
        .ok("GetQueueAttributes", json!({ "AttributeNames": names }))
        .await;
    let attributes = names.map(|name| text(&answer["Attributes"][name]));
    assert_eq!(attributes, ["true", "true", "queue", "perQueue"]);
}

#[tokio::test]
async fn messages_are_counted_by_state() {
    let client = Client::standard().await;
    client.send("in flight").await;
    client.receive().await;
    client.send("visible").await;
    client
        .ok("SendMessage", json!({ "MessageBody": "delayed", "DelaySeconds": 9 }))
        .await;
    client
        .ok("SendMessage", json!({ "MessageBody": "delayed", "DelaySeconds": 9 }))
        .await;
    assert_eq!(client.attribute("ApproximateNumberOfMessages").await, "1");
    assert_eq!(client.attribute("ApproximateNumberOfMessagesNotVisible").await, "1");
    assert_eq!(client.attribute("ApproximateNumberOfMessagesDelayed").await, "2");
}

#[tokio::test]
async fn attributes_are_held_to_their_ranges() {
    let client = Client::standard().await;
    for (name, low, high) in [
        ("DelaySeconds", 0, 900),
        ("MaximumMessageSize", 1024, 1_048_576),
        ("MessageRetentionPeriod", 60, 1_209_600),
        ("ReceiveMessageWaitTimeSeconds", 0, 20),
        ("VisibilityTimeout", 0, 43_200),
    ] {
        for good in [low, high] {
            client
                .ok(
                    "SetQueueAttributes",
                    json!({ "Attributes": { name: good.to_string() } }),
                )
                .await;
            assert_eq!(client.attribute(name).await, good.to_string());
        }
        for bad in [
            (low - 1).to_string(),
            (high + 1).to_string(),
            "x".to_owned(),
            String::new(),
        ] {
            let request = json!({ "Attributes": { name: bad } });
            assert_eq!(
                client.refused("SetQueueAttributes", request).await,
                "InvalidAttributeValue",
                "{name} {bad}"
            );
        }
    }
}

#[tokio::test]
async fn attributes_are_set_all_or_none() {
    let client = Client::standard().await;
    let request = json!({ "Attributes": { "DelaySeconds": "5", "VisibilityTimeout": "-1" } });
    client.refused("SetQueueAttributes", request).await;
    assert_eq!(client.attribute("DelaySeconds").await, "0");
}

#[tokio::test]
async fn unknown_and_derived_attributes_cannot_be_set() {
    let client = Client::standard().await;
    for name in [
        "Colour",
        "QueueArn",
        "CreatedTimestamp",
        "FifoQueue",
        "ContentBasedDeduplication",
    ] {
        let error = client
            .call("SetQueueAttributes", json!({ "Attributes": { name: "true" } }))
            .await
            .unwrap_err();
        assert_eq!(error.message, format!("Unknown Attribute {name}."));
    }
    assert_eq!(
        client
            .refused("GetQueueAttributes", json!({ "AttributeNames": ["Colour"] }))
            .await,
        "InvalidAttributeName"
    );
}

#[tokio::test]
async fn a_queue_keeps_its_type() {
    let client = Client::fifo().await;
    let request = json!({ "Attributes": { "FifoQueue": "false" } });
    assert_eq!(
        client.refused("SetQueueAttributes", request).await,
        "InvalidAttributeValue"
    );
    let request = json!({ "QueueName": "a", "Attributes": { "FifoQueue": "false" } });
    assert_eq!(
        client.sqs.call("CreateQueue", request).await.unwrap_err().name(),
        "InvalidAttributeName"
    );
}

#[tokio::test]
async fn what_changes_nothing_here_is_stored_and_returned() {
    let client = Client::with(json!({ "KmsMasterKeyId": "alias/k", "Policy": "{}" })).await;
    assert_eq!(client.attribute("KmsMasterKeyId").await, "alias/k");
    client
        .ok("SetQueueAttributes", json!({ "Attributes": { "Policy": "" } }))
        .await;
    assert_eq!(client.attribute("Policy").await, Value::Null);
}

#[tokio::test]
async fn one_kind_of_encryption_turns_off_the_other() {
    let client = Client::standard().await;
    let names = json!({ "AttributeNames": ["KmsMasterKeyId", "KmsDataKeyReusePeriodSeconds", "SqsManagedSseEnabled"] });
    let set = |attributes: Value| client.ok("SetQueueAttributes", json!({ "Attributes": attributes }));
    set(json!({ "KmsMasterKeyId": "alias/k" })).await;
    let attributes = client.ok("GetQueueAttributes", names.clone()).await["Attributes"].clone();
    let kms = json!({
        "KmsMasterKeyId": "alias/k", "KmsDataKeyReusePeriodSeconds": "300", "SqsManagedSseEnabled": "false"
    });
    assert_eq!(attributes, kms);
    set(json!({ "SqsManagedSseEnabled": "true" })).await;
    let attributes = client.ok("GetQueueAttributes", names).await["Attributes"].clone();
    assert_eq!(attributes, json!({ "SqsManagedSseEnabled": "true" }));
    let both = json!({ "Attributes": { "KmsMasterKeyId": "alias/k", "SqsManagedSseEnabled": "true" } });
    let error = client.call("SetQueueAttributes", both).await.unwrap_err();
    assert_eq!(error.name(), "InvalidAttributeName");
    assert!(error.message.contains("one type of server-side encryption"), "{error}");
}

#[tokio::test]
async fn policies_and_encryption_are_checked() {
    let client = Client::standard().await;
    for (name, value, error) in [
        ("Policy", "no JSON", "InvalidAttributeValue"),
        ("Policy", "[]", "InvalidAttributeValue"),
        ("SqsManagedSseEnabled", "yes", "InvalidAttributeValue"),
        ("KmsDataKeyReusePeriodSeconds", "59", "InvalidAttributeValue"),
        ("KmsDataKeyReusePeriodSeconds", "86401", "InvalidAttributeValue"),
        ("RedriveAllowPolicy", "no JSON", "InvalidParameterValueException"),
        ("RedriveAllowPolicy", "{}", "InvalidParameterValueException"),
        (
            "RedriveAllowPolicy",
            r#"{"redrivePermission":"some"}"#,
            "InvalidParameterValueException",
        ),
        (
            "RedriveAllowPolicy",
            r#"{"redrivePermission":"byQueue"}"#,
            "InvalidParameterValueException",
        ),
        (
            "RedriveAllowPolicy",
            r#"{"redrivePermission":"denyAll","sourceQueueArns":["arn:aws:sqs:eu-central-1:000000000000:a"]}"#,
            "InvalidParameterValueException",
        ),
    ] {
        let request = json!({ "Attributes": { name: value } });
        assert_eq!(
            client.refused("SetQueueAttributes", request).await,
            error,
            "{name} {value}"
        );
    }
}

#[tokio::test]
async fn setting_no_attribute_is_refused() {
    let client = Client::standard().await;
    for request in [json!({}), json!({ "Attributes": {} })] {
        let error = client.call("SetQueueAttributes", request).await.unwrap_err();
        assert_eq!(error.message, "The request must contain the parameter Attributes.");
    }
}

#[tokio::test]
async fn throughput_by_group_needs_deduplication_by_group() {
    let client = Client::fifo().await;
    let alone = json!({ "Attributes": { "FifoThroughputLimit": "perMessageGroupId" } });
    assert_eq!(
        client.refused("SetQueueAttributes", alone).await,
        "InvalidAttributeValue"
    );
    let both = json!({ "DeduplicationScope": "messageGroup", "FifoThroughputLimit": "perMessageGroupId" });
    client.ok("SetQueueAttributes", json!({ "Attributes": both })).await;
}
