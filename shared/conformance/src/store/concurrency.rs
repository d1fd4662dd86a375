//! The promises that concurrent attempts can break.

use std::sync::Arc;

use idempotency::{Answer, Claim, Completion};
use tokio::task::JoinSet;

use super::{AFTER_LEASE, NOW, Shows, UnderTest, attempt, complete, fresh_key, lease, soon};

const RIVALS: usize = 50;

/// Promise 1.
pub async fn of_fifty_concurrent_claims_one_is_granted(store: &Arc<impl UnderTest>, rounds: usize) {
    let _shows = Shows("promise 1");
    for round in 0..rounds {
        let key = fresh_key();
        let mut rivals = JoinSet::new();
        for _ in 0..RIVALS {
            let (store, attempt) = (Arc::clone(store), attempt(&key, NOW));
            rivals.spawn(async move { matches!(store.ledger().claim(&attempt, soon()).await, Ok(Claim::Granted(_))) });
        }
        let granted = rivals.join_all().await.into_iter().filter(|granted| *granted).count();
        assert_eq!(granted, 1, "round {round}");
    }
}

/// Promise 6.
pub async fn of_ten_concurrent_commits_one_is_applied(store: &Arc<impl UnderTest>, rounds: usize) {
    let _shows = Shows("promise 6");
    for round in 0..rounds {
        let key = fresh_key();
        let mut rivals = JoinSet::new();
        for _ in 0..10 {
            let (store, attempt) = (Arc::clone(store), attempt(&key, NOW));
            rivals.spawn(async move {
                // Their transactions conflict, which the ledger repeats.
                let completion = Completion::new().write(store.effect(attempt.key().record_id()));
                complete(store.ledger(), attempt, completion).await == Answer::Applied
            });
        }
        let done = rivals.join_all().await.into_iter().filter(|done| *done).count();
        assert_eq!((done, store.effects(key.record_id()).await), (1, 1), "round {round}");
    }
}

/// Promise 1, for a record that exists: its lease is over, and all want to take it.
pub async fn of_fifty_concurrent_takeovers_one_is_granted(store: &Arc<impl UnderTest>, rounds: usize) {
    let _shows = Shows("promise 1");
    for round in 0..rounds {
        let key = fresh_key();
        let late = lease(store.ledger(), attempt(&key, NOW)).await;
        let mut rivals = JoinSet::new();
        for _ in 0..RIVALS {
            let (store, attempt) = (Arc::clone(store), attempt(&key, AFTER_LEASE));
            rivals.spawn(async move { matches!(store.ledger().claim(&attempt, soon()).await, Ok(Claim::Granted(_))) });
        }
        let granted = rivals.join_all().await.into_iter().filter(|granted| *granted).count();
        assert_eq!(granted, 1, "round {round}");
        assert_eq!(complete(store.ledger(), late, Completion::new()).await, Answer::Lost);
    }
}

/// Promises 2 and 6: a holder completes with a write while others take its lease over.
pub async fn a_completion_and_a_takeover_never_both_succeed(store: &Arc<impl UnderTest>, rounds: usize) {
    let _shows = Shows("promises 2 and 6");
    for round in 0..rounds {
        let key = fresh_key();
        let late = lease(store.ledger(), attempt(&key, NOW)).await;
        let mut rivals = JoinSet::new();
        for _ in 0..3 {
            let (store, attempt) = (Arc::clone(store), attempt(&key, AFTER_LEASE));
            rivals.spawn(async move { matches!(store.ledger().claim(&attempt, soon()).await, Ok(Claim::Granted(_))) });
        }
        let completion = Completion::new().write(store.effect(key.record_id()));
        let completed = complete(store.ledger(), late, completion).await == Answer::Applied;
        let granted = rivals.join_all().await.into_iter().filter(|granted| *granted).count();
        let effects = store.effects(key.record_id()).await;
        assert_eq!(
            (granted, effects),
            (usize::from(!completed), usize::from(completed)),
            "round {round}"
        );
    }
}

/// Promises 4 and 6: copies of one request that arrive at the same time are all answered as if there were one.
pub async fn of_ten_concurrent_copies_of_a_commit_all_are_answered(store: &Arc<impl UnderTest>, rounds: usize) {
    let _shows = Shows("promises 4 and 6");
    for round in 0..rounds {
        let attempt = attempt(&fresh_key(), NOW);
        let mut copies = JoinSet::new();
        for _ in 0..10 {
            let (store, attempt) = (Arc::clone(store), attempt.clone());
            copies.spawn(async move {
                let completion = Completion::new().write(store.effect(attempt.key().record_id()));
                complete(store.ledger(), attempt, completion).await == Answer::Applied
            });
        }
        let done = copies.join_all().await.into_iter().filter(|done| *done).count();
        let effects = store.effects(attempt.key().record_id()).await;
        assert_eq!((done, effects), (10, 1), "round {round}");
    }
}
