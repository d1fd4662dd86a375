//! What operators may do to a record, and what not.

use idempotency::{Claim, Committed, Completion, Ledger, Record, Settled, Standing, Status};

use crate::dynamodb::DynamoDbStore;
use crate::store::{NOW, Store, attempt, fresh_key, lease};

#[tokio::test]
async fn a_record_is_read_as_it_was_written_and_then_as_it_is() {
    let (store, key) = (DynamoDbStore::start().await, fresh_key());
    let ledger = store.ledger();
    assert_eq!(ledger.record(&key).await.unwrap(), None);
    let attempt = attempt(&key, NOW);
    let lease = lease(ledger, attempt.clone()).await;
    let claimed = ledger.record(&key).await.unwrap().unwrap();
    assert_eq!(
        (claimed.status, claimed.owner.as_ref()),
        (Status::InProgress, Some(attempt.owner()))
    );
    let item = ledger.item(&key).await.unwrap().unwrap();
    assert_eq!(Record::from_item(&key, &item).unwrap(), claimed);
    ledger.reject(lease, "why").await.unwrap();
    let rejected = ledger.record(&key).await.unwrap().unwrap();
    assert_eq!(
        (rejected.status, rejected.reason.as_deref()),
        (Status::Rejected, Some("why"))
    );
}

#[tokio::test]
async fn a_rejected_record_that_is_forgotten_leaves_its_key_free() {
    let (store, key) = (DynamoDbStore::start().await, fresh_key());
    let ledger = store.ledger();
    ledger.reject_unclaimed(&attempt(&key, NOW), "why").await.unwrap();
    let rejected = ledger.record(&key).await.unwrap().unwrap();
    assert_eq!(ledger.forget(&key, &rejected).await.unwrap(), Settled::Done);
    assert!(matches!(
        ledger.claim(&attempt(&key, NOW)).await.unwrap(),
        Claim::Granted(_)
    ));
}

#[tokio::test]
async fn a_completed_record_is_never_forgotten() {
    let (store, key) = (DynamoDbStore::start().await, fresh_key());
    let ledger = store.ledger();
    let committed = ledger.commit(&attempt(&key, NOW), &Completion::new()).await.unwrap();
    assert_eq!(committed, Committed::Done);
    let done = ledger.record(&key).await.unwrap().unwrap();
    assert_eq!(ledger.forget(&key, &done).await.unwrap(), Settled::Lost);
    assert_eq!(
        ledger.claim(&attempt(&key, NOW)).await.unwrap(),
        Claim::Refused(Standing::Completed {
            data: None,
            outgoing: vec![]
        })
    );
}

#[tokio::test]
async fn a_claim_is_forgotten_only_as_it_was_seen() {
    let (store, key) = (DynamoDbStore::start().await, fresh_key());
    let ledger = store.ledger();
    let lease = lease(ledger, attempt(&key, NOW)).await;
    let seen = ledger.record(&key).await.unwrap().unwrap();
    let later = NOW.plus(std::time::Duration::from_secs(60));
    let lease = ledger.extend(lease, later).await.unwrap().unwrap();
    assert_eq!(ledger.forget(&key, &seen).await.unwrap(), Settled::Lost);
    let seen = ledger.record(&key).await.unwrap().unwrap();
    assert_eq!(ledger.forget(&key, &seen).await.unwrap(), Settled::Done);
    // Its holder can't bring it back.
    assert_eq!(ledger.release(lease).await.unwrap(), Settled::Done);
    assert_eq!(ledger.record(&key).await.unwrap(), None);
}
