//! What operators can do to a record, and what they can't.

use emulator::dynamodb::{Fault, FaultKind};
use idempotency::{Answer, Claim, Completion, Existing, Item, OutgoingMessage, Record, Status, StoreError};

use crate::dynamodb::DynamoDb;
use crate::store::{NOW, Shows, UnderTest, attempt, complete, fresh_key, lease, reject, release, soon};

#[tokio::test]
async fn a_record_is_read_as_it_was_written() {
    let (dynamodb, key) = (DynamoDb::start().await, fresh_key());
    let (ledger, store) = (dynamodb.ledger(), dynamodb.store());
    assert_eq!(store.record(&key).await.unwrap(), None);
    let attempt = attempt(&key, NOW);
    let lease = lease(ledger, attempt.clone()).await;
    let claimed = store.record(&key).await.unwrap().unwrap();
    assert_eq!(
        (claimed.status, claimed.owner.as_ref()),
        (Status::InProgress, Some(attempt.owner()))
    );
    let item = store.item(&key).await.unwrap().unwrap();
    assert_eq!(Record::from_item(&key, &item).unwrap(), claimed);
    assert_eq!(reject(ledger, lease, "why").await, Answer::Applied);
    let rejected = store.record(&key).await.unwrap().unwrap();
    assert_eq!(
        (rejected.status, rejected.reason.as_deref()),
        (Status::Rejected, Some("why"))
    );
}

#[tokio::test]
async fn a_deleted_rejection_leaves_its_key_free() {
    let (dynamodb, key) = (DynamoDb::start().await, fresh_key());
    let (ledger, store) = (dynamodb.ledger(), dynamodb.store());
    assert_eq!(reject(ledger, attempt(&key, NOW), "why").await, Answer::Applied);
    let rejected = store.record(&key).await.unwrap().unwrap();
    assert!(store.delete_record(&key, &rejected).await.unwrap());
    assert!(matches!(
        ledger.claim(&attempt(&key, NOW), soon()).await.unwrap(),
        Claim::Granted(_)
    ));
}

/// Promise 3.
#[tokio::test]
async fn a_completed_record_is_never_deleted() {
    let _shows = Shows("promise 3");
    let (dynamodb, key) = (DynamoDb::start().await, fresh_key());
    let (ledger, store) = (dynamodb.ledger(), dynamodb.store());
    let committed = complete(ledger, attempt(&key, NOW), Completion::new()).await;
    assert_eq!(committed, Answer::Applied);
    let done = store.record(&key).await.unwrap().unwrap();
    assert!(!store.delete_record(&key, &done).await.unwrap());
    assert_eq!(
        ledger.claim(&attempt(&key, NOW), soon()).await.unwrap(),
        Claim::NotFree(Existing::Completed {
            data: None,
            outgoing: vec![]
        })
    );
}

#[tokio::test]
async fn a_claim_is_deleted_only_as_it_was_seen() {
    let (dynamodb, key) = (DynamoDb::start().await, fresh_key());
    let (ledger, store) = (dynamodb.ledger(), dynamodb.store());
    let mut lease = lease(ledger, attempt(&key, NOW)).await;
    let seen = store.record(&key).await.unwrap().unwrap();
    let later = NOW.plus(std::time::Duration::from_secs(60));
    assert!(ledger.extend(&mut lease, later, soon()).await.unwrap());
    assert!(!store.delete_record(&key, &seen).await.unwrap());
    let seen = store.record(&key).await.unwrap().unwrap();
    assert!(store.delete_record(&key, &seen).await.unwrap());
    // Its holder can't bring it back.
    assert_eq!(release(ledger, lease).await, Answer::Applied);
    assert_eq!(store.record(&key).await.unwrap(), None);
}

#[tokio::test]
async fn only_a_completed_record_is_corrected_and_only_as_seen() {
    let (dynamodb, key) = (DynamoDb::start().await, fresh_key());
    let (ledger, store) = (dynamodb.ledger(), dynamodb.store());
    let message = |url: &str| OutgoingMessage::new(url, "b").with_key("k");
    let (wrong, right) = (message("orders"), message("https://queue/1/orders"));
    let lease = lease(ledger, attempt(&key, NOW)).await;
    let claimed = store.item(&key).await.unwrap().unwrap();
    let correct = async |seen: &Item, message: &OutgoingMessage| {
        store
            .correct_outgoing(&key, seen, std::slice::from_ref(message))
            .await
            .unwrap()
    };
    assert!(!correct(&claimed, &right).await);
    let completion = Completion::new().data(7.into()).send(wrong);
    assert_eq!(complete(ledger, lease, completion).await, Answer::Applied);
    let done = store.record(&key).await.unwrap().unwrap();
    let seen = store.item(&key).await.unwrap().unwrap();
    assert!(correct(&seen, &right).await);
    let expected = Record {
        outgoing: vec![right.clone()],
        ..done
    };
    assert_eq!(store.record(&key).await.unwrap(), Some(expected.clone()));
    // As if the reply was lost; and another operator's correction stays.
    assert!(correct(&seen, &right).await);
    assert!(!correct(&seen, &message("https://queue/1/another")).await);
    assert_eq!(store.record(&key).await.unwrap(), Some(expected));
}

fn conflict_once(dynamodb: &DynamoDb, operation: &str) {
    dynamodb.emulation().inject(Fault {
        operation: operation.to_owned(),
        containing: None,
        times: 1,
        kind: FaultKind::Conflict,
    });
}

#[tokio::test]
async fn a_deletion_that_meets_a_transaction_is_a_conflict() {
    let (dynamodb, key) = (DynamoDb::local().await, fresh_key());
    assert_eq!(
        reject(dynamodb.ledger(), attempt(&key, NOW), "why").await,
        Answer::Applied
    );
    let rejected = dynamodb.store().record(&key).await.unwrap().unwrap();
    conflict_once(&dynamodb, "DeleteItem");
    let error = dynamodb.store().delete_record(&key, &rejected).await.unwrap_err();
    assert!(matches!(error, StoreError::Conflict { .. }), "{error:?}");
    assert_eq!(dynamodb.store().record(&key).await.unwrap(), Some(rejected));
}

#[tokio::test]
async fn a_correction_that_meets_a_transaction_is_a_conflict() {
    let (dynamodb, key) = (DynamoDb::local().await, fresh_key());
    let message = || OutgoingMessage::new("orders", "b").with_key("k");
    let completion = Completion::new().send(message());
    assert_eq!(
        complete(dynamodb.ledger(), attempt(&key, NOW), completion).await,
        Answer::Applied
    );
    let seen = dynamodb.store().item(&key).await.unwrap().unwrap();
    conflict_once(&dynamodb, "UpdateItem");
    let corrected = dynamodb.store().correct_outgoing(&key, &seen, &[message()]).await;
    let error = corrected.unwrap_err();
    assert!(matches!(error, StoreError::Conflict { .. }), "{error:?}");
    assert_eq!(dynamodb.store().item(&key).await.unwrap(), Some(seen));
}
