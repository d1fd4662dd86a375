//! The promises that concurrent attempts can break.

use std::sync::Arc;

use idempotency::{Answer, Claim, Completion};
use tokio::task::JoinSet;

use crate::Shows;
use crate::store::{NOW, UnderTest, attempt, complete, effect, fresh_key, soon};

const RIVALS: usize = 50;

/// Promise 1.
pub(crate) async fn of_fifty_concurrent_claims_one_is_granted(store: &Arc<impl UnderTest>, rounds: usize) {
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
pub(crate) async fn of_ten_concurrent_commits_one_is_applied(store: &Arc<impl UnderTest>, rounds: usize) {
    let _shows = Shows("promise 6");
    for round in 0..rounds {
        let key = fresh_key();
        let mut rivals = JoinSet::new();
        for _ in 0..10 {
            let (store, attempt) = (Arc::clone(store), attempt(&key, NOW));
            rivals.spawn(async move {
                // Their transactions conflict, which the ledger repeats.
                let completion = Completion::new().write(effect(attempt.key().record_id()));
                complete(store.ledger(), attempt, completion).await == Answer::Applied
            });
        }
        let done = rivals.join_all().await.into_iter().filter(|done| *done).count();
        assert_eq!((done, store.effects(key.record_id()).await), (1, 1), "round {round}");
    }
}
