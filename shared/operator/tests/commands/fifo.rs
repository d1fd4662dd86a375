//! A redrive between FIFO queues keeps their order, and what messages are known by.

use emulator::dynamodb::{Fault, FaultKind};
use serde_json::{Value, json};

use crate::stage::{Stage, dead, text};

const REDRIVE: [&str; 4] = ["dlq", "redrive", "line-dlq.fifo", "--yes"];

#[tokio::test(flavor = "multi_thread")]
async fn a_moved_message_of_a_fifo_queue_tells_its_first_deduplication_id_too() {
    let stage = Stage::start().await;
    stage.fifo_queues().await;
    let message = json!({"MessageBody": "{}", "MessageGroupId": "g", "MessageDeduplicationId": "d-1"});
    let id = stage.send("line.fifo", &message).await;
    for _ in 0..2 {
        stage.moves("line.fifo").await;
        stage.said(&REDRIVE).await;
    }
    let arrived = stage.arrived("line.fifo").await;
    let expected = json!({"OriginalMessageId": text(&id), "OriginalDeduplicationId": text("d-1")});
    assert_eq!(arrived[0].1["MessageAttributes"], expected);
    assert_ne!(arrived[0].1["Attributes"]["MessageDeduplicationId"], "d-1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_on_a_fifo_queue_says_that_it_may_have_missed_some() {
    for (left, code) in [(9, 0), (10, 1)] {
        let stage = Stage::start().await;
        stage.fifo_queues().await;
        // While ten are held, SQS gives out no more of their group.
        for n in 0..=left {
            let reason = if n < left { "no sum" } else { "wrong" };
            let mut message = dead("place-order", &format!("k-{n}"), reason);
            message["MessageGroupId"] = "g".into();
            message["MessageDeduplicationId"] = n.to_string().into();
            stage.send("line-dlq.fifo", &message).await;
        }
        let done = stage.operator(&[&REDRIVE[..], &["--reason", "wrong"]].concat()).await;
        assert_eq!(done.code, Some(code), "{done:?}");
        assert!(done.out.contains("Of a FIFO queue not all may be seen"), "{done:?}");
        assert_eq!(done.out.contains("about 1 more were not seen"), code == 1, "{done:?}");
        // Without a filter nothing is left that others could be behind.
        let said = stage.said(&REDRIVE).await;
        assert!(!said.contains("not all may be seen"), "{said}");
        assert!(stage.ids("line-dlq.fifo").is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fifo_queue_gets_its_groups_back_in_order() {
    let stage = Stage::start().await;
    stage.fifo_queues().await;
    let mut sent = Vec::new();
    for (n, group) in ["g", "g", "h", "g"].into_iter().enumerate() {
        let mut message = dead("place-order", &format!("k-{n}"), "wrong sum");
        message["MessageGroupId"] = group.into();
        message["MessageDeduplicationId"] = format!("d-{n}").into();
        sent.push((stage.send("line-dlq.fifo", &message).await, group));
    }
    stage.said(&REDRIVE).await;
    let arrived = stage.arrived("line.fifo").await;
    let told = |(_, message): &(String, Value)| {
        let attribute = |name: &str| message["Attributes"][name].as_str().unwrap().to_owned();
        (attribute("MessageDeduplicationId"), attribute("MessageGroupId"))
    };
    let mut told: Vec<_> = arrived.iter().map(told).collect();
    let mut sent: Vec<_> = sent.into_iter().map(|(id, group)| (id, group.to_owned())).collect();
    told.sort_by(|one, other| one.1.cmp(&other.1));
    sent.sort_by(|one, other| one.1.cmp(&other.1));
    assert_eq!(told, sent);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_behind_a_message_that_is_left_does_not_overtake_it_in_its_group() {
    let stage = Stage::start().await;
    stage.fifo_queues().await;
    for (key, group) in [("k-1", "g"), ("k-2", "g"), ("k-3", "h")] {
        let mut message = dead("place-order", key, "wrong sum");
        message["MessageGroupId"] = group.into();
        message["MessageDeduplicationId"] = key.into();
        stage.send("line-dlq.fifo", &message).await;
    }
    stage.stack.dynamodb().inject(Fault {
        operation: "GetItem".to_owned(),
        containing: Some("k-1".to_owned()),
        times: 10,
        kind: FaultKind::ServerError,
    });
    let done = stage.operator(&REDRIVE).await;
    assert_eq!(done.code, Some(1), "{done:?}");
    assert_eq!(stage.ids("line.fifo").len(), 1);
    assert_eq!(stage.arrived("line.fifo").await[0].0, "k-3");
    assert!(stage.all_visible("line-dlq.fifo"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_moved_message_without_room_for_both_its_ids_is_left() {
    let stage = Stage::start().await;
    stage.fifo_queues().await;
    let attributes: serde_json::Map<_, _> = (0..9).map(|n| (format!("own-{n}"), text("x"))).collect();
    let message = json!({
        "MessageBody": "{}", "MessageAttributes": attributes, "MessageGroupId": "g", "MessageDeduplicationId": "d-1",
    });
    stage.send("line-dlq.fifo", &message).await;
    let done = stage.operator(&REDRIVE).await;
    let told = "its own 9 attributes leave no room for OriginalMessageId and OriginalDeduplicationId";
    assert!(done.code == Some(1) && done.out.contains(told), "{done:?}");
    assert!(stage.ids("line-dlq.fifo").len() == 1 && stage.all_visible("line-dlq.fifo"));
}
