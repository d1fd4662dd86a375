//! Dead letters on their way back.

use std::sync::Arc;

use local::dynamodb::{Fault, FaultKind};
use serde_json::{Value, json};

use crate::stage::{DEAD, ORDERS, Stage, dead, put, record, text};

const REDRIVE: [&str; 4] = ["dlq", "redrive", DEAD, "--yes"];

fn with<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&REDRIVE[..], more].concat()
}

async fn keys(stage: &Stage) -> Vec<String> {
    stage.arrived(ORDERS).await.into_iter().map(|(key, _)| key).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_goes_back_as_it_came_with_its_key_and_without_its_failure() {
    let stage = Stage::start().await;
    let mut message = dead("place-order", "k-1", "wrong sum");
    message["MessageAttributes"]["colour"] = text("red");
    message["MessageAttributes"]["bytes"] = json!({"DataType": "Binary.raw", "BinaryValue": "AAEC"});
    message["MessageSystemAttributes"] = json!({"AWSTraceHeader": text("Root=1-5759e988-bd862e3fe1be46a994272793")});
    message["MessageGroupId"] = "tenant-1".into();
    stage.send(DEAD, &message).await;
    stage.record("k-1", "REJECTED", json!({"reason": {"S": "wrong sum"}}));
    let said = stage.said(&REDRIVE).await;
    assert!(
        said.contains("orders-dlq: 1 redriven to orders, 1 records cleared; of 1 seen 0 left, 0 of them failed"),
        "{said}"
    );
    assert!(stage.ids(DEAD).is_empty() && stage.statuses().is_empty());
    let arrived = stage.arrived(ORDERS).await;
    let [(key, arrived)] = arrived.as_slice() else {
        panic!("{arrived:?}");
    };
    assert_eq!((key.as_str(), &arrived["Body"]), ("k-1", &json!("body of k-1")));
    let expected = json!({
        "IdempotencyKey": text("k-1"),
        "colour": text("red"),
        "bytes": {"DataType": "Binary.raw", "BinaryValue": "AAEC"},
    });
    assert_eq!(arrived["MessageAttributes"], expected);
    assert_eq!(
        arrived["Attributes"]["AWSTraceHeader"],
        "Root=1-5759e988-bd862e3fe1be46a994272793"
    );
    assert_eq!(arrived["Attributes"]["MessageGroupId"], "tenant-1");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_rejected_record_is_cleared() {
    let stage = Stage::start().await;
    for (key, status) in [("done", "COMPLETED"), ("busy", "INPROGRESS"), ("never", "REJECTED")] {
        stage.record(key, status, json!({}));
        stage.dead(key, "wrong sum").await;
    }
    stage.said(&REDRIVE).await;
    let left = stage.statuses();
    assert_eq!(left.len(), 2, "{left:?}");
    assert_eq!(
        (left["place-order#done"].as_str(), left["place-order#busy"].as_str()),
        ("COMPLETED", "INPROGRESS")
    );
    assert_eq!(keys(&stage).await.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_moved_message_is_cleared_under_its_id_where_the_operator_says() {
    let stage = Stage::start().await;
    for (more, cleared) in [(&[][..], false), (&["--namespace", "place-order"], true)] {
        let id = stage.moved("{}").await;
        stage.record(&id, "REJECTED", json!({}));
        let said = stage.said(&with(more)).await;
        assert_eq!(said.contains("1 records cleared"), cleared, "{said}");
        assert_eq!(said.contains("1 don't tell their function"), !cleared, "{said}");
        assert_eq!(!stage.statuses().contains_key(&format!("place-order#{id}")), cleared);
        assert_eq!(keys(&stage).await, [id]);
        stage.sqs("PurgeQueue", json!({}), ORDERS).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_moved_message_tells_its_first_id_however_often_it_is_redriven_and_gets_no_key() {
    let stage = Stage::start().await;
    let id = stage.moved("{}").await;
    stage.said(&REDRIVE).await;
    stage.moves(ORDERS).await;
    stage.record(&id, "REJECTED", json!({}));
    stage.said(&with(&["--namespace", "place-order"])).await;
    assert!(stage.statuses().is_empty());
    let arrived = stage.arrived(ORDERS).await;
    assert_eq!(
        arrived[0].1["MessageAttributes"],
        json!({"OriginalMessageId": text(&id)})
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_moved_message_that_was_sent_under_a_key_keeps_it() {
    let stage = Stage::start().await;
    let message = json!({"MessageBody": "{}", "MessageAttributes": {"IdempotencyKey": text("k-1")}});
    stage.send(ORDERS, &message).await;
    stage.moves(ORDERS).await;
    stage.said(&REDRIVE).await;
    let arrived = stage.arrived(ORDERS).await;
    assert_eq!(arrived[0].1["MessageAttributes"], message["MessageAttributes"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_moved_message_of_a_fifo_queue_tells_its_first_deduplication_id_too() {
    let stage = Stage::start().await;
    stage.fifo_queues().await;
    let message = json!({"MessageBody": "{}", "MessageGroupId": "g", "MessageDeduplicationId": "d-1"});
    let id = stage.send("line.fifo", &message).await;
    for _ in 0..2 {
        stage.moves("line.fifo").await;
        stage.said(&["dlq", "redrive", "line-dlq.fifo", "--yes"]).await;
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
        let redrive = ["dlq", "redrive", "line-dlq.fifo", "--yes"];
        let done = stage.operator(&[&redrive[..], &["--reason", "wrong"]].concat()).await;
        assert_eq!(done.code, Some(code), "{done:?}");
        assert!(done.out.contains("Of a FIFO queue not all may be seen"), "{done:?}");
        assert_eq!(done.out.contains("about 1 more were not seen"), code == 1, "{done:?}");
        // Without a filter nothing is left that others could be behind.
        let said = stage.said(&redrive).await;
        assert!(!said.contains("not all may be seen"), "{said}");
        assert!(stage.ids("line-dlq.fifo").is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_a_function_sent_is_never_cleared_in_another_namespace() {
    let stage = Stage::start().await;
    stage
        .send(DEAD, &dead("send-notification", "k-1", "no recipient"))
        .await;
    stage.record("k-1", "REJECTED", json!({}));
    stage.said(&with(&["--namespace", "place-order"])).await;
    assert_eq!(stage.statuses()["place-order#k-1"], "REJECTED");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_is_chosen_goes_back_and_the_rest_is_visible() {
    for (chosen, expected) in [
        (&["--function", "send-notification"][..], &["k-3"][..]),
        (&["--reason", "sum"], &["k-1", "k-2"]),
        (&["--function", "place-order", "--reason", "recipient"], &[]),
        (&["--limit", "1"], &["k-1"]),
        (&["--reason", "moved", "--rate", "50"], &["moved"]),
    ] {
        let stage = Stage::start().await;
        let moved = stage.moved("{}").await;
        for (function, key, reason) in [
            ("place-order", "k-1", "wrong sum"),
            ("place-order", "k-2", "no sum"),
            ("send-notification", "k-3", "no recipient"),
        ] {
            stage.send(DEAD, &dead(function, key, reason)).await;
        }
        stage.said(&with(chosen)).await;
        let mut keys = keys(&stage).await;
        keys.iter_mut()
            .filter(|key| **key == moved)
            .for_each(|key| *key = "moved".to_owned());
        match chosen.contains(&"--limit") {
            // Which one, is SQS's to choose.
            true => assert_eq!(keys.len(), expected.len()),
            false => assert_eq!(keys, expected, "{chosen:?}"),
        }
        assert_eq!(stage.ids(DEAD).len(), 4 - expected.len(), "{chosen:?}");
        assert!(stage.all_visible(DEAD), "{chosen:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_changes_nothing() {
    let stage = Stage::start().await;
    stage.record("k-1", "REJECTED", json!({}));
    let id = stage.dead("k-1", "wrong sum").await;
    // No --yes: there is nothing to ask.
    let said = stage.said(&["dlq", "redrive", DEAD, "--dry-run"]).await;
    assert!(
        said.contains(&format!(
            "would be redriven {id} (key k-1), its REJECTED record cleared"
        )),
        "{said}"
    );
    assert_eq!(stage.statuses().len(), 1);
    assert!(stage.ids(DEAD) == [id] && stage.all_visible(DEAD) && stage.ids(ORDERS).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_without_room_for_its_key_is_left_and_others_go() {
    let stage = Stage::start().await;
    let attributes: serde_json::Map<_, _> = (0..10).map(|n| (format!("own-{n}"), text("x"))).collect();
    let message = json!({"MessageBody": "full", "MessageAttributes": attributes});
    let full = stage.send(DEAD, &message).await;
    stage.dead("k-1", "wrong sum").await;
    let done = stage.operator(&REDRIVE).await;
    assert_eq!(done.code, Some(1));
    assert!(
        done.out
            .contains(&format!("left {full} (key {full}): its own 10 attributes")),
        "{done:?}"
    );
    assert!(stage.ids(DEAD) == [full] && stage.all_visible(DEAD));
    assert_eq!(keys(&stage).await, ["k-1"]);
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
    stage.said(&["dlq", "redrive", "line-dlq.fifo", "--yes"]).await;
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
    let done = stage.operator(&["dlq", "redrive", "line-dlq.fifo", "--yes"]).await;
    assert_eq!(done.code, Some(1), "{done:?}");
    assert_eq!(stage.ids("line.fifo").len(), 1);
    assert_eq!(stage.arrived("line.fifo").await[0].0, "k-3");
    assert!(stage.all_visible("line-dlq.fifo"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_is_changing_keeps_its_message_here() {
    let stage = Stage::start().await;
    stage.record("k-1", "REJECTED", json!({}));
    let id = stage.dead("k-1", "wrong sum").await;
    let dynamodb = Arc::clone(stage.stack.dynamodb());
    let done = record("k-1", "COMPLETED", json!({"owner": {"S": "another"}}));
    stage.stack.dynamodb().inject(Fault {
        operation: "GetItem".to_owned(),
        containing: None,
        times: 1,
        kind: FaultKind::AfterApply(Box::new(move |_, _| put(&dynamodb, &done))),
    });
    let done = stage.operator(&REDRIVE).await;
    assert!(
        done.code == Some(1) && done.out.contains("place-order#k-1 is changing just now"),
        "{done:?}"
    );
    assert_eq!(stage.statuses()["place-order#k-1"], "COMPLETED");
    assert!(stage.ids(DEAD) == [id] && stage.all_visible(DEAD));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_target_is_the_one_source_or_has_to_be_named() {
    let stage = Stage::start().await;
    stage.fifo_queues().await;
    let id = stage.dead("k-1", "wrong sum").await;
    let refused = |arguments: &'static [&'static str]| {
        let stage = &stage;
        async move {
            let done = stage.operator(arguments).await;
            assert_eq!(done.code, Some(1), "{done:?}");
            done.err
        }
    };
    let none = refused(&["dlq", "redrive", "orders", "--yes"]).await;
    assert!(
        none.contains("orders is the dead-letter queue of none") && none.contains("--to"),
        "{none}"
    );
    let same = refused(&["dlq", "redrive", DEAD, "--to", DEAD, "--yes"]).await;
    assert!(same.contains("orders-dlq is where the messages are"), "{same}");
    let fifo = refused(&["dlq", "redrive", DEAD, "--to", "line.fifo", "--yes"]).await;
    assert!(fifo.contains("only one is a FIFO queue"), "{fifo}");
    let policy = json!({
        "deadLetterTargetArn": format!("arn:aws:sqs:{}:000000000000:{DEAD}", stage.stack.region()), "maxReceiveCount": 3,
    });
    let attributes = json!({"Attributes": {"RedrivePolicy": policy.to_string()}});
    stage.sqs("SetQueueAttributes", attributes, "notifications").await;
    let several = refused(&["dlq", "redrive", DEAD, "--yes"]).await;
    assert!(several.contains("of several (notifications, orders)"), "{several}");
    assert_eq!(stage.ids(DEAD), [id]);

    stage.said(&with(&["--to", "notifications"])).await;
    assert_eq!(stage.arrived("notifications").await[0].0, "k-1");
}
