//! A redrive between FIFO queues keeps the order, and the identity of the messages.

use emulator::dynamodb::{Fault, FaultKind};
use serde_json::{Value, json};

use crate::harness::{Harness, arn, dead, dead_letter, original, text};

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
    let queue = arn(&harness.stack, "line.fifo");
    assert_eq!(original(&arrived[0].1), json!({"messageId": id, "queue": queue}));
    assert_ne!(arrived[0].1["Attributes"]["MessageDeduplicationId"], "d-1");
}

const LOST: &str = "1 lost the deduplication ID that the producer set";

#[tokio::test(flavor = "multi_thread")]
async fn lost_deduplication_id_is_reported_and_never_claimed() {
    for moved in [true, false] {
        let harness = Harness::start().await;
        harness.fifo_queues().await;
        let message = json!({"MessageBody": "{}", "MessageGroupId": "g", "MessageDeduplicationId": "d-1"});
        match moved {
            true => {
                harness.send("line.fifo", &message).await;
                harness.moves("line.fifo").await;
            }
            // As AWS shows a message that it moved: its deduplication ID is not its producer's.
            false => drop(harness.send("line-dlq.fifo", &message).await),
        }
        for arguments in [&["dlq", "redrive", "line-dlq.fifo", "--dry-run"][..], &REDRIVE] {
            let output = harness.succeed(arguments).await;
            assert!(output.contains(LOST), "{output}");
        }
        let arrived = harness.arrived("line.fifo").await;
        assert_eq!(original(&arrived[0].1)["deduplicationId"], Value::Null);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn deduplication_id_that_a_function_stated_is_kept() {
    let harness = Harness::start().await;
    harness.fifo_queues().await;
    let mut message = dead_letter(&harness.stack, "line.fifo", "k-1");
    let mut stated = original(&message);
    stated["deduplicationId"] = "d-1".into();
    message["MessageAttributes"]["Consumer.Original"] = text(&stated.to_string());
    message["MessageGroupId"] = "g".into();
    message["MessageDeduplicationId"] = "m-1-3".into();
    harness.send("line-dlq.fifo", &message).await;
    let output = harness.succeed(&REDRIVE).await;
    assert!(!output.contains("deduplication"), "{output}");
    assert_eq!(original(&harness.arrived("line.fifo").await[0].1), stated);
}

#[tokio::test(flavor = "multi_thread")]
async fn content_based_deduplication_id_is_computed_again() {
    let harness = Harness::start().await;
    harness.fifo_queues().await;
    let content_based = json!({"Attributes": {"ContentBasedDeduplication": "true"}});
    harness.sqs("SetQueueAttributes", content_based, "line.fifo").await;
    let message = json!({"MessageBody": "{}", "MessageGroupId": "g"});
    harness.send("line.fifo", &message).await;
    harness.moves("line.fifo").await;
    let output = harness.succeed(&REDRIVE).await;
    assert!(
        output.contains("1 have the deduplication ID that SQS computes") && !output.contains("lost"),
        "{output}"
    );
    let arrived = harness.arrived("line.fifo").await;
    // printf {} | sha256sum
    let sum = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";
    assert_eq!(original(&arrived[0].1)["deduplicationId"], sum);
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
