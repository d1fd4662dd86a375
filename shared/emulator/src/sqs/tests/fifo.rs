use super::*;

#[tokio::test]
async fn messages_of_a_group_come_in_order_and_of_one_group_first() {
    let client = Client::fifo().await;
    for (group, body) in [("a", "a1"), ("b", "b1"), ("a", "a2"), ("b", "b2"), ("a", "a3")] {
        client.send_in_group(group, body).await;
    }
    assert_eq!(client.bodies().await, ["a1", "a2", "a3", "b1", "b2"]);
}

#[tokio::test(start_paused = true)]
async fn a_group_is_held_back_while_any_of_its_messages_is_in_flight() {
    let client = Client::fifo().await;
    for (group, body) in [("a", "a1"), ("a", "a2"), ("a", "a3"), ("b", "b1")] {
        client.send_in_group(group, body).await;
    }
    let first_two = client.receive_with(json!({ "MaxNumberOfMessages": 2 })).await;
    assert_eq!(client.bodies().await, ["b1"], "other groups go on");
    client.delete(&first_two[0]).await;
    assert!(client.bodies().await.is_empty(), "a2 is still in flight");
    client.delete(&first_two[1]).await;
    assert_eq!(client.bodies().await, ["a3"]);
}

#[tokio::test(start_paused = true)]
async fn a_later_message_in_flight_holds_back_an_earlier_visible_one() {
    let client = Client::fifo().await;
    client.send_in_group("a", "a1").await;
    client.send_in_group("a", "a2").await;
    let messages = client.receive().await;
    client.change_visibility(&messages[0], 0).await.unwrap();
    assert!(client.bodies().await.is_empty());
    client.change_visibility(&messages[1], 0).await.unwrap();
    assert_eq!(client.bodies().await, ["a1", "a2"]);
}

#[tokio::test(start_paused = true)]
async fn a_message_not_deleted_comes_back_first() {
    let client = Client::fifo().await;
    client.send_in_group("a", "a1").await;
    client.receive().await;
    client.send_in_group("a", "a2").await;
    seconds(30).await;
    assert_eq!(client.bodies().await, ["a1", "a2"]);
}

#[tokio::test(start_paused = true)]
async fn an_expired_handle_cannot_delete() {
    let client = Client::fifo().await;
    client.send_in_group("a", "a1").await;
    let old = client.receive_one().await;
    seconds(30).await;
    let request = json!({ "ReceiptHandle": old["ReceiptHandle"] });
    let error = client.call("DeleteMessage", request.clone()).await.unwrap_err();
    assert!(
        error.message.ends_with("Reason: The receipt handle has expired."),
        "{error}"
    );
    client.receive_one().await;
    assert_eq!(
        client.refused("DeleteMessage", request).await,
        "InvalidParameterValueException"
    );
    assert_eq!(client.states(), [MessageState::InFlight]);
}

#[tokio::test]
async fn a_group_is_required_and_so_is_something_to_deduplicate_by() {
    let client = Client::fifo().await;
    let request = json!({ "MessageBody": "a" });
    assert_eq!(
        client.refused("SendMessage", request).await,
        "MissingRequiredParameterException"
    );
    client
        .ok(
            "SetQueueAttributes",
            json!({ "Attributes": { "ContentBasedDeduplication": "false" } }),
        )
        .await;
    let request = json!({ "MessageBody": "a", "MessageGroupId": "g" });
    assert_eq!(
        client.refused("SendMessage", request).await,
        "InvalidParameterValueException"
    );
}

#[tokio::test]
async fn group_and_deduplication_ids_have_a_length_and_an_alphabet() {
    let client = Client::fifo().await;
    for (id, valid) in [
        ("a!~", true),
        (&*"x".repeat(128), true),
        (&*"x".repeat(129), false),
        ("", false),
        ("a b", false),
        ("ä", false),
    ] {
        for name in ["MessageGroupId", "MessageDeduplicationId"] {
            let mut request = json!({ "MessageBody": format!("{id}{name}"), "MessageGroupId": "g" });
            request[name] = id.into();
            assert_eq!(client.call("SendMessage", request).await.is_ok(), valid, "{name} {id}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_repeated_send_is_answered_as_the_first_and_stored_once() {
    let client = Client::fifo().await;
    let send = |body: &str, id: &str| {
        client.ok(
            "SendMessage",
            json!({ "MessageBody": body, "MessageGroupId": "g", "MessageDeduplicationId": id }),
        )
    };
    let first = send("a", "1").await;
    seconds(299).await;
    let repeated = send("b", "1").await;
    assert_eq!(
        (&repeated["MessageId"], &repeated["SequenceNumber"]),
        (&first["MessageId"], &first["SequenceNumber"])
    );
    assert_eq!(client.states().len(), 1);
    seconds(1).await;
    assert_ne!(
        send("b", "1").await["MessageId"],
        first["MessageId"],
        "the interval counts from the first send"
    );
}

#[tokio::test(start_paused = true)]
async fn a_repeated_send_is_recognised_after_the_first_was_deleted() {
    let client = Client::fifo().await;
    client.send_in_group("g", "same").await;
    let message = client.receive_one().await;
    client.delete(&message).await;
    assert_eq!(client.send_in_group("g", "same").await, text(&message["MessageId"]));
    assert!(client.states().is_empty());
}

#[tokio::test]
async fn content_is_deduplicated_by_sha_256_over_all_groups() {
    let client = Client::fifo().await;
    let id = client.send_in_group("g", "abc").await;
    assert_eq!(client.send_in_group("h", "abc").await, id);
    let hash = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    let explicit = json!({ "MessageBody": "other", "MessageGroupId": "g", "MessageDeduplicationId": hash });
    assert_eq!(client.ok("SendMessage", explicit).await["MessageId"], id.as_str());
    assert_eq!(client.receive_one().await["Attributes"]["MessageDeduplicationId"], hash);
}

#[tokio::test]
async fn deduplication_may_be_scoped_to_the_group() {
    let client = Client::fifo().await;
    client
        .ok(
            "SetQueueAttributes",
            json!({ "Attributes": { "DeduplicationScope": "messageGroup" } }),
        )
        .await;
    let id = client.send_in_group("g", "abc").await;
    assert_ne!(client.send_in_group("h", "abc").await, id);
    assert_eq!(client.send_in_group("g", "abc").await, id);
}

#[tokio::test]
async fn sequence_numbers_have_twenty_digits_and_grow() {
    let client = Client::fifo().await;
    let mut last = String::new();
    for i in 0..20 {
        let request = json!({ "MessageBody": i.to_string(), "MessageGroupId": i.to_string() });
        let number = text(&client.ok("SendMessage", request).await["SequenceNumber"]);
        assert_eq!(number.len(), 20);
        assert!(number > last);
        last = number;
    }
    let received = client
        .receive_with(json!({ "AttributeNames": ["SequenceNumber"] }))
        .await;
    assert_eq!(text(&received[0]["Attributes"]["SequenceNumber"]).len(), 20);
}

#[tokio::test(start_paused = true)]
async fn only_the_queue_has_a_delay() {
    let client = Client::fifo().await;
    client
        .ok("SetQueueAttributes", json!({ "Attributes": { "DelaySeconds": "5" } }))
        .await;
    let request = |delay: i64| json!({ "MessageBody": "a", "MessageGroupId": "g", "DelaySeconds": delay });
    let error = client.call("SendMessage", request(2)).await.unwrap_err();
    assert!(error.message.contains("not valid for this queue type"), "{error}");
    client.ok("SendMessage", request(0)).await;
    assert_eq!(client.states(), [MessageState::Delayed]);
    client
        .ok("SetQueueAttributes", json!({ "Attributes": { "DelaySeconds": "3" } }))
        .await;
    seconds(3).await;
    assert_eq!(
        client.bodies().await,
        ["a"],
        "a new delay holds for what is already stored"
    );
}

#[tokio::test(start_paused = true)]
async fn a_message_moved_to_the_dead_letter_queue_unblocks_its_group() {
    let client = Client::fifo().await;
    client.create("dead.fifo", json!({ "FifoQueue": "true" })).await;
    let policy = r#"{"deadLetterTargetArn":"arn:aws:sqs:eu-central-1:000000000000:dead.fifo","maxReceiveCount":1}"#;
    client
        .ok(
            "SetQueueAttributes",
            json!({ "Attributes": { "RedrivePolicy": policy } }),
        )
        .await;
    client.send_in_group("a", "poison").await;
    client.receive().await;
    client.send_in_group("a", "next").await;
    assert!(client.bodies().await.is_empty());
    seconds(30).await;
    assert_eq!(client.bodies().await, ["next"]);
    let client = client.at("dead.fifo");
    assert_eq!(client.receive_one().await["Attributes"]["MessageGroupId"], "a");
}

#[tokio::test(start_paused = true)]
async fn moved_messages_with_equal_deduplication_ids_both_arrive() {
    let client = Client::fifo().await;
    client.create("dead.fifo", json!({ "FifoQueue": "true" })).await;
    let policy = r#"{"deadLetterTargetArn":"arn:aws:sqs:eu-central-1:000000000000:dead.fifo","maxReceiveCount":1}"#;
    let scoped = json!({ "Attributes": { "RedrivePolicy": policy, "DeduplicationScope": "messageGroup" } });
    client.ok("SetQueueAttributes", scoped).await;
    client.send_in_group("a", "same").await;
    client.send_in_group("b", "same").await;
    assert_eq!(client.receive().await.len(), 2);
    seconds(30).await;
    client.receive().await;
    assert_eq!(client.sqs.peek("dead.fifo").len(), 2);
    let client = client.at("dead.fifo");
    let all = json!({ "AttributeNames": ["All"], "MaxNumberOfMessages": 10 });
    for message in client.receive_with(all).await {
        assert_eq!(message["Attributes"]["MessageDeduplicationId"], message["MessageId"]);
    }
}

#[tokio::test(start_paused = true)]
async fn retention_starts_anew_in_a_fifo_dead_letter_queue() {
    let client = Client::fifo().await;
    client
        .create(
            "dead.fifo",
            json!({ "FifoQueue": "true", "MessageRetentionPeriod": "60" }),
        )
        .await;
    let policy = r#"{"deadLetterTargetArn":"arn:aws:sqs:eu-central-1:000000000000:dead.fifo","maxReceiveCount":1}"#;
    client
        .ok(
            "SetQueueAttributes",
            json!({ "Attributes": { "RedrivePolicy": policy } }),
        )
        .await;
    client.send_in_group("a", "poison").await;
    client.receive().await;
    seconds(100).await;
    client.receive().await;
    seconds(59).await;
    assert_eq!(client.sqs.peek("dead.fifo").len(), 1);
    seconds(1).await;
    assert!(client.sqs.peek("dead.fifo").is_empty());
}
