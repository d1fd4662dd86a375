//! Promise 4 over a network that loses requests and replies, repeats requests and delays them.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use idempotency::{Answer, Change, Claim, Completion, Key, Ledger, Record, Store, StoreError, TooLarge};

use super::{AFTER_LEASE, NOW, Shows, UnderTest, WriteOf, attempt, complete, fresh_key, lease, reject, release, soon};

/// What happens to one request instead of an answer.
#[derive(Debug, Clone, Copy)]
enum Loss {
    /// It never reaches the store.
    Request,
    /// It is made, but its reply is lost.
    Reply,
    /// Two copies of it reach the store at the same time, and both replies are lost.
    Twice,
    /// It reaches the store after the next request, whose reply arrives.
    Late,
}

/// Each loss alone, and some that follow each other.
const LOSSES: [&[Loss]; 7] = [
    &[Loss::Request],
    &[Loss::Reply],
    &[Loss::Twice],
    &[Loss::Late],
    &[Loss::Reply, Loss::Reply],
    &[Loss::Late, Loss::Late],
    &[Loss::Request, Loss::Twice, Loss::Late],
];

/// A store behind such a network.
struct Lossy<U> {
    of: Arc<U>,
    losses: Mutex<VecDeque<Loss>>,
    late: Mutex<usize>,
}

/// A ledger whose next requests are lost like this.
fn lossy<U: UnderTest>(store: &Arc<U>, losses: &[Loss]) -> Ledger<Lossy<U>> {
    Ledger::new(Lossy {
        of: Arc::clone(store),
        losses: Mutex::new(losses.iter().copied().collect()),
        late: Mutex::new(0),
    })
}

fn copy<'a, W>(change: &Change<'a, W>) -> Change<'a, W> {
    Change {
        key: change.key,
        condition: change.condition,
        record: change.record,
        writes: change.writes,
    }
}

impl<U: UnderTest> Store for Lossy<U> {
    type Write = WriteOf<U>;

    async fn change(&self, change: Change<'_, WriteOf<U>>) -> Result<Answer, StoreError> {
        let store = self.of.ledger().store();
        let lost = || Err(StoreError::NoAnswer("lost".into()));
        let loss = self.losses.lock().unwrap().pop_front();
        match loss {
            Some(Loss::Request) => lost(),
            Some(Loss::Reply) => {
                let _ = store.change(change).await;
                lost()
            }
            Some(Loss::Twice) => {
                let _ = tokio::join!(store.change(copy(&change)), store.change(change));
                lost()
            }
            Some(Loss::Late) => {
                *self.late.lock().unwrap() += 1;
                lost()
            }
            None => {
                let late = std::mem::take(&mut *self.late.lock().unwrap());
                let answer = store.change(copy(&change)).await;
                for _ in 0..late {
                    let _ = store.change(copy(&change)).await;
                }
                answer
            }
        }
    }

    fn check(&self, key: &Key, record: &Record, writes: &[WriteOf<U>]) -> Result<(), TooLarge> {
        self.of.ledger().store().check(key, record, writes)
    }
}

/// Promises 1 and 4.
pub async fn a_claim_is_granted_despite_losses(store: &Arc<impl UnderTest>) {
    let _shows = Shows("promises 1 and 4");
    for losses in LOSSES {
        let key = fresh_key();
        let held = lease(&lossy(store, losses), attempt(&key, NOW)).await;
        // Another attempt takes a lease over that is over, as it would take a first claim.
        let taken = lease(&lossy(store, losses), attempt(&key, AFTER_LEASE)).await;
        assert_eq!(complete(store.ledger(), held, Completion::new()).await, Answer::Lost);
        assert_eq!(
            complete(store.ledger(), taken, Completion::new()).await,
            Answer::Applied
        );
    }
}

/// Promises 4 and 6, for a completion under a lease and for a commit in one step.
pub async fn writes_are_applied_once_despite_losses(store: &Arc<impl UnderTest>) {
    let _shows = Shows("promises 4 and 6");
    for losses in LOSSES {
        for writes in [0, 1, 3] {
            for claimed in [true, false] {
                let attempt = attempt(&fresh_key(), NOW);
                let name = attempt.key().record_id();
                let completion = (0..writes).fold(Completion::new(), |completion, n| {
                    completion.write(store.effect(&format!("{name} {n}")))
                });
                let ledger = lossy(store, losses);
                let answer = match claimed {
                    true => complete(&ledger, lease(store.ledger(), attempt.clone()).await, completion).await,
                    false => complete(&ledger, attempt.clone(), completion).await,
                };
                assert_eq!(
                    answer,
                    Answer::Applied,
                    "{losses:?}, {writes} writes, claimed: {claimed}"
                );
                for n in 0..writes {
                    assert_eq!(store.effects(&format!("{name} {n}")).await, 1, "{losses:?}");
                }
            }
        }
    }
}

/// Promise 4.
pub async fn a_release_is_made_despite_losses(store: &Arc<impl UnderTest>) {
    let _shows = Shows("promise 4");
    for losses in LOSSES {
        let key = fresh_key();
        let held = lease(store.ledger(), attempt(&key, NOW)).await;
        assert_eq!(
            release(&lossy(store, losses), held).await,
            Answer::Applied,
            "{losses:?}"
        );
        assert_eq!(store.record(&key).await, None, "{losses:?}");
    }
}

/// Promise 4, under a lease and without a claim.
pub async fn a_rejection_is_made_despite_losses(store: &Arc<impl UnderTest>) {
    let _shows = Shows("promise 4");
    for losses in LOSSES {
        let ledger = lossy(store, losses);
        let held = lease(store.ledger(), attempt(&fresh_key(), NOW)).await;
        assert_eq!(reject(&ledger, held, "why").await, Answer::Applied, "{losses:?}");
        let ledger = lossy(store, losses);
        let unclaimed = attempt(&fresh_key(), NOW);
        assert_eq!(reject(&ledger, unclaimed, "why").await, Answer::Applied, "{losses:?}");
    }
}

/// Promises 1 and 4.
pub async fn an_extension_is_made_despite_losses(store: &Arc<impl UnderTest>) {
    let _shows = Shows("promises 1 and 4");
    for losses in LOSSES {
        let key = fresh_key();
        let mut held = lease(store.ledger(), attempt(&key, NOW)).await;
        let extended = lossy(store, losses).extend(&mut held, AFTER_LEASE, soon()).await;
        assert!(extended.unwrap(), "{losses:?}");
        let record = store.record(&key).await.unwrap();
        assert_eq!(record.lease_end, Some(AFTER_LEASE), "{losses:?}");
    }
}

/// Promises 3 and 4.
pub async fn a_duplicate_stays_one_despite_losses(store: &Arc<impl UnderTest>) {
    let _shows = Shows("promises 3 and 4");
    for losses in LOSSES {
        let key = fresh_key();
        let completion = || Completion::new().write(store.effect(key.record_id()));
        let first = complete(store.ledger(), attempt(&key, NOW), completion()).await;
        assert_eq!(first, Answer::Applied);
        let ledger = lossy(store, losses);
        let again = complete(&ledger, attempt(&key, AFTER_LEASE), completion()).await;
        assert!(matches!(again, Answer::NotFree(_)), "{losses:?}: {again:?}");
        let ledger = lossy(store, losses);
        let claim = ledger.claim(&attempt(&key, AFTER_LEASE), soon()).await.unwrap();
        assert!(matches!(claim, Claim::NotFree(_)), "{losses:?}: {claim:?}");
        assert_eq!(store.effects(key.record_id()).await, 1, "{losses:?}");
    }
}
