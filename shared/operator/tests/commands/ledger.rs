//! Looking at records, and unlocking them.

use std::sync::Arc;

use emulator::dynamodb::{Fault, FaultKind};
use idempotency::{Key, Timestamp};
use serde_json::{Value, json};

use crate::stage::{DEAD, Stage, put, record};

fn number(value: u64) -> Value {
    json!({"N": value.to_string()})
}

/// The end of a lease so many seconds from now.
fn lease(seconds: i64) -> Value {
    let now = i64::try_from(Timestamp::now().millis()).unwrap();
    json!({"in_progress_expiration": number(u64::try_from(now + seconds * 1000).unwrap())})
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_is_shown_with_all_that_it_says() {
    let stage = Stage::start().await;
    let mut more = lease(3600);
    more["validation"] = json!({"S": "f-1"});
    more["outgoing"] = json!({"S": r#"[{"queue":"mails"}]"#});
    more["colour"] = json!({"S": "red\u{1b}[31m"});
    stage.record("m-1", "INPROGRESS", more);
    let said = stage.said(&["inspect", "place-order#m-1"]).await;
    for line in [
        "record       place-order#m-1",
        "status       INPROGRESS: somebody works on it, or died over it",
        "owner        some-owner",
        "fingerprint  f-1",
        "colour       red\\u{1b}[31m",
    ] {
        assert!(said.lines().any(|said| said == line), "{line} is missing:\n{said}");
    }
    assert!(
        said.contains(", in 59 min 5") && said.contains("expires      2100-01-01T00:00:00Z, in "),
        "{said}"
    );
    assert!(said.contains("\"queue\": \"mails\""), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_done_shows_its_result_and_what_is_rejected_its_reason() {
    let stage = Stage::start().await;
    stage.record("done", "COMPLETED", json!({"data": {"S": "{\"total\":7}"}}));
    stage.record("never", "REJECTED", json!({"reason": {"S": "wrong sum"}}));
    let done = stage.said(&["inspect", "place-order#done"]).await;
    assert!(
        done.contains("COMPLETED: done") && done.contains("data         {\"total\":7}"),
        "{done}"
    );
    let never = stage.said(&["inspect", "place-order#never"]).await;
    assert!(
        never.contains("REJECTED: it can never be done") && never.contains("reason       wrong sum"),
        "{never}"
    );

    let json: Value = serde_json::from_str(&stage.said(&["inspect", "--json", "place-order#never"]).await).unwrap();
    let expected = json!({
        "id": "place-order#never", "status": "REJECTED", "owner": "some-owner", "expiration": 4_102_444_800_u64,
        "reason": "wrong sum",
    });
    assert_eq!(json, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_without_a_record_is_told_so() {
    let stage = Stage::start().await;
    for command in ["inspect", "unlock"] {
        let done = stage.operator(&[command, "place-order#m-1"]).await;
        assert_eq!(done.code, Some(1));
        assert!(
            done.err
                .starts_with("error: there is no record place-order#m-1 in table idempotency"),
            "{done:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_is_not_there_is_told_before_anything_is_asked_or_touched() {
    let stage = Stage::start().await;
    let id = stage.dead("k-1", "wrong sum").await;
    for arguments in [
        &["inspect", "place-order#m-1"][..],
        &["unlock", "place-order#m-1"],
        &["dlq", "redrive", DEAD],
        &["dlq", "redrive", DEAD, "--dry-run"],
        &["dlq", "redrive", DEAD, "--yes"],
    ] {
        let done = stage.operator(&[arguments, &["--table", "nowhere"]].concat()).await;
        let told = "error: there is no table nowhere: name the ledger's with --table, such as prod-idempotency, or with \
                    IDEMPOTENCY_TABLE\n";
        assert_eq!(
            (done.code, done.out.as_str(), done.err.as_str()),
            (Some(1), "", told),
            "{arguments:?}"
        );
    }
    assert_eq!((stage.stack.sqs().deliveries(&id), stage.ids(DEAD)), (0, vec![id]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_is_shown_with_the_token_that_receivers_got() {
    let stage = Stage::start().await;
    stage.record("m-1", "COMPLETED", json!({}));
    let said = stage.said(&["inspect", "place-order#m-1"]).await;
    let token = Key::new("place-order", "m-1").unwrap().token();
    let line = format!("token        {token}");
    assert!(said.lines().any(|said| said == line), "{line} is missing:\n{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn unlocking_deletes_a_claim_and_says_what_of_its_lease_was_left() {
    let stage = Stage::start().await;
    for (key, end, told) in [
        ("alive", 3600, "its lease holds for another 59 min 5"),
        ("dead", -60, "its lease is over"),
    ] {
        stage.record(key, "INPROGRESS", lease(end));
        let done = stage
            .operator(&["unlock", &format!("place-order#{key}"), "--yes"])
            .await;
        assert_eq!(done.code, Some(0), "{done:?}");
        assert!(
            done.err.contains("its work is done twice") && done.err.contains(told),
            "{done:?}"
        );
        assert!(done.out.ends_with(&format!("unlocked place-order#{key}\n")), "{done:?}");
    }
    assert!(stage.statuses().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_done_is_not_unlocked() {
    let stage = Stage::start().await;
    stage.record("m-1", "COMPLETED", json!({}));
    let done = stage.operator(&["unlock", "place-order#m-1", "--yes"]).await;
    assert_eq!(done.code, Some(1));
    assert!(
        done.err.contains("place-order#m-1 is COMPLETED, and not locked")
            && done
                .err
                .ends_with("its outgoing messages, if any are left, are sent with its next delivery\n"),
        "{done:?}"
    );
    assert_eq!(stage.statuses()["place-order#m-1"], "COMPLETED");
}

#[tokio::test(flavor = "multi_thread")]
async fn unlocking_deletes_a_rejection_once_it_is_confirmed() {
    let stage = Stage::start().await;
    stage.record("order-1", "REJECTED", json!({"reason": {"S": "wrong sum"}}));
    let unlock = ["unlock", "place-order#order-1"];
    let asked = stage.operator(&unlock).await;
    assert!(asked.code == Some(1) && asked.err.contains("--yes"), "{asked:?}");
    assert_eq!(stage.statuses()["place-order#order-1"], "REJECTED");
    let done = stage.operator(&[&unlock[..], &["--yes"]].concat()).await;
    assert_eq!(done.code, Some(0), "{done:?}");
    assert!(
        done.out.contains("reason       wrong sum") && done.err.contains("the next delivery under this key is worked"),
        "{done:?}"
    );
    assert!(stage.statuses().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_changed_after_it_was_shown_is_left() {
    let anothers = json!({"owner": {"S": "another"}, "in_progress_expiration": number(1)});
    let changes = [
        ("INPROGRESS", record("m-1", "INPROGRESS", anothers.clone())),
        (
            "INPROGRESS",
            record("m-1", "INPROGRESS", json!({"in_progress_expiration": number(2)})),
        ),
        (
            "INPROGRESS",
            record("m-1", "COMPLETED", json!({"in_progress_expiration": number(1)})),
        ),
        ("REJECTED", record("m-1", "REJECTED", anothers.clone())),
        ("REJECTED", record("m-1", "INPROGRESS", anothers)),
    ];
    for (shown, changed) in changes {
        let stage = Stage::start().await;
        stage.record("m-1", shown, json!({"in_progress_expiration": number(1)}));
        let (dynamodb, item) = (Arc::clone(stage.stack.dynamodb()), changed.clone());
        stage.stack.dynamodb().inject(Fault {
            operation: "GetItem".to_owned(),
            containing: Some("m-1".to_owned()),
            times: 1,
            kind: FaultKind::AfterApply(Box::new(move |_, _| put(&dynamodb, &item))),
        });
        let done = stage.operator(&["unlock", "place-order#m-1", "--yes"]).await;
        assert_eq!(done.code, Some(1));
        assert!(done.err.contains("has changed since it was shown"), "{done:?}");
        assert_eq!(stage.stack.dynamodb().scan("idempotency"), [changed]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_whose_reply_is_lost_is_still_a_success() {
    let stage = Stage::start().await;
    stage.record("m-1", "INPROGRESS", lease(-60));
    stage.stack.dynamodb().inject(Fault {
        operation: "DeleteItem".to_owned(),
        containing: None,
        times: 1,
        kind: FaultKind::LoseReply,
    });
    stage.said(&["unlock", "place-order#m-1", "--yes"]).await;
    assert!(stage.statuses().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_terminal_nothing_is_done_unasked() {
    let stage = Stage::start().await;
    stage.record("m-1", "INPROGRESS", lease(-60));
    let message = stage.dead("m-2", "wrong sum").await;
    for arguments in [&["unlock", "place-order#m-1"][..], &["dlq", "redrive", "orders-dlq"]] {
        let done = stage.operator(arguments).await;
        assert_eq!(done.code, Some(1));
        assert!(
            done.err.contains("error: nobody to ask") && done.err.contains("--yes"),
            "{done:?}"
        );
    }
    assert_eq!(stage.statuses().len(), 1);
    assert_eq!(stage.ids("orders-dlq"), [message]);
}
