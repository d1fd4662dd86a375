//! How many requests changes take, and what they wait for.

use std::time::Duration;

use emulator::dynamodb::{Fault, FaultKind};
use futures_util::future::join_all;
use idempotency::{Answer, Attempt, Claim, Completion, DynamoDbStore, Existing, Ledger};

use crate::dynamodb::DynamoDb;
use crate::store::{AFTER_LEASE, NOW, Shows, UnderTest, attempt, complete, fresh_key, lease, soon};

fn attempts(count: usize) -> Vec<Attempt> {
    (0..count).map(|_| attempt(&fresh_key(), NOW)).collect()
}

async fn claim_all(store: &DynamoDb, attempts: &[Attempt]) -> Vec<Claim> {
    let claims = attempts.iter().map(|attempt| store.ledger().claim(attempt, soon()));
    join_all(claims).await.into_iter().map(Result::unwrap).collect()
}

/// How many requests for items came, by operation.
fn requests(store: &DynamoDb) -> Vec<(String, u64)> {
    let requests = store.emulation().requests().into_iter();
    requests.filter(|(operation, _)| !operation.contains("T")).collect()
}

fn counts(of: &[(&str, u64)]) -> Vec<(String, u64)> {
    of.iter()
        .map(|(operation, count)| ((*operation).to_owned(), *count))
        .collect()
}

#[tokio::test]
async fn ten_claims_and_completions_take_two_requests() {
    let store = DynamoDb::local().await;
    let claims = claim_all(&store, &attempts(10)).await;
    let completions = claims.into_iter().map(|claim| match claim {
        Claim::Granted(lease) => complete(store.ledger(), lease, Completion::new().data(1.into())),
        Claim::NotFree(existing) => panic!("{existing:?}"),
    });
    assert_eq!(join_all(completions).await, vec![Answer::Applied; 10]);
    assert_eq!(requests(&store), counts(&[("BatchExecuteStatement", 2)]));
}

#[tokio::test]
async fn ten_commits_in_one_step_take_one_request() {
    let store = DynamoDb::local().await;
    let commits = attempts(10).into_iter();
    let commits = commits.map(|attempt| complete(store.ledger(), attempt, Completion::new().data(1.into())));
    assert_eq!(join_all(commits).await, vec![Answer::Applied; 10]);
    assert_eq!(requests(&store), counts(&[("BatchExecuteStatement", 1)]));
}

#[tokio::test]
async fn ten_duplicates_take_two_requests_and_show_the_record() {
    let store = DynamoDb::local().await;
    let keys: Vec<_> = (0..10).map(|_| fresh_key()).collect();
    for key in &keys {
        let held = lease(store.ledger(), attempt(key, NOW)).await;
        complete(store.ledger(), held, Completion::new().data(1.into())).await;
    }
    let again: Vec<_> = keys.iter().map(|key| attempt(key, AFTER_LEASE)).collect();
    let completed = Existing::Completed {
        data: Some("1".to_owned()),
        outgoing: vec![],
    };
    for claim in claim_all(&store, &again).await {
        assert_eq!(claim, Claim::NotFree(completed.clone()));
    }
    assert_eq!(
        requests(&store),
        counts(&[("BatchExecuteStatement", 2), ("PutItem", 20)])
    );
}

/// The batch does not show the records, so single requests do.
#[tokio::test]
async fn leases_that_were_lost_take_a_single_request_each() {
    let _shows = Shows("promise 2");
    let store = DynamoDb::local().await;
    let (mut lost, mut holders) = (Vec::new(), Vec::new());
    for _ in 0..2 {
        let key = fresh_key();
        lost.push(lease(store.ledger(), attempt(&key, NOW)).await);
        holders.push(lease(store.ledger(), attempt(&key, AFTER_LEASE)).await);
    }
    let before = requests(&store);
    let completions = lost
        .into_iter()
        .map(|lease| complete(store.ledger(), lease, Completion::new()));
    assert_eq!(join_all(completions).await, vec![Answer::Lost; 2]);
    assert_eq!(before, counts(&[("PutItem", 4)]));
    assert_eq!(
        requests(&store),
        counts(&[("BatchExecuteStatement", 1), ("PutItem", 6)])
    );
    drop(holders);
}

#[tokio::test]
async fn a_single_change_takes_a_single_request() {
    let store = DynamoDb::local().await;
    let held = lease(store.ledger(), attempt(&fresh_key(), NOW)).await;
    complete(store.ledger(), held, Completion::new()).await;
    assert_eq!(requests(&store), counts(&[("PutItem", 2)]));
}

#[tokio::test]
async fn fifty_one_claims_take_two_batches_and_a_single_request() {
    let store = DynamoDb::local().await;
    claim_all(&store, &attempts(51)).await;
    assert_eq!(
        requests(&store),
        counts(&[("BatchExecuteStatement", 2), ("PutItem", 1)])
    );
}

/// DynamoDB would refuse the whole request.
#[tokio::test]
async fn two_changes_of_one_key_never_share_a_request() {
    let _shows = Shows("promise 1");
    let store = DynamoDb::local().await;
    let (first, second) = (fresh_key(), fresh_key());
    let all = [&first, &second, &first, &second].map(|key| attempt(key, NOW));
    let claims = claim_all(&store, &all).await;
    let granted = claims.iter().filter(|claim| matches!(claim, Claim::Granted(_)));
    assert_eq!(granted.count(), 2, "{claims:?}");
    // Each of the two that was refused shows the record, both in one request.
    assert_eq!(requests(&store), counts(&[("BatchExecuteStatement", 3)]));
}

#[tokio::test]
async fn large_records_are_not_sent_in_batches() {
    let store = DynamoDb::local().await;
    let held = claim_all(&store, &attempts(3))
        .await
        .into_iter()
        .map(|claim| match claim {
            Claim::Granted(lease) => lease,
            Claim::NotFree(existing) => panic!("{existing:?}"),
        });
    let large = || Completion::new().data("x".repeat(300 * 1024).into());
    let completions = held.map(|lease| complete(store.ledger(), lease, large()));
    assert_eq!(join_all(completions).await, vec![Answer::Applied; 3]);
    assert_eq!(
        requests(&store),
        counts(&[("BatchExecuteStatement", 1), ("PutItem", 3)])
    );
}

#[tokio::test]
async fn no_change_waits_for_the_reply_to_another() {
    let store = DynamoDb::local().await;
    let (slow, fast) = (attempts(2), attempts(2));
    store.emulation().inject(Fault {
        operation: "BatchExecuteStatement".to_owned(),
        containing: Some(slow[0].key().record_id().to_owned()),
        times: 1,
        kind: FaultKind::Delay(Duration::from_secs(3600)),
    });
    let (slow, fast) = (claim_all(&store, &slow), async {
        // Until it has left.
        while requests(&store).is_empty() {
            tokio::task::yield_now().await;
        }
        claim_all(&store, &fast).await
    });
    tokio::select! {
        biased;
        _ = slow => panic!("it takes an hour"),
        claims = fast => assert!(claims.iter().all(|claim| matches!(claim, Claim::Granted(_))), "{claims:?}"),
    }
}

/// A host may end the runtime in which a batch was about to be sent, and go on in another.
#[test]
fn changes_are_sent_after_their_runtime_was_replaced() {
    let runtime = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap()
    };
    let server = runtime();
    let store = server.block_on(DynamoDb::local());
    let (first, second) = (attempts(2), attempts(2));
    let ended = runtime();
    ended.block_on(async {
        let claims = claim_all(&store, &first);
        // Once: the changes wait, and their sender is not yet running.
        assert!(futures_util::FutureExt::now_or_never(claims).is_none());
    });
    drop(ended);
    let claims = server.block_on(claim_all(&store, &second));
    assert!(
        claims.iter().all(|claim| matches!(claim, Claim::Granted(_))),
        "{claims:?}"
    );
    let claims = server.block_on(claim_all(&store, &first));
    assert!(
        claims.iter().all(|claim| matches!(claim, Claim::Granted(_))),
        "given up, and sent: {claims:?}"
    );
}

/// An ARN has no place in a statement.
#[tokio::test]
async fn a_table_named_by_its_arn_gets_single_requests() {
    let store = DynamoDb::local().await;
    let arn = "arn:aws:dynamodb:eu-central-1:000000000000:table/contract-ledger";
    let ledger = Ledger::new(DynamoDbStore::new(store.client().clone(), arn));
    let made = attempts(2);
    let claims = join_all(made.iter().map(|attempt| ledger.claim(attempt, soon()))).await;
    // Whether the emulator knows ARNs does not matter.
    drop(claims);
    assert_eq!(
        requests(&store)
            .iter()
            .find(|(operation, _)| operation == "BatchExecuteStatement"),
        None
    );
}
