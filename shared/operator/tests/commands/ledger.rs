//! `inspect` and `unlock`.

use std::sync::Arc;

use emulator::dynamodb::{Fault, FaultKind};
use idempotency::{Key, Timestamp};
use serde_json::{Value, json};

use crate::harness::{DEAD, Harness, put, record};

fn number(value: u64) -> Value {
    json!({"N": value.to_string()})
}

/// The end of a lease, in seconds from now.
fn lease(seconds: i64) -> Value {
    let now = i64::try_from(Timestamp::now().millis()).unwrap();
    json!({"in_progress_expiration": number(u64::try_from(now + seconds * 1000).unwrap())})
}

#[tokio::test(flavor = "multi_thread")]
async fn inspect_shows_every_attribute_of_a_record() {
    let harness = Harness::start().await;
    let mut more = lease(3600);
    more["validation"] = json!({"S": "f-1"});
    more["outgoing"] = json!({"S": r#"[{"queue":"mails"}]"#});
    more["colour"] = json!({"S": "red\u{1b}[31m"});
    harness.record("m-1", "INPROGRESS", more);
    let output = harness.succeed(&["inspect", "place-order#m-1"]).await;
    for line in [
        "record       place-order#m-1",
        "status       INPROGRESS: its holder is processing it, or has died",
        "owner        some-owner",
        "fingerprint  f-1",
        "colour       red\\u{1b}[31m",
    ] {
        assert!(
            output.lines().any(|output| output == line),
            "{line} is missing:\n{output}"
        );
    }
    assert!(
        output.contains(", in 59 min 5") && output.contains("expires      2100-01-01T00:00:00Z, in "),
        "{output}"
    );
    assert!(output.contains("\"queue\": \"mails\""), "{output}");
}

#[tokio::test(flavor = "multi_thread")]
async fn inspect_shows_the_result_or_the_reason() {
    let harness = Harness::start().await;
    harness.record("done", "COMPLETED", json!({"data": {"S": "{\"total\":7}"}}));
    harness.record("never", "REJECTED", json!({"reason": {"S": "wrong sum"}}));
    let done = harness.succeed(&["inspect", "place-order#done"]).await;
    assert!(
        done.contains("COMPLETED: done") && done.contains("data         {\"total\":7}"),
        "{done}"
    );
    let never = harness.succeed(&["inspect", "place-order#never"]).await;
    assert!(
        never.contains("REJECTED: failed permanently") && never.contains("reason       wrong sum"),
        "{never}"
    );

    let json: Value =
        serde_json::from_str(&harness.succeed(&["inspect", "--json", "place-order#never"]).await).unwrap();
    let expected = json!({
        "id": "place-order#never", "status": "REJECTED", "owner": "some-owner", "expiration": 4_102_444_800_u64,
        "reason": "wrong sum",
    });
    assert_eq!(json, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn missing_record_is_an_error() {
    let harness = Harness::start().await;
    for command in [&["inspect"][..], &["unlock"], &["outgoing", "resend"]] {
        let done = harness.operator(&[command, &["place-order#m-1"]].concat()).await;
        assert_eq!(done.code, Some(1));
        assert!(
            done.err
                .starts_with("error: there is no record place-order#m-1 in table idempotency"),
            "{done:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn missing_table_is_reported_before_any_other_request() {
    let harness = Harness::start().await;
    let id = harness.dead("k-1", "wrong sum").await;
    for arguments in [
        &["inspect", "place-order#m-1"][..],
        &["unlock", "place-order#m-1"],
        &["outgoing", "resend", "place-order#m-1"],
        &["dlq", "redrive", DEAD],
        &["dlq", "redrive", DEAD, "--dry-run"],
        &["dlq", "redrive", DEAD, "--yes"],
    ] {
        let done = harness.operator(&[arguments, &["--table", "nowhere"]].concat()).await;
        let expected = "error: there is no table nowhere: pass the ledger's table, such as prod-idempotency, with --table or \
                    IDEMPOTENCY_TABLE\n";
        assert_eq!(
            (done.code, done.out.as_str(), done.err.as_str()),
            (Some(1), "", expected),
            "{arguments:?}"
        );
    }
    assert_eq!((harness.stack.sqs().deliveries(&id), harness.ids(DEAD)), (0, vec![id]));
}

#[tokio::test(flavor = "multi_thread")]
async fn inspect_shows_the_idempotency_token() {
    let harness = Harness::start().await;
    harness.record("m-1", "COMPLETED", json!({}));
    let output = harness.succeed(&["inspect", "place-order#m-1"]).await;
    let token = Key::new("place-order", "m-1").unwrap().token();
    let line = format!("token        {token}");
    assert!(
        output.lines().any(|output| output == line),
        "{line} is missing:\n{output}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn unlock_deletes_a_claim_and_reports_its_lease() {
    let harness = Harness::start().await;
    for (key, end, expected) in [
        ("alive", 3600, "its lease ends in 59 min 5"),
        ("dead", -60, "its lease is over"),
    ] {
        harness.record(key, "INPROGRESS", lease(end));
        let done = harness
            .operator(&["unlock", &format!("place-order#{key}"), "--yes"])
            .await;
        assert_eq!(done.code, Some(0), "{done:?}");
        assert!(
            done.err.contains("the work is done twice") && done.err.contains(expected),
            "{done:?}"
        );
        assert!(done.out.ends_with(&format!("unlocked place-order#{key}\n")), "{done:?}");
    }
    assert!(harness.statuses().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn unlock_refuses_a_completed_record() {
    let harness = Harness::start().await;
    harness.record("m-1", "COMPLETED", json!({}));
    let done = harness.operator(&["unlock", "place-order#m-1", "--yes"]).await;
    assert_eq!(done.code, Some(1));
    assert!(
        done.err.contains("cannot unlock place-order#m-1: it is COMPLETED")
            && done
                .err
                .ends_with("are sent when its message is delivered again, or by `operator outgoing resend`\n"),
        "{done:?}"
    );
    assert_eq!(harness.statuses()["place-order#m-1"], "COMPLETED");
}

#[tokio::test(flavor = "multi_thread")]
async fn unlock_deletes_a_rejection_after_confirmation() {
    let harness = Harness::start().await;
    harness.record("order-1", "REJECTED", json!({"reason": {"S": "wrong sum"}}));
    let unlock = ["unlock", "place-order#order-1"];
    let refused = harness.operator(&unlock).await;
    assert!(refused.code == Some(1) && refused.err.contains("--yes"), "{refused:?}");
    assert_eq!(harness.statuses()["place-order#order-1"], "REJECTED");
    let done = harness.operator(&[&unlock[..], &["--yes"]].concat()).await;
    assert_eq!(done.code, Some(0), "{done:?}");
    assert!(
        done.out.contains("reason       wrong sum")
            && done.err.contains("the next message with this key is processed again"),
        "{done:?}"
    );
    assert!(harness.statuses().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn record_that_changed_after_it_was_shown_is_kept() {
    let another = json!({"owner": {"S": "another"}, "in_progress_expiration": number(1)});
    let changes = [
        ("INPROGRESS", record("m-1", "INPROGRESS", another.clone())),
        (
            "INPROGRESS",
            record("m-1", "INPROGRESS", json!({"in_progress_expiration": number(2)})),
        ),
        (
            "INPROGRESS",
            record("m-1", "COMPLETED", json!({"in_progress_expiration": number(1)})),
        ),
        ("REJECTED", record("m-1", "REJECTED", another.clone())),
        ("REJECTED", record("m-1", "INPROGRESS", another)),
    ];
    for (shown, changed) in changes {
        let harness = Harness::start().await;
        harness.record("m-1", shown, json!({"in_progress_expiration": number(1)}));
        let (dynamodb, item) = (Arc::clone(harness.stack.dynamodb()), changed.clone());
        harness.stack.dynamodb().inject(Fault {
            operation: "GetItem".to_owned(),
            containing: Some("m-1".to_owned()),
            times: 1,
            kind: FaultKind::AfterApply(Box::new(move |_, _| put(&dynamodb, &item))),
        });
        let done = harness.operator(&["unlock", "place-order#m-1", "--yes"]).await;
        assert_eq!(done.code, Some(1));
        assert!(done.err.contains("has changed since it was shown"), "{done:?}");
        assert_eq!(harness.stack.dynamodb().scan("idempotency"), [changed]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn unlock_succeeds_although_the_reply_is_lost() {
    let harness = Harness::start().await;
    harness.record("m-1", "INPROGRESS", lease(-60));
    harness.stack.dynamodb().inject(Fault {
        operation: "DeleteItem".to_owned(),
        containing: None,
        times: 1,
        kind: FaultKind::LoseReply,
    });
    harness.succeed(&["unlock", "place-order#m-1", "--yes"]).await;
    assert!(harness.statuses().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_terminal_confirmation_needs_yes() {
    let harness = Harness::start().await;
    harness.record("m-1", "INPROGRESS", lease(-60));
    let outgoing = json!([{"queue_url": harness.url("orders"), "body": "b", "key": "k"}]);
    harness.record("m-3", "COMPLETED", json!({"outgoing": {"S": outgoing.to_string()}}));
    let message = harness.dead("m-2", "wrong sum").await;
    for arguments in [
        &["unlock", "place-order#m-1"][..],
        &["outgoing", "resend", "place-order#m-3"],
        &["dlq", "redrive", "orders-dlq"],
    ] {
        let done = harness.operator(arguments).await;
        assert_eq!(done.code, Some(1));
        assert!(
            done.err.contains("error: confirmation required") && done.err.contains("--yes"),
            "{done:?}"
        );
    }
    assert_eq!(harness.statuses().len(), 2);
    assert_eq!(harness.ids("orders-dlq"), [message]);
    assert!(harness.ids("orders").is_empty());
}
