use super::*;
use crate::lambda::Event;

#[tokio::test(start_paused = true)]
async fn a_deleted_message_does_not_come_back() {
    let client = Client::standard().await;
    client.send("a").await;
    let message = client.receive_one().await;
    client.delete(&message).await;
    client.delete(&message).await;
    seconds(31).await;
    assert!(client.bodies().await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_old_handle_deletes_nothing_and_succeeds() {
    let client = Client::standard().await;
    client.send("a").await;
    let old = client.receive_one().await;
    seconds(30).await;
    let new = client.receive_one().await;
    assert_ne!(old["ReceiptHandle"], new["ReceiptHandle"]);
    client.delete(&old).await;
    assert_eq!(client.states(), [MessageState::InFlight]);
    client.delete(&new).await;
    assert!(client.states().is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_latest_handle_deletes_even_after_its_visibility_timeout() {
    let client = Client::standard().await;
    client.send("a").await;
    let message = client.receive_one().await;
    seconds(30).await;
    client.delete(&message).await;
    assert!(client.states().is_empty());
}

#[tokio::test]
async fn a_handle_that_none_gave_is_invalid() {
    let client = Client::standard().await;
    for handle in ["", "garbage", "MTIz"] {
        let request = json!({ "ReceiptHandle": handle, "VisibilityTimeout": 1 });
        assert_eq!(
            client.refused("DeleteMessage", request.clone()).await,
            "ReceiptHandleIsInvalid"
        );
        assert_eq!(
            client.refused("ChangeMessageVisibility", request).await,
            "ReceiptHandleIsInvalid"
        );
    }
}

#[tokio::test]
async fn a_handle_is_good_for_its_own_queue_only() {
    let client = Client::standard().await;
    client.send("a").await;
    let message = client.receive_one().await;
    client.create("others", json!({})).await;
    let client = client.at("others");
    let request = json!({ "ReceiptHandle": message["ReceiptHandle"] });
    assert_eq!(client.refused("DeleteMessage", request).await, "ReceiptHandleIsInvalid");
}

#[tokio::test(start_paused = true)]
async fn visibility_can_be_extended_and_ended() {
    let client = Client::standard().await;
    client.send("a").await;
    let message = client.receive_one().await;
    client.change_visibility(&message, 60).await.unwrap();
    seconds(59).await;
    assert!(client.bodies().await.is_empty());
    seconds(1).await;
    let message = client.receive_one().await;
    client.change_visibility(&message, 0).await.unwrap();
    assert_eq!(client.bodies().await, ["a"]);
}

#[tokio::test(start_paused = true)]
async fn visibility_of_a_message_not_in_flight_cannot_be_changed() {
    let client = Client::standard().await;
    client.send("a").await;
    let message = client.receive_one().await;
    seconds(30).await;
    let error = client.change_visibility(&message, 5).await.unwrap_err();
    assert_eq!(
        query_error_code(&error).as_deref(),
        Some("AWS.SimpleQueueService.MessageNotInflight")
    );
}

#[tokio::test(start_paused = true)]
async fn an_outdated_handle_can_not_change_visibility() {
    let client = Client::standard().await;
    client.send("a").await;
    let old = client.receive_one().await;
    seconds(30).await;
    let new = client.receive_one().await;
    assert!(
        client
            .change_visibility(&old, 0)
            .await
            .unwrap_err()
            .message
            .contains("not available")
    );
    assert_eq!(client.states(), [MessageState::InFlight]);
    client.delete(&new).await;
    assert!(
        client
            .change_visibility(&new, 0)
            .await
            .unwrap_err()
            .message
            .contains("does not exist")
    );
}

#[tokio::test(start_paused = true)]
async fn a_message_stays_hidden_for_twelve_hours_at_most() {
    let client = Client::standard().await;
    client.send("a").await;
    seconds(1000).await;
    let message = client.receive_one().await;
    client.change_visibility(&message, 43_200).await.unwrap();
    seconds(200).await;
    client.change_visibility(&message, 43_000).await.unwrap();
    let error = client.change_visibility(&message, 43_001).await.unwrap_err();
    assert!(error.message.contains("beyond the limit [43200 seconds]"), "{error}");
    for bad in [-1, 43_201] {
        assert!(client.change_visibility(&message, bad).await.is_err());
    }
}

#[tokio::test(start_paused = true)]
async fn deletes_are_reported_of_queues_that_report_them() {
    let client = Client::standard().await;
    let (observer, mut events) = tokio::sync::mpsc::unbounded_channel();
    client.sqs.observe(observer);
    client.send("unreported").await;
    client.delete(&client.receive_one().await).await;
    assert!(events.try_recv().is_err());

    client.sqs.report_deletes("orders");
    let id = client.send("reported").await;
    let message = client.receive_one().await;
    client.delete(&message).await;
    let deleted = Event::Deleted {
        queue: "orders".to_owned(),
        messages: vec![id],
    };
    assert_eq!(events.try_recv(), Ok(deleted));
    client.delete(&message).await;
    assert!(events.try_recv().is_err(), "it was deleted before");
}
