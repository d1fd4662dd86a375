//! What makes two messages the same work.

use serde_json::{Value, json};

use crate::stage::{self, dead_letters, runs, script, send_in_order, starts};

#[tokio::test]
async fn a_business_key_makes_two_messages_one_work_and_another_payload_an_error() {
    let stage = stage::set("business", &[]).await;
    let order = json!({ "key": "o-1", "deeds": ["done"] });
    let first = stage.send("work", &order).await;
    stage.until_settled(&["work"]).await;
    stage.send("work", &order).await;
    stage.until_settled(&["work"]).await;
    assert!(dead_letters(&stage).is_empty());
    let other = stage.send("work", &json!({ "key": "o-1", "deeds": ["count"] })).await;
    stage.until_settled(&["work"]).await;
    let worked: Vec<_> = runs(&stage).into_iter().map(|run| run.message).collect();
    assert_eq!(worked, [first]);
    assert!(stage.is_completed("scripted", "o-1"), "the record is as it was");
    let letters = dead_letters(&stage);
    assert_eq!(stage::original_ids(&letters), [&other]);
    let reason = &letters[0].attributes["FailureReason"];
    assert!(
        reason.starts_with("its key was used for another payload") && reason.ends_with("\"o-1\""),
        "{reason}"
    );
}

#[tokio::test]
async fn a_missing_business_key_is_a_permanent_failure() {
    let stage = stage::set("business", &[]).await;
    let message = stage.send("work", &script(["done"])).await;
    stage.until_settled(&["work"]).await;
    assert_eq!(starts(&stage, &message).len(), 0);
    let letters = dead_letters(&stage);
    assert_eq!(stage::original_ids(&letters), [&message]);
    assert!(letters[0].attributes["FailureReason"].contains("empty"), "{letters:?}");
}

#[tokio::test]
async fn a_deduplication_id_tells_a_copy_that_the_queue_did_not() {
    let stage = stage::set("deduplication", &[]).await;
    let first = send_in_order(&stage, "a", "o-1", &script(["done"])).await;
    stage.until_settled(&["work.fifo"]).await;
    // This queue tells copies inside a group alone, as any queue does for five minutes alone.
    let again = send_in_order(&stage, "b", "o-1", &script(["done"])).await;
    stage.until_settled(&["work.fifo"]).await;
    assert_ne!(again, first);
    assert_eq!((starts(&stage, &first).len(), starts(&stage, &again).len()), (1, 0));
    assert!(stage.is_completed("scripted", "o-1"));
}

/// Sends the body as two messages, one after the other, and says what the one run read in the envelope.
async fn sent_twice(handler: &str, body: &Value, id: &str) -> String {
    let stage = stage::set(handler, &[]).await;
    for _ in 0..2 {
        stage.send("work", body).await;
        stage.until_settled(&["work"]).await;
    }
    assert!(dead_letters(&stage).is_empty());
    assert!(stage.is_completed("scripted", id));
    let runs = runs(&stage);
    assert_eq!(runs.len(), 1, "{runs:?}");
    runs[0].origin.clone()
}

#[tokio::test]
async fn a_notification_of_sns_in_two_messages_is_done_once_and_its_envelope_is_read() {
    let notification = json!({
        "Type": "Notification",
        "MessageId": "n-1",
        "TopicArn": "arn:aws:sns:eu-west-1:123456789012:orders",
        "Subject": "placed",
        "Message": script(["done"]).to_string(),
        "Timestamp": "2026-01-02T03:04:05.678Z",
        "SignatureVersion": "1",
        "MessageAttributes": { "tenant": { "Type": "String", "Value": "blue" } },
    });
    assert_eq!(
        sent_twice("sns", &notification, "n-1").await,
        "n-1 arn:aws:sns:eu-west-1:123456789012:orders placed 2026-01-02T03:04:05.678Z blue"
    );
}

#[tokio::test]
async fn an_event_of_eventbridge_in_two_messages_is_done_once_and_its_envelope_is_read() {
    let event = json!({
        "version": "0",
        "id": "e-1",
        "detail-type": "Order Placed",
        "source": "com.example.shop",
        "account": "123456789012",
        "time": "2026-01-02T03:04:05Z",
        "region": "eu-west-1",
        "resources": [],
        "detail": script(["done"]),
    });
    assert_eq!(
        sent_twice("event-bridge", &event, "e-1").await,
        "e-1 com.example.shop Order Placed 2026-01-02T03:04:05Z 123456789012"
    );
}

#[tokio::test]
async fn a_body_without_its_envelope_is_dead_lettered() {
    let stage = stage::set("sns", &[]).await;
    stage.send("work", &script(["done"])).await;
    stage.until_settled(&["work"]).await;
    let reason = &dead_letters(&stage)[0].attributes["FailureReason"];
    assert!(
        reason.starts_with("malformed body: not an SNS notification"),
        "{reason}"
    );
    assert!(runs(&stage).is_empty());
}
