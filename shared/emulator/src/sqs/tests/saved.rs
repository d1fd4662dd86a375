use super::*;

/// The same queues in another process: what was saved, restored after the queues were created.
fn again(client: &Client, created: &Client) -> Vec<String> {
    created.sqs.restore(&client.sqs.save().unwrap()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_restored_message_is_as_it_was_saved() {
    let first = Client::standard().await;
    let attributes = json!({ "n": { "DataType": "Number", "StringValue": "1" },
        "b": { "DataType": "Binary", "BinaryValue": "AAE=" } });
    first
        .ok(
            "SendMessage",
            json!({ "MessageBody": "kept", "MessageAttributes": attributes }),
        )
        .await;
    seconds(7).await;
    let all = json!({ "AttributeNames": ["All"], "MessageAttributeNames": ["All"], "VisibilityTimeout": 0 });
    let mut before = first.receive_with(all.clone()).await.remove(0);
    let second = Client::standard().await;
    assert!(again(&first, &second).is_empty());
    // Pausing stops the clock of the second, but not that of the wall: the seven seconds have yet to pass for it.
    seconds(8).await;
    let mut after = second.receive_with(all).await.remove(0);
    assert_eq!(after["Attributes"]["ApproximateReceiveCount"], "2");
    for message in [&mut before, &mut after] {
        message["ReceiptHandle"] = Value::Null;
        message["Attributes"]["ApproximateReceiveCount"] = Value::Null;
    }
    for time in ["SentTimestamp", "ApproximateFirstReceiveTimestamp"] {
        let millis = |message: &Value| text(&message["Attributes"][time]).parse::<i64>().unwrap();
        assert!((millis(&before) - millis(&after)).abs() <= 1, "{time}");
        before["Attributes"][time] = Value::Null;
        after["Attributes"][time] = Value::Null;
    }
    assert_eq!(before, after);
}

#[tokio::test(start_paused = true)]
async fn a_message_in_flight_is_restored_in_flight() {
    let first = Client::standard().await;
    first.send("held").await;
    first.receive_with(json!({ "VisibilityTimeout": 60 })).await;
    let second = Client::standard().await;
    again(&first, &second);
    assert!(second.receive().await.is_empty());
    seconds(61).await;
    assert_eq!(second.receive().await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_restored_fifo_queue_remembers_sends_and_order() {
    let first = Client::fifo().await;
    let ids = [
        first.send_in_group("g", "one").await,
        first.send_in_group("g", "two").await,
    ];
    let second = Client::fifo().await;
    again(&first, &second);
    assert_eq!(second.send_in_group("g", "one").await, ids[0], "a repeat");
    let third = second.send_in_group("g", "three").await;
    let received = second
        .receive_with(json!({ "MaxNumberOfMessages": 10, "AttributeNames": ["All"] }))
        .await;
    let order: Vec<_> = received.iter().map(|message| text(&message["MessageId"])).collect();
    assert_eq!(order, [ids[0].clone(), ids[1].clone(), third]);
    assert!(
        received.is_sorted_by_key(|message| text(&message["Attributes"]["SequenceNumber"])),
        "{received:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn messages_of_a_queue_that_is_gone_are_named() {
    let first = Client::standard().await;
    first.create("old", json!({})).await;
    first.create("empty", json!({})).await;
    let first = first.at("old");
    first.send("lost").await;
    assert_eq!(again(&first, &Client::standard().await), ["old"]);
}

#[tokio::test(start_paused = true)]
async fn messages_of_a_queue_that_is_gone_are_saved_again() {
    let first = Client::standard().await;
    first.create("old", json!({})).await;
    let first = first.at("old");
    first.send("kept").await;
    let second = Client::standard().await;
    again(&first, &second);
    let third = Client::standard().await;
    third.create("old", json!({})).await;
    assert!(again(&second, &third).is_empty());
    let received = third.at("old").receive().await;
    assert_eq!(text(&received[0]["Body"]), "kept");
}

#[tokio::test(start_paused = true)]
async fn a_queue_that_is_created_later_is_saved_with_kept_messages() {
    let first = Client::standard().await;
    first.create("old", json!({})).await;
    let first = first.at("old");
    first.send("kept").await;
    let second = Client::standard().await;
    again(&first, &second);
    second.create("old", json!({})).await;
    let second = second.at("old");
    second.send("new").await;
    let saved: Value = serde_json::from_str(&second.sqs.save().unwrap()).unwrap();
    let messages = saved["old"]["messages"].as_array().unwrap();
    let bodies: Vec<_> = messages.iter().map(|message| text(&message["body"])).collect();
    assert_eq!(bodies, ["kept", "new"]);
}

#[tokio::test(start_paused = true)]
async fn what_is_no_save_is_refused() {
    assert!(Client::standard().await.sqs.restore("[]").is_err());
}

#[tokio::test(start_paused = true)]
async fn a_send_time_before_the_start_is_kept() {
    let first = Client::standard().await;
    first.send("old").await;
    let mut saved: Value = serde_json::from_str(&first.sqs.save().unwrap()).unwrap();
    let sent_at = &mut saved["orders"]["messages"][0]["sent_at"];
    let hour_ago = sent_at.as_u64().unwrap() - 3_600_000;
    *sent_at = hour_ago.into();
    let second = Client::standard().await;
    second.sqs.restore(&saved.to_string()).unwrap();
    let received = second.receive_with(json!({ "AttributeNames": ["All"] })).await;
    let shown: u64 = text(&received[0]["Attributes"]["SentTimestamp"]).parse().unwrap();
    assert!(shown.abs_diff(hour_ago) <= 1, "{shown} is not {hour_ago}");
}
