//! Faults of the network and of a busy table, injected into the local stack.
//!
//! Promise 4: the SDK repeats a request without a reply by itself, then the ledger does, and the answer must be the first one's.

use std::time::Duration;

use aws_sdk_dynamodb::types::{AttributeValue, Update};
use emulator::dynamodb::{Fault, FaultKind};
use idempotency::{
    Answer, Claim, Completion, DynamoDbStore, DynamoDbWrite, Ledger, Refusal, Settled, StoreError, TooLarge,
};
use tokio::time::Instant;

use crate::dynamodb::DynamoDb;
use crate::failures::chain;
use crate::store::{
    AFTER_LEASE, EFFECTS, NOW, Shows, UnderTest, attempt, complete, effect, fresh_key, lease, reject, release, soon,
};

async fn store_with(operation: &str, times: u32, fault: fn() -> FaultKind) -> DynamoDb {
    let store = DynamoDb::local().await;
    inject(&store, operation, times, fault());
    store
}

fn inject(store: &DynamoDb, operation: &str, times: u32, kind: FaultKind) {
    store.emulation().inject(Fault {
        operation: operation.to_owned(),
        containing: None,
        times,
        kind,
    });
}

#[tokio::test]
async fn a_claim_whose_reply_is_lost_is_granted() {
    let _shows = Shows("promise 4");
    let store = store_with("PutItem", 1, || FaultKind::LoseReply).await;
    let claim = store.ledger().claim(&attempt(&fresh_key(), NOW), soon()).await.unwrap();
    assert!(matches!(claim, Claim::Granted(_)), "{claim:?}");
}

#[tokio::test]
async fn a_completion_whose_reply_is_lost_is_done() {
    let _shows = Shows("promise 4");
    let store = DynamoDb::local().await;
    let held = lease(store.ledger(), attempt(&fresh_key(), NOW)).await;
    inject(&store, "PutItem", 1, FaultKind::LoseReply);
    assert_eq!(complete(store.ledger(), held, Completion::new()).await, Answer::Applied);
}

#[tokio::test]
async fn transactions_whose_reply_is_lost_apply_their_writes_once() {
    let _shows = Shows("promises 4 and 6");
    let store = DynamoDb::local().await;
    let (claimed, committed) = (attempt(&fresh_key(), NOW), attempt(&fresh_key(), NOW));
    let (first, second) = (
        claimed.key().record_id().to_owned(),
        committed.key().record_id().to_owned(),
    );

    let held = lease(store.ledger(), claimed).await;
    inject(&store, "TransactWriteItems", 1, FaultKind::LoseReply);
    let completion = Completion::new().write(effect(&first));
    assert_eq!(complete(store.ledger(), held, completion).await, Answer::Applied);

    inject(&store, "TransactWriteItems", 1, FaultKind::LoseReply);
    let completion = Completion::new().write(effect(&second));
    assert_eq!(complete(store.ledger(), committed, completion).await, Answer::Applied);
    assert_eq!((store.effects(&first).await, store.effects(&second).await), (1, 1));
}

#[tokio::test]
async fn releases_and_rejections_whose_reply_is_lost_are_done() {
    let _shows = Shows("promise 4");
    let store = DynamoDb::local().await;
    let held = lease(store.ledger(), attempt(&fresh_key(), NOW)).await;
    inject(&store, "DeleteItem", 1, FaultKind::LoseReply);
    assert_eq!(release(store.ledger(), held).await, Answer::Applied);

    let held = lease(store.ledger(), attempt(&fresh_key(), NOW)).await;
    inject(&store, "PutItem", 1, FaultKind::LoseReply);
    assert_eq!(reject(store.ledger(), held, "why").await, Answer::Applied);

    inject(&store, "PutItem", 1, FaultKind::LoseReply);
    assert_eq!(
        reject(store.ledger(), attempt(&fresh_key(), NOW), "why").await,
        Answer::Applied
    );
}

#[tokio::test]
async fn lost_throttled_and_failed_requests_are_sent_again() {
    let _shows = Shows("promise 4");
    for fault in [
        || FaultKind::LoseRequest,
        || FaultKind::Throttle,
        || FaultKind::ServerError,
    ] {
        let store = store_with("PutItem", 2, fault).await;
        let claim = store.ledger().claim(&attempt(&fresh_key(), NOW), soon()).await.unwrap();
        assert!(matches!(claim, Claim::Granted(_)), "{claim:?}");
    }
}

#[tokio::test]
async fn conflicts_are_repeated_until_the_change_is_applied() {
    let _shows = Shows("promise 4");
    let store = store_with("PutItem", 3, || FaultKind::Conflict).await;
    let held = lease(store.ledger(), attempt(&fresh_key(), NOW)).await;
    let (name, completion) = ("conflict", || Completion::new().write(effect("conflict")));
    inject(&store, "TransactWriteItems", 3, FaultKind::Conflict);
    assert_eq!(complete(store.ledger(), held, completion()).await, Answer::Applied);
    inject(&store, "TransactWriteItems", 3, FaultKind::Conflict);
    let committed = attempt(&fresh_key(), NOW);
    assert_eq!(complete(store.ledger(), committed, completion()).await, Answer::Applied);
    assert_eq!(store.effects(name).await, 2);
    let held = lease(store.ledger(), attempt(&fresh_key(), NOW)).await;
    inject(&store, "DeleteItem", 3, FaultKind::Conflict);
    assert_eq!(release(store.ledger(), held).await, Answer::Applied);
}

/// More faults than the SDK has attempts.
#[tokio::test]
async fn every_change_is_repeated_until_it_is_answered() {
    let _shows = Shows("promise 4");
    let faults = [
        || FaultKind::LoseReply,
        || FaultKind::LoseRequest,
        || FaultKind::Throttle,
        || FaultKind::ServerError,
    ];
    for fault in faults {
        let store = store_with("PutItem", 7, fault).await;
        let [first, second, third] = [0; 3].map(|_| attempt(&fresh_key(), NOW));
        let mut held = lease(store.ledger(), first).await;
        inject(&store, "PutItem", 7, fault());
        let extended = store.ledger().extend(&mut held, AFTER_LEASE, soon()).await;
        assert!(extended.unwrap());
        inject(&store, "PutItem", 7, fault());
        assert_eq!(complete(store.ledger(), held, Completion::new()).await, Answer::Applied);

        let name = second.key().record_id().to_owned();
        inject(&store, "TransactWriteItems", 7, fault());
        let completion = Completion::new().write(effect(&name));
        assert_eq!(complete(store.ledger(), second, completion).await, Answer::Applied);
        assert_eq!(store.effects(&name).await, 1);

        let held = lease(store.ledger(), third.clone()).await;
        inject(&store, "DeleteItem", 7, fault());
        assert_eq!(release(store.ledger(), held).await, Answer::Applied);
        inject(&store, "PutItem", 7, fault());
        assert_eq!(reject(store.ledger(), third, "why").await, Answer::Applied);
    }
}

fn puts(store: &DynamoDb) -> u64 {
    let requests = store.emulation().requests().into_iter();
    requests
        .filter(|(operation, _)| operation == "PutItem")
        .map(|(_, count)| count)
        .sum()
}

/// A deadline that faults without end are met by.
fn shortly() -> Instant {
    Instant::now() + Duration::from_millis(500)
}

#[tokio::test]
async fn a_table_that_never_answers_leaves_the_result_unknown() {
    let _shows = Shows("promise 7");
    let store = store_with("PutItem", u32::MAX, || FaultKind::LoseReply).await;
    // Every reply is lost, those to the requests sent again too.
    let attempt = attempt(&fresh_key(), NOW);
    let error = store.ledger().claim(&attempt, shortly()).await.unwrap_err();
    assert!(matches!(error, StoreError::NoAnswer(_)), "{error:?}");

    let nowhere = local::dynamodb_client("http://127.0.0.1:9").await;
    let ledger = Ledger::new(DynamoDbStore::new(nowhere, "t"));
    let error = ledger.claim(&attempt, shortly()).await.unwrap_err();
    assert!(matches!(error, StoreError::NoAnswer(_)), "{error:?}");
}

/// Opening a connection is not repeated by the ledger, but throttling by the SDK.
#[tokio::test]
async fn faults_of_a_busy_table_are_named() {
    let named = async |times, fault: fn() -> FaultKind| {
        let store = store_with("DeleteItem", times, fault).await;
        let key = attempt(&fresh_key(), NOW).key().clone();
        chain(&store.ledger().store().connect(&key).await.unwrap_err())
    };
    let throttled = named(3, || FaultKind::Throttle).await;
    assert!(throttled.contains("the ledger is throttled"), "{throttled}");
    let conflict = named(1, || FaultKind::Conflict).await;
    assert!(conflict.contains("transaction conflict at record"), "{conflict}");
}

#[tokio::test]
async fn a_request_that_is_refused_is_not_sent_again() {
    let store = DynamoDb::local().await;
    let nowhere = Ledger::new(DynamoDbStore::new(store.client().clone(), "nope"));
    let before = puts(&store);
    let error = nowhere.claim(&attempt(&fresh_key(), NOW), soon()).await.unwrap_err();
    assert!(matches!(error, StoreError::Refused(_)), "{error:?}");
    assert_eq!(puts(&store), before + 1);
}

#[tokio::test]
async fn a_write_that_no_table_can_take_is_refused_permanently() {
    let store = DynamoDb::local().await;
    // Not a put: one that is too large fails the request as a whole, without the place of its action.
    let update = Update::builder()
        .table_name(EFFECTS)
        .key("id", AttributeValue::S("large".to_owned()))
        .update_expression("SET filling = :filling")
        .expression_attribute_values(":filling", AttributeValue::S("x".repeat(400 * 1024)))
        .build()
        .unwrap();
    let completion = || {
        Completion::new()
            .write(effect("small"))
            .write(DynamoDbWrite::update(update.clone()).if_refused(|_| unreachable!("it has no condition")))
    };
    let reason = "Item size to update has exceeded the maximum allowed size";
    let refusal = Refusal::Permanent(format!("write 1 (table {EFFECTS}) can't be made: {reason}"));

    let claimed = attempt(&fresh_key(), NOW);
    let held = lease(store.ledger(), claimed).await;
    let sealed = store.ledger().seal(held, completion()).unwrap();
    let Settled::Refused(sealed, refused) = store.ledger().complete(sealed, soon()).await.unwrap() else {
        panic!("not refused");
    };
    assert_eq!(refused, refusal);
    // The lease still holds: the work can be rejected.
    assert_eq!(reject(store.ledger(), sealed.into_hold(), "why").await, Answer::Applied);

    let committed = attempt(&fresh_key(), NOW);
    assert_eq!(
        complete(store.ledger(), committed, completion()).await,
        Answer::WriteRefused(refusal)
    );
    assert_eq!(store.effects("small").await, 0);
}

#[tokio::test]
async fn writes_of_no_valid_transaction_are_refused_permanently() {
    let store = DynamoDb::local().await;
    let twice = Completion::new().write(effect("same")).write(effect("same"));
    let held = lease(store.ledger(), attempt(&fresh_key(), NOW)).await;
    let sealed = store.ledger().seal(held, twice).unwrap();
    let Settled::Refused(sealed, Refusal::Permanent(why)) = store.ledger().complete(sealed, soon()).await.unwrap()
    else {
        panic!("not refused permanently");
    };
    assert!(why.starts_with("its writes are no valid transaction: "), "{why}");
    assert!(why.ends_with("(tables contract-ledger, contract-effects)"), "{why}");
    assert_eq!(reject(store.ledger(), sealed.into_hold(), &why).await, Answer::Applied);
}

#[tokio::test]
async fn more_writes_than_a_transaction_holds_are_not_sealed() {
    let store = DynamoDb::local().await;
    let many = |writes: usize| {
        (0..writes).fold(Completion::new(), |completion, n| {
            completion.write(effect(&format!("many-{n}")))
        })
    };
    let held = lease(store.ledger(), attempt(&fresh_key(), NOW)).await;
    let unsealed = store.ledger().seal(held, many(100)).unwrap_err();
    assert_eq!(unsealed.why, TooLarge::Writes { writes: 100, most: 99 });
    // The lease still holds, and one write less is committed.
    assert_eq!(complete(store.ledger(), unsealed.hold, many(99)).await, Answer::Applied);
    assert_eq!(store.effects("many-98").await, 1);
}
