//! A redrive between FIFO queues keeps the order, and the identity of the messages.

use emulator::dynamodb::{Fault, FaultKind};
use serde_json::{Value, json};

use crate::harness::{Harness, dead, text};

const REDRIVE: [&str; 4] = ["dlq", "redrive", "line-dlq.fifo", "--yes"];

#[tokio::test(flavor = "multi_thread")]
async fn moved_fifo_message_keeps_its_first_message_id() {
    let harness = Harness::start().await;
    harness.fifo_queues().await;
    let message = json!({"MessageBody": "{}", "MessageGroupId": "g", "MessageDeduplicationId": "d-1"});
    let id = harness.send("line.fifo", &message).await;
    for _ in 0..2 {
        harness.moves("line.fifo").await;
        harness.succeed(&REDRIVE).await;
    }
    let arrived = harness.arrived("line.fifo").await;
    // Its deduplication ID is lost: SQS replaces it by the message ID in a FIFO dead-letter queue.
    assert_eq!(arrived[0].1["MessageAttributes"]["OriginalMessageId"], text(&id));
    assert_ne!(arrived[0].1["Attributes"]["MessageDeduplicationId"], "d-1");
}

#[tokio::test(flavor = "multi_thread")]
async fn filter_on_a_fifo_queue_reports_that_messages_may_be_missed() {
    for (left, code) in [(9, 0), (10, 1)] {
        let harness = Harness::start().await;
        harness.fifo_queues().await;
        // While ten are in flight, SQS delivers no more of their group.
        for n in 0..=left {
            let reason = if n < left { "no sum" } else { "wrong" };
            let mut message = dead("place-order", &format!("k-{n}"), reason);
            message["MessageGroupId"] = "g".into();
            message["MessageDeduplicationId"] = n.to_string().into();
            harness.send("line-dlq.fifo", &message).await;
        }
        let done = harness.operator(&[&REDRIVE[..], &["--reason", "wrong"]].concat()).await;
        assert_eq!(done.code, Some(code), "{done:?}");
        assert!(
            done.out.contains("A FIFO queue may hold more than was seen"),
            "{done:?}"
        );
        assert_eq!(done.out.contains("about 1 more were not seen"), code == 1, "{done:?}");
        // Without a filter no message remains that others could be behind.
        let output = harness.succeed(&REDRIVE).await;
        assert!(!output.contains("may hold more than was seen"), "{output}");
        assert!(harness.ids("line-dlq.fifo").is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn message_groups_are_redriven_in_order() {
    let harness = Harness::start().await;
    harness.fifo_queues().await;
    let mut sent = Vec::new();
    for (n, group) in ["g", "g", "h", "g"].into_iter().enumerate() {
        let mut message = dead("place-order", &format!("k-{n}"), "wrong sum");
        message["MessageGroupId"] = group.into();
        message["MessageDeduplicationId"] = format!("d-{n}").into();
        sent.push((harness.send("line-dlq.fifo", &message).await, group));
    }
    harness.succeed(&REDRIVE).await;
    let arrived = harness.arrived("line.fifo").await;
    let identity = |(_, message): &(String, Value)| {
        let attribute = |name: &str| message["Attributes"][name].as_str().unwrap().to_owned();
        (attribute("MessageDeduplicationId"), attribute("MessageGroupId"))
    };
    let mut arrived: Vec<_> = arrived.iter().map(identity).collect();
    let mut sent: Vec<_> = sent.into_iter().map(|(id, group)| (id, group.to_owned())).collect();
    arrived.sort_by(|one, other| one.1.cmp(&other.1));
    sent.sort_by(|one, other| one.1.cmp(&other.1));
    assert_eq!(arrived, sent);
}

#[tokio::test(flavor = "multi_thread")]
async fn message_does_not_overtake_a_failed_one_of_its_group() {
    let harness = Harness::start().await;
    harness.fifo_queues().await;
    for (key, group) in [("k-1", "g"), ("k-2", "g"), ("k-3", "h")] {
        let mut message = dead("place-order", key, "wrong sum");
        message["MessageGroupId"] = group.into();
        message["MessageDeduplicationId"] = key.into();
        harness.send("line-dlq.fifo", &message).await;
    }
    harness.stack.dynamodb().inject(Fault {
        operation: "GetItem".to_owned(),
        containing: Some("k-1".to_owned()),
        times: 10,
        kind: FaultKind::ServerError,
    });
    let done = harness.operator(&REDRIVE).await;
    assert_eq!(done.code, Some(1), "{done:?}");
    assert_eq!(harness.ids("line.fifo").len(), 1);
    assert_eq!(harness.arrived("line.fifo").await[0].0, "k-3");
    assert!(harness.all_visible("line-dlq.fifo"));
}

#[tokio::test(flavor = "multi_thread")]
async fn moved_message_without_room_for_both_its_ids_stays() {
    let harness = Harness::start().await;
    harness.fifo_queues().await;
    let attributes: serde_json::Map<_, _> = (0..9).map(|n| (format!("own-{n}"), text("x"))).collect();
    let message = json!({
        "MessageBody": "{}", "MessageAttributes": attributes, "MessageGroupId": "g", "MessageDeduplicationId": "d-1",
    });
    harness.send("line-dlq.fifo", &message).await;
    let done = harness.operator(&REDRIVE).await;
    let expected = "its own 9 attributes leave no room for OriginalMessageId and OriginalDeduplicationId";
    assert!(done.code == Some(1) && done.out.contains(expected), "{done:?}");
    assert!(harness.ids("line-dlq.fifo").len() == 1 && harness.all_visible("line-dlq.fifo"));
}
