//! Seeing what is in a dead-letter queue.

use serde_json::{Value, json};

use crate::proxy::{Harm, harmed};
use crate::stage::{DEAD, Stage, dead};

async fn listed(stage: &Stage, queue: &str) -> Value {
    serde_json::from_str(&stage.said(&["dlq", "list", queue, "--json"]).await).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_are_grouped_by_function_and_reason_and_visible_again() {
    let stage = Stage::start().await;
    let first = stage.dead("k-1", "wrong sum").await;
    stage.dead("k-2", "wrong sum").await;
    stage
        .send(DEAD, &dead("send-notification", "k-3", "no recipient"))
        .await;
    let moved = stage.moved("{}").await;
    let json = listed(&stage, DEAD).await;
    assert_eq!(
        (&json["seen"], &json["approximateNumberOfMessages"]),
        (&json!(4), &json!(4))
    );
    let groups = json["groups"].as_array().unwrap();
    let group = |group: &Value| {
        (
            group["function"].clone(),
            group["reason"].clone(),
            group["count"].clone(),
        )
    };
    let groups: Vec<_> = groups.iter().map(group).collect();
    assert_eq!(groups[0], (json!("place-order"), json!("wrong sum"), json!(2)));
    assert!(
        groups.contains(&(json!("send-notification"), json!("no recipient"), json!(1))),
        "{groups:?}"
    );
    assert!(
        groups.contains(&(Value::Null, json!("moved by the redrive policy"), json!(1))),
        "{groups:?}"
    );
    assert_eq!(json["groups"][0]["example"], json!({"messageId": first, "key": "k-1"}));
    assert!(stage.all_visible(DEAD));

    let text = stage.said(&["dlq", "list", DEAD]).await;
    assert!(
        text.contains("orders-dlq: 4 messages seen, of about 4 there and 0 that others hold"),
        "{text}"
    );
    assert!(text.contains(&moved) && text.contains("unknown"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_is_shown_only_when_asked_for_and_only_its_beginning() {
    let stage = Stage::start().await;
    let mut message = dead("place-order", "k-1", "wrong sum");
    message["MessageBody"] = format!("secret\n{}", "é".repeat(200)).into();
    stage.send(DEAD, &message).await;
    assert!(!stage.said(&["dlq", "list", DEAD]).await.contains("secret"));
    let shown = stage.said(&["dlq", "list", DEAD, "--show-body"]).await;
    assert!(
        shown.contains("secret\\n") && shown.matches('é').count() == 73,
        "{shown}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn all_of_many_messages_are_seen_and_given_back() {
    let stage = Stage::start().await;
    for n in 0..37 {
        stage.dead(&format!("k-{n}"), "wrong sum").await;
    }
    let json = listed(&stage, DEAD).await;
    assert_eq!((&json["seen"], &json["groups"][0]["count"]), (&json!(37), &json!(37)));
    assert!(stage.ids(DEAD).len() == 37 && stage.all_visible(DEAD));
}

#[tokio::test(flavor = "multi_thread")]
async fn ctrl_c_ends_the_reading_gives_every_message_back_and_exits_with_130() {
    let stage = Stage::start().await;
    let mut last = String::new();
    for n in 0..300 {
        last = stage.dead(&format!("k-{n}"), "wrong sum").await;
    }
    let done = harmed(&stage, "ReceiveMessage", 2, Harm::Interrupted, &["dlq", "list", DEAD]).await;
    assert_eq!(done.code, Some(130), "{done:?}");
    assert_eq!(stage.stack.sqs().deliveries(&last), 0);
    assert!(stage.ids(DEAD).len() == 300 && stage.all_visible(DEAD));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_gives_every_message_back() {
    let stage = Stage::start().await;
    for n in 0..25 {
        stage.dead(&format!("k-{n}"), "wrong sum").await;
    }
    let done = harmed(&stage, "ReceiveMessage", 2, Harm::Refused, &["dlq", "list", DEAD]).await;
    assert_eq!(done.code, Some(1));
    assert!(done.err.contains("OverLimit: refused by the test"), "{done:?}");
    assert!(stage.all_visible(DEAD));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fifo_queue_says_that_groups_limit_what_is_seen() {
    let stage = Stage::start().await;
    stage.fifo_queues().await;
    for n in 0..12 {
        let mut message = dead("place-order", &format!("k-{n}"), "wrong sum");
        message["MessageGroupId"] = "g".into();
        message["MessageDeduplicationId"] = n.to_string().into();
        stage.send("line-dlq.fifo", &message).await;
    }
    let text = stage.said(&["dlq", "list", "line-dlq.fifo"]).await;
    assert!(
        text.contains("10 messages seen, of about 12") && text.contains("not all may be seen"),
        "{text}"
    );
    assert!(stage.all_visible("line-dlq.fifo"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_with_a_redrive_policy_of_its_own_is_warned_of() {
    let stage = Stage::start().await;
    let done = stage.operator(&["dlq", "list", "orders"]).await;
    assert_eq!(done.code, Some(0));
    assert!(
        done.err.starts_with("warning: orders has a redrive policy of its own"),
        "{done:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_that_is_not_there_is_named() {
    let stage = Stage::start().await;
    for command in ["list", "redrive"] {
        let done = stage.operator(&["dlq", command, "nowhere"]).await;
        assert_eq!(
            (done.code, done.err.as_str()),
            (Some(1), "error: there is no queue nowhere\n")
        );
    }
}
