//! `dlq redrive`: what is sent, deleted and kept.

use std::sync::Arc;

use emulator::dynamodb::{Fault, FaultKind};
use emulator::sqs;
use serde_json::json;

use crate::harness::{DEAD, Harness, ORDERS, arn, dead, dead_letter, original, put, record, text};

const REDRIVE: [&str; 4] = ["dlq", "redrive", DEAD, "--yes"];

fn with<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&REDRIVE[..], more].concat()
}

async fn keys(harness: &Harness) -> Vec<String> {
    harness.arrived(ORDERS).await.into_iter().map(|(key, _)| key).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn redriven_message_has_its_key_and_no_failure_attributes() {
    let harness = Harness::start().await;
    let mut message = dead("place-order", "k-1", "wrong sum");
    message["MessageAttributes"]["colour"] = text("red");
    message["MessageAttributes"]["bytes"] = json!({"DataType": "Binary.raw", "BinaryValue": "AAEC"});
    message["MessageSystemAttributes"] = json!({"AWSTraceHeader": text("Root=1-5759e988-bd862e3fe1be46a994272793")});
    message["MessageGroupId"] = "tenant-1".into();
    harness.send(DEAD, &message).await;
    harness.record("k-1", "REJECTED", json!({"reason": {"S": "wrong sum"}}));
    let output = harness.succeed(&REDRIVE).await;
    assert!(
        output.contains("orders-dlq: 1 redriven to orders, 1 REJECTED records deleted; 1 seen, 0 remain, 0 failed"),
        "{output}"
    );
    assert!(harness.ids(DEAD).is_empty() && harness.statuses().is_empty());
    let arrived = harness.arrived(ORDERS).await;
    let [(key, arrived)] = arrived.as_slice() else {
        panic!("{arrived:?}");
    };
    assert_eq!((key.as_str(), &arrived["Body"]), ("k-1", &json!("body of k-1")));
    assert_eq!(original(arrived), json!({"messageId": "m-k-1", "key": "k-1"}));
    let expected = json!({
        "Consumer.Original": arrived["MessageAttributes"]["Consumer.Original"],
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
async fn only_a_rejected_record_is_deleted() {
    let harness = Harness::start().await;
    for (key, status) in [("done", "COMPLETED"), ("busy", "INPROGRESS"), ("never", "REJECTED")] {
        harness.record(key, status, json!({}));
        harness.dead(key, "wrong sum").await;
    }
    harness.succeed(&REDRIVE).await;
    let left = harness.statuses();
    assert_eq!(left.len(), 2, "{left:?}");
    assert_eq!(
        (left["place-order#done"].as_str(), left["place-order#busy"].as_str()),
        ("COMPLETED", "INPROGRESS")
    );
    assert_eq!(keys(&harness).await.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn record_of_a_moved_message_needs_the_namespace_option() {
    let harness = Harness::start().await;
    for (more, deleted) in [(&[][..], false), (&["--namespace", "place-order"], true)] {
        let id = harness.moved("{}").await;
        harness.record(&id, "REJECTED", json!({}));
        let output = harness.succeed(&with(more)).await;
        assert_eq!(output.contains("1 REJECTED records deleted"), deleted, "{output}");
        assert_eq!(output.contains("1 name no function"), !deleted, "{output}");
        assert_eq!(!harness.statuses().contains_key(&format!("place-order#{id}")), deleted);
        assert_eq!(keys(&harness).await, [id]);
        harness.sqs("PurgeQueue", json!({}), ORDERS).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn moved_message_keeps_its_first_id_and_gets_no_key() {
    let harness = Harness::start().await;
    let id = harness.moved("{}").await;
    harness.succeed(&REDRIVE).await;
    harness.moves(ORDERS).await;
    harness.record(&id, "REJECTED", json!({}));
    harness.succeed(&with(&["--namespace", "place-order"])).await;
    assert!(harness.statuses().is_empty());
    let arrived = harness.arrived(ORDERS).await;
    assert_eq!(arrived[0].1["MessageAttributes"].as_object().unwrap().len(), 1);
    let queue = arn(&harness.stack, ORDERS);
    assert_eq!(original(&arrived[0].1), json!({"messageId": id, "queue": queue}));
}

#[tokio::test(flavor = "multi_thread")]
async fn moved_message_that_was_sent_with_a_key_keeps_it() {
    let harness = Harness::start().await;
    let message = json!({"MessageBody": "{}", "MessageAttributes": {"IdempotencyKey": text("k-1")}});
    harness.send(ORDERS, &message).await;
    harness.moves(ORDERS).await;
    harness.succeed(&REDRIVE).await;
    let arrived = harness.arrived(ORDERS).await;
    assert_eq!(arrived[0].1["MessageAttributes"]["IdempotencyKey"], text("k-1"));
    assert_eq!(
        original(&arrived[0].1)["key"],
        json!(null),
        "no function has decided it"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn namespace_option_does_not_apply_to_messages_with_a_function() {
    let harness = Harness::start().await;
    harness
        .send(DEAD, &dead("send-notification", "k-1", "no recipient"))
        .await;
    harness.record("k-1", "REJECTED", json!({}));
    harness.succeed(&with(&["--namespace", "place-order"])).await;
    assert_eq!(harness.statuses()["place-order#k-1"], "REJECTED");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_selected_messages_are_redriven_and_others_are_visible() {
    for (filter, expected) in [
        (&["--function", "send-notification"][..], &["k-3"][..]),
        (&["--reason", "sum"], &["k-1", "k-2"]),
        (&["--limit", "1"], &["k-1"]),
        (&["--reason", "moved", "--rate", "50"], &["moved"]),
    ] {
        let harness = Harness::start().await;
        let moved = harness.moved("{}").await;
        for (function, key, reason) in [
            ("place-order", "k-1", "wrong sum"),
            ("place-order", "k-2", "no sum"),
            ("send-notification", "k-3", "no recipient"),
        ] {
            harness.send(DEAD, &dead(function, key, reason)).await;
        }
        harness.succeed(&with(filter)).await;
        let mut keys = keys(&harness).await;
        keys.iter_mut()
            .filter(|key| **key == moved)
            .for_each(|key| *key = "moved".to_owned());
        match filter.contains(&"--limit") {
            // SQS chooses which one.
            true => assert_eq!(keys.len(), expected.len()),
            false => assert_eq!(keys, expected, "{filter:?}"),
        }
        assert_eq!(harness.ids(DEAD).len(), 4 - expected.len(), "{filter:?}");
        assert!(harness.all_visible(DEAD), "{filter:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn dry_run_changes_nothing() {
    let harness = Harness::start().await;
    harness.record("k-1", "REJECTED", json!({}));
    let id = harness.dead("k-1", "wrong sum").await;
    // No --yes: a dry run needs no confirmation.
    let output = harness.succeed(&["dlq", "redrive", DEAD, "--dry-run"]).await;
    assert!(
        output.contains(&format!(
            "would redrive {id} (key k-1), would delete its REJECTED record"
        )),
        "{output}"
    );
    assert_eq!(harness.statuses().len(), 1);
    assert!(harness.ids(DEAD) == [id] && harness.all_visible(DEAD) && harness.ids(ORDERS).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_attributes_of_the_producer_leave_room_for_identity() {
    let harness = Harness::start().await;
    let attributes: serde_json::Map<_, _> = (0..10).map(|n| (format!("own-{n}"), text("x"))).collect();
    let message = json!({"MessageBody": "full", "MessageAttributes": attributes});
    let id = harness.send(ORDERS, &message).await;
    harness.moves(ORDERS).await;
    harness.succeed(&REDRIVE).await;
    let arrived = &harness.arrived(ORDERS).await[0].1;
    assert_eq!(arrived["MessageAttributes"].as_object().unwrap().len(), 10);
    let original = original(arrived);
    assert_eq!(original["messageId"], json!(id));
    assert_eq!(
        original["attributes"],
        json!({"own-9": {"dataType": "String", "stringValue": "x"}})
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn attributes_return_to_their_place_where_there_is_room() {
    let harness = Harness::start().await;
    let mut message = dead_letter(&harness.stack, ORDERS, "k-1");
    let mut stated = original(&message);
    stated["attributes"] = json!({
        "zeta": {"dataType": "Number", "stringValue": "7"}, "zoom": {"dataType": "Binary", "binaryValue": "AAEC"},
    });
    message["MessageAttributes"]["Consumer.Original"] = text(&stated.to_string());
    harness.send(DEAD, &message).await;
    harness.succeed(&REDRIVE).await;
    let attributes = harness.arrived(ORDERS).await[0].1["MessageAttributes"].clone();
    assert_eq!(attributes["zeta"], json!({"DataType": "Number", "StringValue": "7"}));
    assert_eq!(attributes["zoom"], json!({"DataType": "Binary", "BinaryValue": "AAEC"}));
    assert_eq!(attributes.as_object().unwrap().len(), 3, "{attributes}");
}

#[tokio::test(flavor = "multi_thread")]
async fn producers_attributes_with_our_old_names_are_kept() {
    let harness = Harness::start().await;
    let own = ["FailureReason", "ReceiveCount", "FailedFunction", "IdempotencyKey"];
    let own: serde_json::Map<_, _> = own.iter().map(|name| ((*name).to_owned(), text("own"))).collect();
    let message = json!({"MessageBody": "{}", "MessageAttributes": own});
    harness.send(ORDERS, &message).await;
    harness.moves(ORDERS).await;
    harness.succeed(&REDRIVE).await;
    let mut attributes = harness.arrived(ORDERS).await[0].1["MessageAttributes"].clone();
    attributes.as_object_mut().unwrap().remove("Consumer.Original").unwrap();
    assert_eq!(attributes, message["MessageAttributes"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn dry_run_fails_for_a_message_that_is_too_long() {
    let harness = Harness::start().await;
    // With the identity it is too long; without its queue's name, the second one is not.
    let full = harness.moved(&"x".repeat(1024 * 1024)).await;
    let fits = harness.moved(&"x".repeat(1024 * 1024 - 120)).await;
    for (more, redrives) in [("--dry-run", "would redrive"), ("--yes", "redriven")] {
        let done = harness.operator(&["dlq", "redrive", DEAD, more]).await;
        assert!(
            done.code == Some(1)
                && done
                    .out
                    .contains(&format!("failed {full} (key {full}): body and attributes take 1048"))
                && done.out.contains(&format!("{redrives} {fits} ")),
            "{done:?}"
        );
    }
    assert!(harness.ids(DEAD) == [full] && harness.all_visible(DEAD));
}

#[tokio::test(flavor = "multi_thread")]
async fn message_whose_record_changes_meanwhile_stays() {
    let harness = Harness::start().await;
    harness.record("k-1", "REJECTED", json!({}));
    let id = harness.dead("k-1", "wrong sum").await;
    let dynamodb = Arc::clone(harness.stack.dynamodb());
    let done = record("k-1", "COMPLETED", json!({"owner": {"S": "another"}}));
    harness.stack.dynamodb().inject(Fault {
        operation: "GetItem".to_owned(),
        containing: Some("k-1".to_owned()),
        times: 1,
        kind: FaultKind::AfterApply(Box::new(move |_, _| put(&dynamodb, &done))),
    });
    let done = harness.operator(&REDRIVE).await;
    assert!(
        done.code == Some(1)
            && done
                .out
                .contains("record place-order#k-1 has changed since it was read"),
        "{done:?}"
    );
    assert_eq!(harness.statuses()["place-order#k-1"], "COMPLETED");
    assert!(harness.ids(DEAD) == [id] && harness.all_visible(DEAD));
}

#[tokio::test(flavor = "multi_thread")]
async fn redrive_goes_on_although_requests_are_throttled() {
    let harness = Harness::start().await;
    harness.record("k-1", "REJECTED", json!({}));
    harness.dead("k-1", "wrong sum").await;
    for operation in ["GetItem", "DeleteItem"] {
        harness.stack.dynamodb().inject(Fault {
            operation: operation.to_owned(),
            containing: Some("k-1".to_owned()),
            times: 5,
            kind: FaultKind::Throttle,
        });
    }
    harness.stack.sqs().inject(sqs::Fault {
        operation: "SendMessage".to_owned(),
        containing: None,
        times: 5,
        kind: sqs::FaultKind::Throttle,
    });
    let output = harness.succeed(&REDRIVE).await;
    assert!(
        output.contains("1 redriven to orders, 1 REJECTED records deleted"),
        "{output}"
    );
    assert_eq!(keys(&harness).await, ["k-1"]);
}
