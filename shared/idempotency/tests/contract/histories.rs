//! The memory store runs the pure function, DynamoDB evaluates condition expressions. Both answer random histories
//! alike, including repeated requests and clocks that go back and forth (promises 1 to 4 and 8).

use std::time::Duration;

use idempotency::{Attempt, Claim, Completion, Key, Lease, Ledger, Store};
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;

use crate::dynamodb::{DynamoDb, lacks};
use crate::memory::Memory;
use crate::store::{NOW, UnderTest, complete, fresh_key, reject, release, soon};

/// What happens next. Attempts and leases are picked from the existing ones.
#[derive(Debug, Clone)]
enum Step {
    /// Makes an attempt, so many seconds after the beginning, and claims with it.
    Claim(Making),
    /// The second holder may extend its copy of the lease, without knowing how far the first has.
    ClaimAgain(prop::sample::Index, Option<u64>),
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
        3 => (pick(), prop::option::of(0..20_u64)).prop_map(|(attempt, seconds)| Step::ClaimAgain(attempt, seconds)),
        2 => making().prop_map(Step::Commit),
        1 => pick().prop_map(Step::CommitAgain),
        1 => making().prop_map(Step::RejectUnclaimed),
        3 => pick().prop_map(Step::Complete),
        2 => pick().prop_map(Step::Release),
        3 => (pick(), 0..20_u64).prop_map(|(lease, seconds)| Step::Extend(lease, seconds)),
        1 => pick().prop_map(Step::Reject),
    ]
}

/// A ledger and the leases it has granted. Claims made again are granted again, so that some leases are there twice, as
/// after a lost reply.
struct Side<'a, S> {
    ledger: &'a Ledger<S>,
    granted: Vec<Lease>,
}

impl<S: Store> Side<'_, S> {
    /// Takes the step, and returns its answer.
    async fn take(&mut self, step: &Step, made: Option<&Attempt>, attempts: &[Attempt]) -> String {
        let picked = |pick: &prop::sample::Index| (!attempts.is_empty()).then(|| pick.get(attempts));
        match (step, made) {
            (Step::Claim(_), Some(attempt)) => self.claim(attempt).await,
            (Step::Commit(_), Some(attempt)) => self.commit(attempt).await,
            (Step::RejectUnclaimed(_), Some(attempt)) => shown(&reject(self.ledger, attempt.clone(), "why").await),
            (Step::ClaimAgain(pick, seconds), _) => match picked(pick) {
                Some(attempt) => self.claim_again(attempt, *seconds).await,
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
        let claim = self.ledger.claim(attempt, soon()).await;
        let answer = shown(&claim);
        if let Ok(Claim::Granted(lease)) = claim {
            self.granted.push(lease);
        }
        answer
    }

    async fn claim_again(&mut self, attempt: &Attempt, seconds: Option<u64>) -> String {
        let granted = self.granted.len();
        let answer = self.claim(attempt).await;
        match (self.granted.len() > granted, seconds) {
            (true, Some(seconds)) => {
                let copy = self.granted.remove(granted);
                answer + &self.extend(copy, seconds).await
            }
            _ => answer,
        }
    }

    async fn commit(&self, attempt: &Attempt) -> String {
        shown(&complete(self.ledger, attempt.clone(), Completion::new().data("1")).await)
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
            Step::Complete(_) => shown(&complete(self.ledger, lease, Completion::new().data("2")).await),
            Step::Release(_) => shown(&release(self.ledger, lease).await),
            Step::Extend(_, seconds) => self.extend(lease, *seconds).await,
            _ => shown(&reject(self.ledger, lease, "why").await),
        }
    }

    async fn extend(&mut self, mut lease: Lease, seconds: u64) -> String {
        let extended = self
            .ledger
            .extend(&mut lease, NOW.plus(Duration::from_secs(seconds)), soon())
            .await;
        let answer = format!("{extended:?} {lease:?}");
        self.granted.push(lease);
        answer
    }
}

fn shown(answer: &impl std::fmt::Debug) -> String {
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

async fn both_answer_alike(store: &DynamoDb, steps: &[Step]) -> Result<(), TestCaseError> {
    let memory = Memory::new();
    let keys = [fresh_key(), fresh_key()];
    let mut expected = Side {
        ledger: memory.ledger(),
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
    for key in &keys {
        let (in_memory, in_dynamodb) = (memory.ledger().store().record(key), store.store().record(key).await);
        prop_assert_eq!(in_memory, in_dynamodb.unwrap());
    }
    Ok(())
}

#[test]
fn memory_and_dynamodb_answer_every_history_alike() {
    if lacks(&["old-items"]) {
        return;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let store = runtime.block_on(DynamoDb::start());
    let histories = prop::collection::vec(step(), 1..30);
    proptest!(ProptestConfig::with_cases(256), |(steps in histories)| {
        runtime.block_on(both_answer_alike(&store, &steps))?;
    });
}
