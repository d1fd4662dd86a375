//! `dlq list`.

use serde_json::{Value, json};

use crate::harness::{DEAD, Harness, ORDERS, arn, dead, dead_letter, text};
use crate::proxy::{Injection, run_with};

async fn listed(harness: &Harness, queue: &str) -> Value {
    serde_json::from_str(&harness.succeed(&["dlq", "list", queue, "--json"]).await).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn list_groups_by_function_and_reason_and_releases_messages() {
    let harness = Harness::start().await;
    let first = harness.dead("k-1", "wrong sum").await;
    harness.dead("k-2", "wrong sum").await;
    harness
        .send(DEAD, &dead("send-notification", "k-3", "no recipient"))
        .await;
    let moved = harness.moved("{}").await;
    let json = listed(&harness, DEAD).await;
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
    let sources = |function: Value| {
        let of_function = json["groups"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|group| group["function"] == function);
        of_function.map(|group| group["source"].clone()).collect::<Vec<_>>()
    };
    // What SQS moved names its queue; what earlier versions of the functions sent does not.
    assert_eq!(sources(Value::Null), [json!(arn(&harness.stack, "orders"))]);
    assert_eq!(sources(json!("send-notification")), [Value::Null]);
    let example = json!({"messageId": first, "key": "k-1", "reason": "wrong sum"});
    assert_eq!(json["groups"][0]["example"], example);
    assert_eq!(json["copies"], 0);
    assert!(harness.all_visible(DEAD));

    let text = harness.succeed(&["dlq", "list", DEAD]).await;
    assert!(
        text.contains("orders-dlq: 4 messages seen; at the start about 4 visible and 0 in flight"),
        "{text}"
    );
    assert!(text.contains(&moved) && text.contains("unknown"), "{text}");
    assert_eq!(text.matches("from orders").count(), 1, "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn beginning_of_a_body_is_shown_only_with_show_body() {
    let harness = Harness::start().await;
    let mut message = dead("place-order", "k-1", "wrong sum");
    message["MessageBody"] = format!("secret\n{}", "é".repeat(200)).into();
    harness.send(DEAD, &message).await;
    assert!(!harness.succeed(&["dlq", "list", DEAD]).await.contains("secret"));
    let shown = harness.succeed(&["dlq", "list", DEAD, "--show-body"]).await;
    assert!(
        shown.contains("secret\\n") && shown.matches('é').count() == 73,
        "{shown}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn copies_are_counted_once_and_stated() {
    let harness = Harness::start().await;
    for (key, reason) in [("k-1", "sum 7"), ("k-1", "sum 8"), ("k-2", "sum 7"), ("k-1", "another")] {
        harness.dead(key, reason).await;
    }
    let json = listed(&harness, DEAD).await;
    assert_eq!((&json["seen"], &json["copies"]), (&json!(4), &json!(2)));
    let groups: Vec<_> = json["groups"].as_array().unwrap().iter().collect();
    assert_eq!(groups.len(), 1, "{groups:?}");
    assert_eq!(groups[0]["count"], 2);
    let text = harness.succeed(&["dlq", "list", DEAD]).await;
    assert!(
        text.contains("orders-dlq: 4 messages seen, 2 of them copies of others and not counted; at the start about 4"),
        "{text}"
    );
    // As a redrive counts them.
    let redrive = harness.succeed(&["dlq", "redrive", DEAD, "--dry-run"]).await;
    assert!(
        redrive.contains("2 would be redriven to orders, 2 copies of these"),
        "{redrive}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn reasons_that_differ_in_identifiers_form_one_group() {
    let harness = Harness::start().await;
    for (key, reason) in [
        ("k-1", "order o-1 costs more than 500"),
        (
            "k-2",
            "order 2e9b785d-6ad6-4b7a-9a27-3a2b0a1f5c11 costs more than 1,000.50",
        ),
        ("k-3", "status 404"),
    ] {
        harness.dead(key, reason).await;
    }
    let json = listed(&harness, DEAD).await;
    let groups = json["groups"].as_array().unwrap();
    assert_eq!(groups.len(), 2, "{groups:?}");
    let masked = "order … costs more than …";
    assert_eq!((&groups[0]["reason"], &groups[0]["count"]), (&json!(masked), &json!(2)));
    assert_eq!(groups[0]["example"]["reason"], "order o-1 costs more than 500");
    assert_eq!(groups[1]["reason"], "status …");
    // Where all have one reason, nothing is hidden.
    let text = harness.succeed(&["dlq", "list", DEAD]).await;
    assert!(text.contains(masked) && text.contains("status 404"), "{text}");
    // The listed reason selects its group.
    let redrive = harness
        .succeed(&["dlq", "redrive", DEAD, "--dry-run", "--reason", masked])
        .await;
    assert!(redrive.contains("2 would be redriven to orders"), "{redrive}");
}

#[tokio::test(flavor = "multi_thread")]
async fn all_messages_of_a_large_queue_are_seen_and_released() {
    let harness = Harness::start().await;
    for n in 0..37 {
        harness.dead(&format!("k-{n}"), "wrong sum").await;
    }
    let json = listed(&harness, DEAD).await;
    assert_eq!((&json["seen"], &json["groups"][0]["count"]), (&json!(37), &json!(37)));
    assert!(harness.ids(DEAD).len() == 37 && harness.all_visible(DEAD));
}

#[tokio::test(flavor = "multi_thread")]
async fn ctrl_c_releases_every_message_and_exits_with_130() {
    let harness = Harness::start().await;
    let mut last = String::new();
    for n in 0..300 {
        last = harness.dead(&format!("k-{n}"), "wrong sum").await;
    }
    let done = run_with(
        &harness,
        "ReceiveMessage",
        2,
        Injection::Interrupted,
        &["dlq", "list", DEAD],
    )
    .await;
    assert_eq!(done.code, Some(130), "{done:?}");
    assert_eq!(harness.stack.sqs().deliveries(&last), 0);
    assert!(harness.ids(DEAD).len() == 300 && harness.all_visible(DEAD));
}

#[tokio::test(flavor = "multi_thread")]
async fn error_releases_every_message() {
    let harness = Harness::start().await;
    for n in 0..25 {
        harness.dead(&format!("k-{n}"), "wrong sum").await;
    }
    let done = run_with(
        &harness,
        "ReceiveMessage",
        2,
        Injection::Refused,
        &["dlq", "list", DEAD],
    )
    .await;
    assert_eq!(done.code, Some(1));
    assert!(done.err.contains("OverLimit: refused by the test"), "{done:?}");
    assert!(harness.all_visible(DEAD));
}

#[tokio::test(flavor = "multi_thread")]
async fn list_reports_that_message_groups_may_hide_messages() {
    let harness = Harness::start().await;
    harness.fifo_queues().await;
    for n in 0..12 {
        let mut message = dead("place-order", &format!("k-{n}"), "wrong sum");
        message["MessageGroupId"] = "g".into();
        message["MessageDeduplicationId"] = n.to_string().into();
        harness.send("line-dlq.fifo", &message).await;
    }
    let text = harness.succeed(&["dlq", "list", "line-dlq.fifo"]).await;
    assert!(
        text.contains("10 messages seen; at the start about 12 visible")
            && text.contains("may hold more than was seen"),
        "{text}"
    );
    assert!(harness.all_visible("line-dlq.fifo"));
}

#[tokio::test(flavor = "multi_thread")]
async fn list_warns_about_a_queue_with_a_redrive_policy() {
    let harness = Harness::start().await;
    let done = harness.operator(&["dlq", "list", "orders"]).await;
    assert_eq!(done.code, Some(0));
    assert!(
        done.err.starts_with("warning: orders has a redrive policy of its own"),
        "{done:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn missing_queue_is_named() {
    let harness = Harness::start().await;
    for command in ["list", "redrive"] {
        let done = harness.operator(&["dlq", command, "nowhere"]).await;
        let (start, queues) = done.err.split_once("; at ").unwrap();
        assert_eq!((done.code, start), (Some(1), "error: there is no queue nowhere"));
        let (_, queues) = queues.trim_end().split_once(" there are ").unwrap();
        let queues: Vec<_> = queues.split(", ").collect();
        assert!(queues.contains(&ORDERS) && queues.contains(&DEAD), "{queues:?}");
    }
    let done = harness.operator(&["dlq", "list", "order-dlq"]).await;
    assert!(
        done.err.contains("no queue order-dlq; did you mean orders-dlq?; at "),
        "{done:?}"
    );
}

/// A dead letter of a failure with a code.
fn coded(harness: &Harness, key: &str, code: &str, reason: &str) -> Value {
    let failure = json!({"reason": reason, "code": code, "function": "place-order", "receiveCount": 1});
    let mut message = dead_letter(&harness.stack, ORDERS, key);
    message["MessageAttributes"]["Consumer.Failure"] = text(&failure.to_string());
    message
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_with_a_code_form_one_group() {
    let harness = Harness::start().await;
    for (key, code, reason) in [
        ("k-1", "card-declined", "the card of Ada was declined"),
        ("k-2", "card-declined", "the card of Bob was declined"),
        ("k-3", "wrong-sum", "the card of Ada was declined"),
    ] {
        harness.send(DEAD, &coded(&harness, key, code, reason)).await;
    }
    let json = listed(&harness, DEAD).await;
    let groups = json["groups"].as_array().unwrap();
    let codes: Vec<_> = groups.iter().map(|group| (&group["code"], &group["count"])).collect();
    assert_eq!(
        codes,
        [(&json!("card-declined"), &json!(2)), (&json!("wrong-sum"), &json!(1))]
    );
    let list = harness.succeed(&["dlq", "list", DEAD]).await;
    assert!(list.contains("card-declined: the card of "), "{list}");
    let redrive = ["dlq", "redrive", DEAD, "--dry-run", "--reason", "card-declined"];
    let redrive = harness.succeed(&redrive).await;
    assert!(redrive.contains("2 would be redriven to orders"), "{redrive}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listed_code_and_reason_selects_its_group() {
    let harness = Harness::start().await;
    for (key, code) in [("k-1", "card-declined"), ("k-2", "wrong-sum")] {
        let message = coded(&harness, key, code, "the card for order o-1 was declined");
        harness.send(DEAD, &message).await;
    }
    let list = harness.succeed(&["dlq", "list", DEAD]).await;
    let line = "card-declined: the card for order o-1 was declined";
    assert!(list.contains(line), "{list}");
    for reason in [line, "card-declined: the card for order … was declined"] {
        let redrive = ["dlq", "redrive", DEAD, "--dry-run", "--reason", reason];
        let redrive = harness.succeed(&redrive).await;
        assert!(redrive.contains("1 would be redriven to orders"), "{redrive}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_message_is_shown_with_all() {
    let harness = Harness::start().await;
    let ids = [harness.dead("k-1", "sum 7").await, harness.dead("k-2", "sum 8").await];
    let one = harness.succeed(&["dlq", "list", DEAD]).await;
    assert!(
        one.contains("sum …") && ids.iter().filter(|id| one.contains(*id)).count() == 1,
        "{one}"
    );
    let all = harness.succeed(&["dlq", "list", DEAD, "--all"]).await;
    assert!(
        all.contains("sum 7") && all.contains("sum 8") && ids.iter().all(|id| all.contains(id)),
        "{all}"
    );
    let json = harness.succeed(&["dlq", "list", DEAD, "--all", "--json"]).await;
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["groups"].as_array().unwrap().len(), 2, "{json}");
}

#[tokio::test(flavor = "multi_thread")]
async fn record_of_a_moved_message_is_shown() {
    let harness = Harness::start().await;
    let [dead, rejected, _released] = [
        harness.moved("{}").await,
        harness.moved("{}").await,
        harness.moved("{}").await,
    ];
    let over = json!({"in_progress_expiration": {"N": "1700000000000"}});
    harness.record(&dead, "INPROGRESS", over);
    harness.record(&rejected, "REJECTED", json!({"reason": {"S": "wrong sum"}}));
    let without = harness.succeed(&["dlq", "list", DEAD]).await;
    assert!(
        without.contains("Pass --namespace NAME") && !without.contains("record INPROGRESS"),
        "{without}"
    );
    let with = ["dlq", "list", DEAD, "--namespace", "place-order", "--json"];
    let json: Value = serde_json::from_str(&harness.succeed(&with).await).unwrap();
    let groups = json["groups"].as_array().unwrap();
    let records: Vec<_> = groups
        .iter()
        .map(|group| group["example"]["record"].as_str().unwrap())
        .collect();
    assert_eq!(records.len(), 3, "{records:?}");
    for start in [
        "INPROGRESS, lease ended 2023-11-14T22:13:20Z, ",
        "REJECTED: wrong sum",
        "none: its last attempt failed and released the key",
    ] {
        assert!(records.iter().any(|record| record.starts_with(start)), "{records:?}");
    }
    assert!(
        groups
            .iter()
            .all(|group| group["reason"] == "moved by the redrive policy")
    );
    let text = harness.succeed(&with[..5]).await;
    assert!(
        text.contains("no reason is recorded: its process ended before it could record one"),
        "{text}"
    );
    assert!(!text.contains("Pass --namespace"), "{text}");
    let inspected = harness.succeed(&["inspect", &format!("place-order#{dead}")]).await;
    assert!(
        inspected.contains("status       INPROGRESS: no reason is recorded: its process ended"),
        "{inspected}"
    );
    assert!(harness.all_visible(DEAD));
}

/// SQS's own redrive keeps the attributes of a dead letter.
#[tokio::test(flavor = "multi_thread")]
async fn rejection_from_before_a_move_by_sqs_is_no_reason() {
    let harness = Harness::start().await;
    harness.send(ORDERS, &dead_letter(&harness.stack, ORDERS, "k-1")).await;
    harness.moves(ORDERS).await;
    let json = listed(&harness, DEAD).await;
    let group = &json["groups"][0];
    assert_eq!(
        (&group["reason"], &group["function"], &group["example"]["key"]),
        (
            &json!("moved by the redrive policy"),
            &json!("place-order"),
            &json!("k-1")
        )
    );
}
