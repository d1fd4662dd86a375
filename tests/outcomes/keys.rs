//! Idempotency keys.

use scripted::Action;
use serde_json::{Value, json};

use crate::stack::{self, dead_letters, keyed, runs, script, send_in_order, starts};

/// Promise 8.
#[tokio::test]
async fn business_key_with_another_payload_is_an_error() {
    let stack = stack::start("business", &[]).await;
    let order = keyed("o-1", Action::Done);
    let first = stack.send("work", &order).await;
    stack.until_settled(&["work"]).await;
    stack.send("work", &order).await;
    stack.until_settled(&["work"]).await;
    assert!(dead_letters(&stack).is_empty());
    let other = stack.send("work", &keyed("o-1", Action::Write)).await;
    stack.until_settled(&["work"]).await;
    let processed: Vec<_> = runs(&stack).into_iter().map(|run| run.message).collect();
    assert_eq!(processed, [first]);
    assert!(stack.is_completed("scripted", "o-1"), "the record is unchanged");
    let dead_letters = dead_letters(&stack);
    assert_eq!(stack::original_ids(&dead_letters), [other.as_str()]);
    let reason = stack::reason(&dead_letters[0]);
    assert!(
        reason.starts_with("its key was used for another payload") && reason.ends_with("\"o-1\""),
        "{reason}"
    );
}

#[tokio::test]
async fn missing_business_key_is_a_permanent_failure() {
    let stack = stack::start("business", &[]).await;
    let message = stack.send("work", &script([Action::Done])).await;
    stack.until_settled(&["work"]).await;
    assert_eq!(starts(&stack, &message).len(), 0);
    let dead_letters = dead_letters(&stack);
    assert_eq!(stack::original_ids(&dead_letters), [message.as_str()]);
    assert!(stack::reason(&dead_letters[0]).contains("empty"), "{dead_letters:?}");
}

#[tokio::test]
async fn deduplication_id_in_two_groups_is_two_messages() {
    let stack = stack::start("deduplication", &[]).await;
    let one = send_in_order(&stack, "a", "o-1", &script([Action::Done])).await;
    let other = send_in_order(&stack, "b", "o-1", &script([Action::Done])).await;
    stack.until_settled(&["work.fifo"]).await;
    assert_ne!(one, other, "the queue recognises copies within a message group only");
    assert_eq!((starts(&stack, &one).len(), starts(&stack, &other).len()), (1, 1));
    for key in ["a o-1", "b o-1"] {
        assert!(stack.is_completed("scripted", key), "{key}");
    }
}

/// Sends the body as two messages, one after the other. Returns what the one run read in the envelope.
async fn origin_of_one_run(handler: &str, body: &Value, id: &str) -> String {
    let stack = stack::start(handler, &[]).await;
    for _ in 0..2 {
        stack.send("work", body).await;
        stack.until_settled(&["work"]).await;
    }
    assert!(dead_letters(&stack).is_empty());
    assert!(stack.is_completed("scripted", id));
    let runs = runs(&stack);
    assert_eq!(runs.len(), 1, "{runs:?}");
    runs[0].origin.clone()
}

#[tokio::test]
async fn sns_notification_in_two_messages_is_done_once() {
    let notification = json!({
        "Type": "Notification",
        "MessageId": "n-1",
        "TopicArn": "arn:aws:sns:eu-west-1:123456789012:orders",
        "Subject": "placed",
        "Message": script([Action::Done]).to_string(),
        "Timestamp": "2026-01-02T03:04:05.678Z",
        "SignatureVersion": "1",
        "MessageAttributes": { "tenant": { "Type": "String", "Value": "blue" } },
    });
    assert_eq!(
        origin_of_one_run("sns", &notification, "n-1").await,
        "n-1 arn:aws:sns:eu-west-1:123456789012:orders placed 2026-01-02T03:04:05.678Z blue"
    );
}

#[tokio::test]
async fn eventbridge_event_in_two_messages_is_done_once() {
    let event = json!({
        "version": "0",
        "id": "e-1",
        "detail-type": "Order Placed",
        "source": "com.example.shop",
        "account": "123456789012",
        "time": "2026-01-02T03:04:05Z",
        "region": "eu-west-1",
        "resources": [],
        "detail": script([Action::Done]),
    });
    assert_eq!(
        origin_of_one_run("event-bridge", &event, "e-1").await,
        "e-1 com.example.shop Order Placed 2026-01-02T03:04:05Z 123456789012"
    );
}

#[tokio::test]
async fn body_without_its_envelope_is_dead_lettered() {
    let stack = stack::start("sns", &[]).await;
    stack.send("work", &script([Action::Done])).await;
    stack.until_settled(&["work"]).await;
    let reason = stack::reason(&dead_letters(&stack)[0]);
    assert!(
        reason.starts_with("malformed body: not an SNS notification"),
        "{reason}"
    );
    assert!(runs(&stack).is_empty());
}
