//! Dead letters on their way back.

use std::sync::Arc;

use emulator::dynamodb::{Fault, FaultKind};
use serde_json::json;

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
async fn a_record_that_is_changing_keeps_its_message_here() {
    let stage = Stage::start().await;
    stage.record("k-1", "REJECTED", json!({}));
    let id = stage.dead("k-1", "wrong sum").await;
    let dynamodb = Arc::clone(stage.stack.dynamodb());
    let done = record("k-1", "COMPLETED", json!({"owner": {"S": "another"}}));
    stage.stack.dynamodb().inject(Fault {
        operation: "GetItem".to_owned(),
        containing: Some("k-1".to_owned()),
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
