//! Batches on a network that loses them, and at a table that refuses some statements (promise 4).

use emulator::dynamodb::{Fault, FaultKind};
use futures_util::future::join_all;
use idempotency::{Answer, Claim, Completion, Lease};

use crate::dynamodb::DynamoDb;
use crate::store::{AFTER_LEASE, NOW, Shows, UnderTest, attempt, complete, fresh_key, reject, soon};

const BATCH: &str = "BatchExecuteStatement";

fn inject(store: &DynamoDb, times: u32, kind: FaultKind) {
    store.emulation().inject(Fault {
        operation: BATCH.to_owned(),
        containing: None,
        times,
        kind,
    });
}

/// How often a request of this kind came.
fn requests(store: &DynamoDb, kind: &str) -> u64 {
    let requests = store.emulation().requests().into_iter();
    requests
        .filter(|(operation, _)| operation == kind)
        .map(|(_, count)| count)
        .sum()
}

async fn claim_four(store: &DynamoDb) -> Vec<Lease> {
    let attempts: Vec<_> = (0..4).map(|_| attempt(&fresh_key(), NOW)).collect();
    let claims = attempts.iter().map(|attempt| store.ledger().claim(attempt, soon()));
    let granted = |claim| match claim {
        Ok(Claim::Granted(lease)) => lease,
        claim => panic!("{claim:?}"),
    };
    join_all(claims).await.into_iter().map(granted).collect()
}

/// Claims, extends, completes and rejects under one fault each, and checks the records.
async fn all_changes_are_made(fault: impl Fn() -> FaultKind, times: u32) -> DynamoDb {
    let store = DynamoDb::local().await;
    inject(&store, times, fault());
    let mut leases = claim_four(&store).await;
    inject(&store, times, fault());
    let extensions = leases
        .iter_mut()
        .map(|lease| store.ledger().extend(lease, AFTER_LEASE, soon()));
    for extended in join_all(extensions).await {
        assert!(extended.unwrap());
    }
    let keys: Vec<_> = leases.iter().map(|lease| lease.attempt().key().clone()).collect();
    inject(&store, times, fault());
    let rejected = leases.split_off(2);
    let completions = leases
        .into_iter()
        .map(|lease| complete(store.ledger(), lease, Completion::new().data(1.into())));
    let rejections = rejected.into_iter().map(|lease| reject(store.ledger(), lease, "why"));
    let (completed, rejected) = tokio::join!(join_all(completions), join_all(rejections));
    assert_eq!(
        (completed, rejected),
        (vec![Answer::Applied; 2], vec![Answer::Applied; 2])
    );
    for (position, key) in keys.iter().enumerate() {
        let record = store.record(key).await.unwrap();
        let expected = if position < 2 {
            (Some("1"), None)
        } else {
            (None, Some("why"))
        };
        assert_eq!((record.data.as_deref(), record.reason.as_deref()), expected);
        assert_eq!(record.lease_end, None);
    }
    store
}

#[tokio::test]
async fn lost_throttled_and_failed_batches_are_sent_again() {
    let _shows = Shows("promise 4");
    let faults = [
        || FaultKind::LoseReply,
        || FaultKind::LoseRequest,
        || FaultKind::Throttle,
        || FaultKind::ServerError,
    ];
    for fault in faults {
        all_changes_are_made(fault, 1).await;
        // More than the SDK has attempts.
        all_changes_are_made(fault, 7).await;
    }
}

#[tokio::test]
async fn refused_statements_are_sent_again() {
    let _shows = Shows("promise 4");
    for code in [
        "ProvisionedThroughputExceeded",
        "RequestLimitExceeded",
        "ThrottlingError",
        "TransactionConflict",
        "InternalServerError",
    ] {
        for positions in [vec![0, 2], vec![0, 1, 2, 3]] {
            let fault = || FaultKind::RefuseStatements {
                code,
                positions: positions.clone(),
            };
            all_changes_are_made(fault, 2).await;
        }
    }
}

/// Whatever it was, a single request shows it better.
#[tokio::test]
async fn statements_refused_otherwise_become_single_requests() {
    for code in [
        "ValidationError",
        "ResourceNotFound",
        "ItemCollectionSizeLimitExceeded",
        "ConditionalCheckFailed",
        "Unknown",
    ] {
        let fault = || FaultKind::RefuseStatements {
            code,
            positions: vec![0, 1, 3],
        };
        let store = all_changes_are_made(fault, 1).await;
        assert_eq!((requests(&store, BATCH), requests(&store, "PutItem")), (3, 9), "{code}");
    }
}

#[tokio::test]
async fn without_permission_for_statements_all_changes_are_single_requests() {
    let _shows = Shows("promise 7");
    let statements = || FaultKind::RefuseStatements {
        code: "AccessDenied",
        positions: vec![0, 1, 2, 3],
    };
    for denied in [statements, || FaultKind::Deny] {
        let store = DynamoDb::local().await;
        inject(&store, 1, denied());
        claim_four(&store).await;
        claim_four(&store).await;
        assert_eq!((requests(&store, BATCH), requests(&store, "PutItem")), (1, 8));
    }
}
