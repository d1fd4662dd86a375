//! `GET /orders/LOCATION`.

use axum::http::StatusCode;
use idempotency::{Key, OwnerToken, Record, Status, StoreError, Timestamp};
use serde_json::{Value, json};

use super::consume::DEAD_LETTERS;
use super::harness::{ADA, BOB, Harness, Shared, application, get, order, send};
use crate::location::Location;
use crate::records::Records;
use crate::show::Progress;

async fn shown(harness: &Harness, caller: &str, location: &str) -> Value {
    let answered = harness.get(caller, location).await;
    assert_eq!(answered.status, StatusCode::OK, "{answered:?}");
    assert_eq!(answered.header("retry-after"), None);
    assert_eq!(answered.header("cache-control"), Some("no-store"));
    answered.body
}

async fn assert_pending(harness: &Harness, caller: &str, location: &str) {
    let answered = harness.get(caller, location).await;
    assert_eq!(answered.status, StatusCode::ACCEPTED, "{answered:?}");
    assert_eq!(answered.body, json!({"status": "pending"}));
    assert_eq!(answered.header("retry-after"), Some("2"));
}

#[tokio::test(start_paused = true)]
async fn an_order_is_pending_until_it_is_done_with_its_result() {
    let harness = Harness::default();
    let location = harness.accepted(ADA, "k-1", &order("o-1", "eve")).await;
    assert_pending(&harness, ADA, &location).await;
    harness.consume().await;
    let done = json!({"status": "done", "result": {"order": "ada/o-1"}});
    assert_eq!(shown(&harness, ADA, &location).await, done);
}

#[tokio::test(start_paused = true)]
async fn an_order_that_was_never_sent_looks_pending() {
    assert_pending(&Harness::default(), ADA, "/orders/0123456789abcdef-k-1").await;
}

#[tokio::test(start_paused = true)]
async fn a_rejection_shows_its_code_and_never_its_text() {
    let harness = Harness::default();
    let with_code = harness.accepted(ADA, "k-1", &order("o-1", "rejected with code")).await;
    let without = harness.accepted(ADA, "k-2", &order("o-2", "rejected")).await;
    harness.consume().await;
    let rejected = |reason: &str| json!({"status": "rejected", "reason": reason});
    assert_eq!(shown(&harness, ADA, &with_code).await, rejected("card-declined"));
    assert_eq!(shown(&harness, ADA, &without).await, rejected("unspecified"));
    let record = harness.store.0.record(&Key::new("place-order", "ada/k-2").unwrap());
    assert!(
        record.unwrap().reason.unwrap().contains("123456789012"),
        "nothing to hide"
    );
}

#[tokio::test(start_paused = true)]
async fn two_callers_with_one_key_have_two_orders() {
    let harness = Harness::default();
    let of_ada = harness.accepted(ADA, "k-1", &order("o-1", "eve")).await;
    harness.consume().await;
    // The path names no caller, so Bob reads what is his: nothing, as if nobody had sent anything.
    assert_pending(&harness, BOB, &of_ada).await;
    let of_bob = harness.accepted(BOB, "k-1", &order("o-1", "eve")).await;
    assert_pending(&harness, BOB, &of_bob).await;
    harness.consume().await;
    for (caller, location, id) in [(ADA, &of_ada, "ada/o-1"), (BOB, &of_bob, "bob/o-1")] {
        assert_eq!(shown(&harness, caller, location).await["result"]["order"], id);
    }
    assert!(harness.queues.0.sent(DEAD_LETTERS).is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_location_needs_its_callers_token() {
    let harness = Harness::default();
    let location = harness.accepted(ADA, "k-1", &order("o-1", "eve")).await;
    harness.consume().await;
    for token in ["", "Bearer", "Bearer ", "Bearer ada"] {
        harness.get(token, &location).await.problem(401);
    }
}

#[tokio::test(start_paused = true)]
async fn a_repeated_request_is_one_order() {
    let harness = Harness::default();
    let first = harness.accepted(ADA, "k-1", &order("o-1", "eve")).await;
    let again = harness.accepted(ADA, "k-1", &order("o-1", "eve")).await;
    assert_eq!(first, again);
    assert_eq!(harness.sent().len(), 2);
    harness.consume().await;
    assert_eq!(shown(&harness, ADA, &first).await["status"], "done");
    // The second message was a duplicate, and no error.
    assert!(harness.queues.0.sent(DEAD_LETTERS).is_empty());
}

/// Promise 8.
#[tokio::test(start_paused = true)]
async fn a_key_used_for_another_order_shows_as_rejected() {
    let harness = Harness::default();
    let first = harness.accepted(ADA, "k-1", &order("o-1", "eve")).await;
    let other = harness.accepted(ADA, "k-1", &order("o-2", "eve")).await;
    assert_ne!(first, other);
    harness.consume().await;
    assert_eq!(shown(&harness, ADA, &first).await["result"]["order"], "ada/o-1");
    let reused = json!({"status": "rejected", "reason": "idempotency-key-reused"});
    assert_eq!(shown(&harness, ADA, &other).await, reused);
    let [dead_letter] = harness.queues.0.sent(DEAD_LETTERS).try_into().unwrap();
    assert!(dead_letter.body.contains("ada/o-2"), "{}", dead_letter.body);
}

#[tokio::test(start_paused = true)]
async fn any_legal_key_is_found_again_at_its_location() {
    let harness = Harness::default();
    for key in ["../a", "..", "a/b?c=d#e", "100%25", "a+b", "{x}|^`", &"k".repeat(255)] {
        let location = harness.accepted(ADA, key, &order("o-1", "eve")).await;
        harness.consume().await;
        let answered = harness.get(ADA, &location).await;
        assert_eq!(answered.status, 200, "{key} at {location}");
    }
}

fn record(status: Status, now: Timestamp) -> Record {
    Record {
        status,
        owner: Some(OwnerToken::from("t".to_owned())),
        lease_end: None,
        expiration_seconds: now.seconds(),
        fingerprint: Some("0123456789abcdef0123".to_owned()),
        data: Some("not JSON".to_owned()),
        outgoing: Vec::new(),
        reason: None,
    }
}

#[test]
fn only_a_final_record_that_has_not_expired_is_an_end() {
    let (now, location) = (Timestamp::now(), Location::parse("0123456789abcdef-k").unwrap());
    let progress = |record: Record, now| Progress::of(Some(record), &location, now);
    let done = Progress::Done {
        result: Some("not JSON".into()),
    };
    assert_eq!(progress(record(Status::Completed, now), now), done);
    let later = Timestamp::from_millis((now.seconds() + 1) * 1000);
    assert_eq!(progress(record(Status::Completed, now), later), Progress::Pending);
    assert_eq!(progress(record(Status::InProgress, now), now), Progress::Pending);
    // Its holder may give up, and this order may be next.
    let of_other = Record {
        fingerprint: Some("other".to_owned()),
        ..record(Status::InProgress, now)
    };
    assert_eq!(progress(of_other, now), Progress::Pending);
}

/// A ledger that fails, or never answers.
struct Broken {
    hangs: bool,
}

impl Records for Broken {
    async fn read(&self, _: &Key) -> Result<Option<Record>, StoreError> {
        match self.hangs {
            true => std::future::pending().await,
            false => Err(StoreError::Refused("no table inside-ledger".into())),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_ledger_that_is_down_is_unavailable() {
    for hangs in [false, true] {
        let queues = Shared::<consumer::MemoryQueues>::default();
        let router = application(queues, Broken { hangs });
        let answered = send(&router, get(ADA, "/orders/0123456789abcdef-k-1")).await;
        assert_eq!(answered.problem(503), "the state of the order can't be read now");
        assert_eq!(answered.header("retry-after"), Some("5"));
    }
}

#[tokio::test(start_paused = true)]
async fn orders_are_accepted_while_the_ledger_is_down() {
    let queues = Shared::<consumer::MemoryQueues>::default();
    let router = application(queues, Broken { hangs: true });
    let request = super::harness::post(ADA, "k-1", &order("o-1", "eve"));
    assert_eq!(send(&router, request).await.status, 202);
}
