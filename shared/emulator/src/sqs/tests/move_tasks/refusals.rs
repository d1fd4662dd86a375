use super::*;

#[tokio::test]
async fn a_task_is_refused_for_what_it_names() {
    let client = with_dead(&[]).await;
    client.create("dead.fifo", json!({ "FifoQueue": "true" })).await;
    let between = |source: &str, destination: &str| json!({ "SourceArn": source, "DestinationArn": destination });
    for (request, error, message) in [
        (json!({}), "MissingParameter", "SourceArn"),
        (
            between("dead", ""),
            "InvalidParameterValue",
            "format to specify the SourceArn",
        ),
        (
            between(&arn("dead"), "orders"),
            "InvalidParameterValue",
            "specify the DestinationArn",
        ),
        (
            between(&arn("nowhere"), ""),
            "ResourceNotFoundException",
            "for the SourceArn parameter",
        ),
        (
            between(&arn("dead"), &arn("nowhere")),
            "ResourceNotFoundException",
            "for the DestinationArn",
        ),
        (
            between(&arn("orders"), ""),
            "InvalidParameterValue",
            "configured as a Dead Letter Queue.",
        ),
        (
            between(&arn("dead"), &arn("dead")),
            "InvalidParameterValue",
            "different queues",
        ),
        (
            between(&arn("dead"), &arn("dead.fifo")),
            "InvalidParameterValue",
            "of the same type",
        ),
        (
            json!({ "SourceArn": arn("dead"), "MaxNumberOfMessagesPerSecond": 0 }),
            "InvalidParameterValue",
            ">= 1",
        ),
        (
            json!({ "SourceArn": arn("dead"), "MaxNumberOfMessagesPerSecond": 501 }),
            "InvalidParameterValue",
            "<= 500",
        ),
    ] {
        let refused = client.refused_start(request).await;
        assert_eq!(query_error_code(&refused).as_deref(), Some(error), "{refused}");
        assert!(refused.message.contains(message), "{refused}");
        let is_missing = error == "ResourceNotFoundException";
        assert_eq!(refused.status, if is_missing { 404 } else { 400 }, "{refused}");
    }
}

#[tokio::test]
async fn only_a_handle_of_a_task_can_be_cancelled() {
    let client = with_dead(&[]).await;
    let handle = |source: &str| {
        let handle = json!({ "taskId": uuid::Uuid::nil().to_string(), "sourceArn": source });
        base64::Engine::encode(&base64::prelude::BASE64_STANDARD, handle.to_string())
    };
    for (handle, error, message) in [
        ("garbage".to_owned(), "InvalidParameterValue", "TaskHandle is invalid."),
        (
            handle(&arn("nowhere")),
            "ResourceNotFoundException",
            "SourceArn parameter doesn't exist.",
        ),
        (
            handle(&arn("dead")),
            "ResourceNotFoundException",
            "Task does not exist.",
        ),
    ] {
        let request = json!({ "TaskHandle": handle });
        let refused = client.sqs.call("CancelMessageMoveTask", request).await.unwrap_err();
        assert_eq!(query_error_code(&refused).as_deref(), Some(error));
        assert!(refused.message.contains(message), "{refused}");
    }
}
