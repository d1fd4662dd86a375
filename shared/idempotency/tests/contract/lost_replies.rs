//! What the network and a busy table do to a request, made to happen on the local stack.
//!
//! 4: the SDK sends a request without a reply again by itself, and the answer must be the first one's.

use aws_sdk_dynamodb::types::{AttributeValue, Update};
use emulator::dynamodb::{Fault, FaultKind};
use idempotency::{
    Claim, Committed, Completed, Completion, DynamoDbLedger, Ledger, LedgerError, Refusal, Settled, Write,
};

use crate::dynamodb::DynamoDbStore;
use crate::store::{EFFECTS, NOW, Store, attempt, effect, fresh_key, lease};

async fn store_with(operation: &str, times: u32, fault: fn() -> FaultKind) -> DynamoDbStore {
    let store = DynamoDbStore::local().await;
    inject(&store, operation, times, fault());
    store
}

fn inject(store: &DynamoDbStore, operation: &str, times: u32, kind: FaultKind) {
    store.emulation().inject(Fault {
        operation: operation.to_owned(),
        containing: None,
        times,
        kind,
    });
}

#[tokio::test]
async fn a_claim_whose_reply_was_lost_is_granted() {
    let store = store_with("PutItem", 1, || FaultKind::LoseReply).await;
    let claim = store.ledger().claim(&attempt(&fresh_key(), NOW)).await.unwrap();
    assert!(matches!(claim, Claim::Granted(_)), "{claim:?}");
}

#[tokio::test]
async fn a_completion_whose_reply_was_lost_is_done() {
    let store = DynamoDbStore::local().await;
    let held = lease(store.ledger(), attempt(&fresh_key(), NOW)).await;
    inject(&store, "PutItem", 1, FaultKind::LoseReply);
    assert_eq!(
        store.ledger().complete(held, &Completion::new()).await.unwrap(),
        Completed::Done
    );
}

#[tokio::test]
async fn transactions_whose_replies_were_lost_are_done_and_apply_their_writes_once() {
    let store = DynamoDbStore::local().await;
    let (claimed, committed) = (attempt(&fresh_key(), NOW), attempt(&fresh_key(), NOW));
    let (first, second) = (
        claimed.key().record_id().to_owned(),
        committed.key().record_id().to_owned(),
    );

    let held = lease(store.ledger(), claimed).await;
    inject(&store, "TransactWriteItems", 1, FaultKind::LoseReply);
    let completion = Completion::new().write(effect(&first));
    assert_eq!(
        store.ledger().complete(held, &completion).await.unwrap(),
        Completed::Done
    );

    inject(&store, "TransactWriteItems", 1, FaultKind::LoseReply);
    let completion = Completion::new().write(effect(&second));
    assert_eq!(
        store.ledger().commit(&committed, &completion).await.unwrap(),
        Committed::Done
    );
    assert_eq!((store.effects(&first).await, store.effects(&second).await), (1, 1));
}

#[tokio::test]
async fn releases_and_rejections_whose_replies_were_lost_are_done() {
    let store = DynamoDbStore::local().await;
    let held = lease(store.ledger(), attempt(&fresh_key(), NOW)).await;
    inject(&store, "DeleteItem", 1, FaultKind::LoseReply);
    assert_eq!(store.ledger().release(held).await.unwrap(), Settled::Done);

    let held = lease(store.ledger(), attempt(&fresh_key(), NOW)).await;
    inject(&store, "PutItem", 1, FaultKind::LoseReply);
    assert_eq!(store.ledger().reject(held, "why").await.unwrap(), Settled::Done);

    inject(&store, "PutItem", 1, FaultKind::LoseReply);
    assert_eq!(
        store
            .ledger()
            .reject_unclaimed(&attempt(&fresh_key(), NOW), "why")
            .await
            .unwrap(),
        None
    );
}

#[tokio::test]
async fn requests_that_were_lost_throttled_or_failed_are_sent_again() {
    for fault in [
        || FaultKind::LoseRequest,
        || FaultKind::Throttle,
        || FaultKind::ServerError,
    ] {
        let store = store_with("PutItem", 2, fault).await;
        let claim = store.ledger().claim(&attempt(&fresh_key(), NOW)).await.unwrap();
        assert!(matches!(claim, Claim::Granted(_)), "{claim:?}");
    }
}

#[tokio::test]
async fn a_conflict_of_transactions_is_told_from_a_refusal_and_the_lease_still_holds() {
    let store = DynamoDbStore::local().await;
    let held = lease(store.ledger(), attempt(&fresh_key(), NOW)).await;
    inject(&store, "TransactWriteItems", 2, FaultKind::Conflict);
    let completion = Completion::new().write(effect("conflict"));
    let Completed::Conflict(held) = store.ledger().complete(held, &completion).await.unwrap() else {
        panic!("no conflict");
    };
    let rival = attempt(&fresh_key(), NOW);
    assert_eq!(
        store.ledger().commit(&rival, &completion).await.unwrap(),
        Committed::Conflict
    );
    assert_eq!(
        store.ledger().complete(held, &completion).await.unwrap(),
        Completed::Done
    );
}

#[tokio::test]
async fn a_table_that_never_answers_is_an_error_that_leaves_the_result_open() {
    let store = store_with("PutItem", u32::MAX, || FaultKind::LoseReply).await;
    // Every reply is lost, those to the requests sent again too.
    let error = store.ledger().claim(&attempt(&fresh_key(), NOW)).await.unwrap_err();
    assert!(matches!(error, LedgerError::NoAnswer(_)), "{error:?}");

    let nowhere = local::dynamodb_client("http://127.0.0.1:9").await;
    let error = DynamoDbLedger::new(nowhere, "t")
        .claim(&attempt(&fresh_key(), NOW))
        .await
        .unwrap_err();
    assert!(matches!(error, LedgerError::NoAnswer(_)), "{error:?}");
}

#[tokio::test]
async fn a_claim_that_meets_a_transaction_is_told_from_a_refusal() {
    let store = store_with("PutItem", 1, || FaultKind::Conflict).await;
    let error = store.ledger().claim(&attempt(&fresh_key(), NOW)).await.unwrap_err();
    assert!(matches!(error, LedgerError::Conflict { .. }), "{error:?}");
}

#[tokio::test]
async fn a_throttled_table_is_told_from_one_that_refuses() {
    let store = store_with("PutItem", u32::MAX, || FaultKind::Throttle).await;
    let error = store.ledger().claim(&attempt(&fresh_key(), NOW)).await.unwrap_err();
    assert!(matches!(error, LedgerError::Throttled(_)), "{error:?}");
}

#[tokio::test]
async fn a_write_that_the_table_can_never_take_is_refused_for_good_and_named_with_the_reason() {
    let store = DynamoDbStore::local().await;
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
            .write(Write::update(update.clone()).if_refused(|_| unreachable!("it has no condition")))
    };
    let reason = "Item size to update has exceeded the maximum allowed size";
    let refusal = Refusal::Permanent(format!("write 1 (table {EFFECTS}) can't be made: {reason}"));

    let claimed = attempt(&fresh_key(), NOW);
    let held = lease(store.ledger(), claimed).await;
    let Completed::Refused(held, refused) = store.ledger().complete(held, &completion()).await.unwrap() else {
        panic!("not refused");
    };
    assert_eq!(refused, refusal);
    // The lease still holds: the work can be rejected.
    assert_eq!(store.ledger().reject(held, "why").await.unwrap(), Settled::Done);

    let committed = attempt(&fresh_key(), NOW);
    assert_eq!(
        store.ledger().commit(&committed, &completion()).await.unwrap(),
        Committed::Refused(refusal)
    );
    assert_eq!(store.effects("small").await, 0);
}

#[tokio::test]
async fn writes_that_make_no_valid_transaction_are_refused_for_good() {
    let store = DynamoDbStore::local().await;
    let twice = Completion::new().write(effect("same")).write(effect("same"));
    let many = (0..100).fold(Completion::new(), |completion, n| {
        completion.write(effect(&format!("many-{n}")))
    });
    for completion in [twice, many] {
        let held = lease(store.ledger(), attempt(&fresh_key(), NOW)).await;
        let Completed::Refused(held, Refusal::Permanent(why)) =
            store.ledger().complete(held, &completion).await.unwrap()
        else {
            panic!("not refused for good");
        };
        assert!(why.starts_with("its writes are no valid transaction: "), "{why}");
        assert!(why.ends_with("(tables contract-ledger, contract-effects)"), "{why}");
        assert_eq!(store.ledger().reject(held, &why).await.unwrap(), Settled::Done);
    }
}
