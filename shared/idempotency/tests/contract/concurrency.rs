//! The promises that many attempts at a time can break.

use std::sync::Arc;

use idempotency::{Claim, Committed, Completion, Ledger};
use tokio::task::JoinSet;

use crate::store::{NOW, Store, attempt, effect, fresh_key};

const RIVALS: usize = 50;

/// 1.
pub(crate) async fn of_fifty_claims_at_a_time_exactly_one_is_granted(store: &Arc<impl Store>, rounds: usize) {
    for round in 0..rounds {
        let key = fresh_key();
        let mut rivals = JoinSet::new();
        for _ in 0..RIVALS {
            let (store, attempt) = (Arc::clone(store), attempt(&key, NOW));
            rivals.spawn(async move { matches!(store.ledger().claim(&attempt).await, Ok(Claim::Granted(_))) });
        }
        let granted = rivals.join_all().await.into_iter().filter(|granted| *granted).count();
        assert_eq!(granted, 1, "round {round}");
    }
}

/// 6.
pub(crate) async fn of_many_commits_at_a_time_exactly_one_is_applied(store: &Arc<impl Store>, rounds: usize) {
    for round in 0..rounds {
        let key = fresh_key();
        let mut rivals = JoinSet::new();
        for _ in 0..10 {
            let (store, attempt) = (Arc::clone(store), attempt(&key, NOW));
            rivals.spawn(async move {
                let completion = Completion::new().write(effect(attempt.key().record_id()));
                loop {
                    match store.ledger().commit(&attempt, &completion).await.unwrap() {
                        Committed::Conflict => tokio::task::yield_now().await,
                        answer => return answer == Committed::Done,
                    }
                }
            });
        }
        let done = rivals.join_all().await.into_iter().filter(|done| *done).count();
        assert_eq!((done, store.effects(key.record_id()).await), (1, 1), "round {round}");
    }
}
