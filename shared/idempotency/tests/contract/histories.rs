//! The ledger in memory decides by the pure function, the one in DynamoDB by condition expressions: here the two are held
//! to each other over random histories, requests sent again and clocks that go back and forth included.

use std::time::Duration;

use idempotency::{Attempt, Claim, Completion, Key, Lease, Ledger, MemoryLedger};
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;

use crate::dynamodb::{DynamoDbStore, lacks};
use crate::store::{NOW, Store, fresh_key};

/// What is done next. Attempts and leases are picked from those there are.
#[derive(Debug, Clone)]
enum Step {
    /// Makes an attempt, so many seconds after the beginning, and claims with it.
    Claim(Making),
    ClaimAgain(prop::sample::Index),
    Commit(Making),
    CommitAgain(prop::sample::Index),
    RejectUnclaimed(Making),
    Complete(prop::sample::Index),
    Release(prop::sample::Index),
    Extend(prop::sample::Index, u64),
    Reject(prop::sample::Index),
}

#[derive(Debug, Clone)]
struct Making {
    key: usize,
    seconds: u64,
    lease_seconds: u64,
    retention_seconds: u64,
    fingerprint: Option<&'static str>,
}

fn making() -> impl Strategy<Value = Making> {
    // Small numbers, so that leases and records end at, before and after the times of other attempts.
    let fingerprint = prop_oneof![3 => Just(None), 1 => Just(Some("a")), 1 => Just(Some("b"))];
    (0..2_usize, 0..12_u64, 0..6_u64, 0..8_u64, fingerprint).prop_map(
        |(key, seconds, lease_seconds, retention_seconds, fingerprint)| Making {
            key,
            seconds,
            lease_seconds,
            retention_seconds,
            fingerprint,
        },
    )
}

fn step() -> impl Strategy<Value = Step> {
    let pick = any::<prop::sample::Index>;
    prop_oneof![
        6 => making().prop_map(Step::Claim),
        1 => pick().prop_map(Step::ClaimAgain),
        2 => making().prop_map(Step::Commit),
        1 => pick().prop_map(Step::CommitAgain),
        1 => making().prop_map(Step::RejectUnclaimed),
        3 => pick().prop_map(Step::Complete),
        2 => pick().prop_map(Step::Release),
        1 => (pick(), 0..20_u64).prop_map(|(lease, seconds)| Step::Extend(lease, seconds)),
        1 => pick().prop_map(Step::Reject),
    ]
}

/// A ledger and the leases it has granted. Claims made again are granted again, so that some leases are there twice, as
/// after a lost reply.
struct Side<'a, L> {
    ledger: &'a L,
    granted: Vec<Lease>,
}

impl<L: Ledger> Side<'_, L> {
    /// Does the step and says what came of it.
    async fn take(&mut self, step: &Step, made: Option<&Attempt>, attempts: &[Attempt]) -> String {
        let picked = |pick: &prop::sample::Index| (!attempts.is_empty()).then(|| pick.get(attempts));
        match (step, made) {
            (Step::Claim(_), Some(attempt)) => self.claim(attempt).await,
            (Step::Commit(_), Some(attempt)) => self.commit(attempt).await,
            (Step::RejectUnclaimed(_), Some(attempt)) => said(&self.ledger.reject_unclaimed(attempt, "why").await),
            (Step::ClaimAgain(pick), _) => match picked(pick) {
                Some(attempt) => self.claim(attempt).await,
                None => String::new(),
            },
            (Step::CommitAgain(pick), _) => match picked(pick) {
                Some(attempt) => self.commit(attempt).await,
                None => String::new(),
            },
            (step, _) => self.settle(step).await,
        }
    }

    async fn claim(&mut self, attempt: &Attempt) -> String {
        let claim = self.ledger.claim(attempt).await;
        let answer = said(&claim);
        if let Ok(Claim::Granted(lease)) = claim {
            self.granted.push(lease);
        }
        answer
    }

    async fn commit(&self, attempt: &Attempt) -> String {
        said(&self.ledger.commit(attempt, &Completion::new().data("1")).await)
    }

    async fn settle(&mut self, step: &Step) -> String {
        let (Step::Complete(pick) | Step::Release(pick) | Step::Extend(pick, _) | Step::Reject(pick)) = step else {
            return String::new();
        };
        if self.granted.is_empty() {
            return String::new();
        }
        let lease = self.granted.remove(pick.index(self.granted.len()));
        match step {
            Step::Complete(_) => said(&self.ledger.complete(lease, &Completion::new().data("2")).await),
            Step::Release(_) => said(&self.ledger.release(lease).await),
            Step::Extend(_, seconds) => self.extend(lease, *seconds).await,
            _ => said(&self.ledger.reject(lease, "why").await),
        }
    }

    async fn extend(&mut self, lease: Lease, seconds: u64) -> String {
        let extended = self.ledger.extend(lease, NOW.plus(Duration::from_secs(seconds))).await;
        let answer = said(&extended);
        self.granted.extend(extended.unwrap());
        answer
    }
}

fn said<T: std::fmt::Debug, E: std::fmt::Debug>(answer: &Result<T, E>) -> String {
    format!("{answer:?}")
}

fn make(making: &Making, keys: &[Key]) -> Attempt {
    let now = NOW.plus(Duration::from_secs(making.seconds));
    let attempt = Attempt::new(
        keys[making.key].clone(),
        now,
        now.plus(Duration::from_secs(making.lease_seconds)),
    )
    .with_retention(Duration::from_secs(making.retention_seconds));
    match making.fingerprint {
        Some(fingerprint) => attempt.with_fingerprint(fingerprint),
        None => attempt,
    }
}

async fn both_say_the_same(store: &DynamoDbStore, steps: &[Step]) -> Result<(), TestCaseError> {
    let memory = MemoryLedger::new();
    let keys = [fresh_key(), fresh_key()];
    let mut expected = Side {
        ledger: &memory,
        granted: Vec::new(),
    };
    let mut actual = Side {
        ledger: store.ledger(),
        granted: Vec::new(),
    };
    let mut attempts = Vec::new();
    for (position, step) in steps.iter().enumerate() {
        let made = match step {
            Step::Claim(making) | Step::Commit(making) | Step::RejectUnclaimed(making) => Some(make(making, &keys)),
            _ => None,
        };
        let in_memory = expected.take(step, made.as_ref(), &attempts).await;
        let in_dynamodb = actual.take(step, made.as_ref(), &attempts).await;
        prop_assert_eq!(&in_memory, &in_dynamodb, "step {}: {:?}", position, step);
        prop_assert!(!in_memory.starts_with("Err"), "step {}: {}", position, in_memory);
        attempts.extend(made);
    }
    Ok(())
}

#[test]
fn memory_and_dynamodb_say_the_same_through_every_history() {
    if lacks(&["old-items"]) {
        return;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let store = runtime.block_on(DynamoDbStore::start());
    let histories = prop::collection::vec(step(), 1..30);
    proptest!(ProptestConfig::with_cases(256), |(steps in histories)| {
        runtime.block_on(both_say_the_same(&store, &steps))?;
    });
}
