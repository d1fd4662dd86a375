use super::*;

/// A receive with an attempt ID.
fn attempt(id: &str) -> Value {
    json!({ "ReceiveRequestAttemptId": id, "AttributeNames": ["All"], "MaxNumberOfMessages": 10 })
}

/// Two messages of one group.
async fn two() -> Client {
    let client = Client::fifo().await;
    client.send_in_group("a", "a1").await;
    client.send_in_group("a", "a2").await;
    client
}

#[tokio::test(start_paused = true)]
async fn a_repeated_attempt_gets_the_same_messages_and_handles() {
    let client = two().await;
    let first = client.receive_with(attempt("x")).await;
    assert_eq!(first.len(), 2);
    client.send_in_group("b", "b1").await;
    seconds(20).await;
    assert_eq!(client.receive_with(attempt("x")).await, first, "counted as one receive");
    assert_eq!(client.sqs.deliveries(&text(&first[0]["MessageId"])), 1);
    assert_eq!(
        client.receive_with(attempt("y")).await[0]["Body"],
        "b1",
        "another attempt"
    );
    client.delete(&first[0]).await;
    client.delete(&first[1]).await;
}

#[tokio::test(start_paused = true)]
async fn a_repeated_attempt_hides_its_messages_anew() {
    let client = two().await;
    client.receive_with(attempt("x")).await;
    seconds(20).await;
    client.receive_with(attempt("x")).await;
    seconds(29).await;
    assert!(client.bodies().await.is_empty());
    seconds(1).await;
    assert_eq!(client.bodies().await, ["a1", "a2"]);
}

#[tokio::test(start_paused = true)]
async fn a_repeated_attempt_may_name_its_visibility_timeout() {
    let client = two().await;
    client.receive_with(attempt("x")).await;
    let mut longer = attempt("x");
    longer["VisibilityTimeout"] = 60.into();
    client.receive_with(longer).await;
    seconds(59).await;
    assert!(client.bodies().await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_attempt_is_forgotten_after_five_minutes() {
    let client = two().await;
    let mut long = attempt("x");
    long["VisibilityTimeout"] = 600.into();
    client.receive_with(long.clone()).await;
    seconds(299).await;
    assert_eq!(client.receive_with(long.clone()).await.len(), 2);
    seconds(1).await;
    assert!(client.receive_with(long).await.is_empty(), "counted from the first");
}

#[tokio::test(start_paused = true)]
async fn an_attempt_whose_messages_changed_cannot_be_repeated() {
    for change in ["DeleteMessage", "ChangeMessageVisibility", "ReceiveMessage"] {
        let client = two().await;
        let first = client.receive_with(attempt("x")).await;
        if change == "ReceiveMessage" {
            seconds(30).await;
        }
        let request = json!({ "ReceiptHandle": first[1]["ReceiptHandle"], "VisibilityTimeout": 5 });
        client.ok(change, request).await;
        let error = client.call("ReceiveMessage", attempt("x")).await.unwrap_err();
        let expected =
            "Value x for parameter ReceiveRequestAttemptId is invalid. Reason: A message of this attempt was";
        assert!(error.message.starts_with(expected), "{change} {error}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_attempt_whose_messages_are_visible_again_is_a_new_one() {
    let client = two().await;
    let first = client.receive_with(attempt("x")).await;
    seconds(30).await;
    let second = client.receive_with(attempt("x")).await;
    assert_eq!(second[0]["Attributes"]["ApproximateReceiveCount"], "2");
    assert_ne!(second[0]["ReceiptHandle"], first[0]["ReceiptHandle"]);
    assert_eq!(client.receive_with(attempt("x")).await, second);
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_found_nothing_is_not_remembered() {
    let client = Client::fifo().await;
    assert!(client.receive_with(attempt("x")).await.is_empty());
    client.send_in_group("a", "a1").await;
    assert_eq!(client.receive_with(attempt("x")).await.len(), 1);
}

#[tokio::test]
async fn an_attempt_id_is_for_fifo_queues_and_has_a_length() {
    let client = Client::standard().await;
    let error = client.call("ReceiveMessage", attempt("x")).await.unwrap_err();
    assert!(error.message.ends_with("not valid for this queue type."), "{error}");
    let client = Client::fifo().await;
    client.receive_with(attempt(&"x".repeat(128))).await;
    for id in ["", "a b", &"x".repeat(129)] {
        let refused = client.refused("ReceiveMessage", attempt(id)).await;
        assert_eq!(refused, "InvalidParameterValueException");
    }
}
