//! The permissions that a person on call needs, as the crate's README lists them.

use std::collections::BTreeSet;

use serde_json::json;

use crate::harness::{DEAD, Harness, done, operator};

/// The actions on each queue and table that a command requests.
async fn requested(harness: &Harness, arguments: &[&str]) -> BTreeSet<String> {
    let mut operator = operator(arguments);
    operator.env("AWS_ENDPOINT_URL", harness.stack.endpoint());
    for (name, value) in [
        ("AWS_ACCESS_KEY_ID", "any"),
        ("AWS_SECRET_ACCESS_KEY", "any"),
        // The stack records it as the caller.
        ("AWS_SESSION_TOKEN", &arguments.join(" ")),
    ] {
        operator.env(name, value);
    }
    let done = done(operator.spawn().unwrap()).await;
    assert_eq!(done.code, Some(0), "{done:?}");
    let calls = harness.stack.calls().into_iter();
    let calls = calls.filter(|call| call.function == arguments.join(" "));
    calls
        .map(|call| format!("{} {}", call.action, call.resource).trim().to_owned())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_need_exactly_the_permissions_in_the_readme() {
    let (_, listed) = include_str!("../../README.md")
        .split_once("commands need these permissions")
        .unwrap();
    let (listed, _) = listed.split_once("\n## ").unwrap();
    let listed = |command: &str| {
        let row = listed
            .lines()
            .find_map(|line| line.strip_prefix(&format!("| `{command}` |")));
        actions(row.unwrap())
    };
    let harness = Harness::start().await;
    harness.record("k-0", "REJECTED", json!({}));
    for key in ["k-1", "k-2"] {
        harness.record(key, "REJECTED", json!({}));
        harness.dead(key, "wrong sum").await;
    }
    let list = ["ChangeMessageVisibility", "GetQueueAttributes", "ReceiveMessage"];
    let list = list.map(|action| format!("sqs:{action} {DEAD}"));
    let list = list.into_iter().chain(["sqs:GetQueueUrl".to_owned()]);
    let list: BTreeSet<_> = list.collect();
    let records = ["DeleteItem", "GetItem"].map(|action| format!("dynamodb:{action} idempotency"));
    let more = [
        "sqs:ListDeadLetterSourceQueues orders-dlq",
        "sqs:DeleteMessage orders-dlq",
        "sqs:SendMessage orders",
    ];
    let redrive = list
        .iter()
        .cloned()
        .chain(more.map(str::to_owned))
        .chain(records.clone());
    let outgoing = json!([{"queue_url": "gone", "body": "b", "key": "k"}]);
    harness.record("m-1", "COMPLETED", json!({"outgoing": {"S": outgoing.to_string()}}));
    let resend = [
        "dynamodb:GetItem idempotency",
        "dynamodb:UpdateItem idempotency",
        "sqs:GetQueueUrl",
        "sqs:SendMessage notifications",
    ];
    for (arguments, needed, listed) in [
        (
            &["inspect", "place-order#k-0"][..],
            BTreeSet::from([records[1].clone()]),
            listed("inspect"),
        ),
        (
            &["unlock", "place-order#k-0", "--yes"],
            records.into(),
            listed("unlock"),
        ),
        (
            &[
                "outgoing",
                "resend",
                "place-order#m-1",
                "--to",
                "notifications",
                "--yes",
            ],
            resend.map(str::to_owned).into(),
            listed("outgoing resend"),
        ),
        (&["dlq", "list", DEAD], list.clone(), listed("dlq list")),
        // One message is released.
        (
            &[
                "dlq",
                "redrive",
                DEAD,
                "--yes",
                "--limit",
                "1",
                "--function",
                "place-order",
            ],
            redrive.collect(),
            // The row refers to the one above it: "these and".
            &listed("dlq list") | &listed("dlq redrive"),
        ),
    ] {
        assert_eq!(requested(&harness, arguments).await, needed, "{arguments:?}");
        let needed = needed.iter().map(|call| call.split([':', ' ']).nth(1).unwrap());
        assert_eq!(listed, needed.map(str::to_owned).collect(), "{arguments:?}");
    }
}

/// The actions that a row of the table names.
fn actions(row: &str) -> BTreeSet<String> {
    let named = row.split('`').skip(1).step_by(2);
    named.filter(|word| !word.starts_with('-')).map(str::to_owned).collect()
}
