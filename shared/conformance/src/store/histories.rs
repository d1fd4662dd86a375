//! One protocol: a store answers random histories as the pure function decides, including repeated requests, writes, outgoing
//! messages, and clocks that go back and forth (promises 1 to 4, 6 and 8).

use std::sync::Arc;
use std::time::Duration;

use idempotency::{Attempt, Claim, Completion, Key, Lease, OutgoingMessage};
use proptest::prelude::*;
use proptest::test_runner::{TestCaseError, TestRunner};
use tokio::runtime::Handle;

use super::pure::Pure;
use super::{NOW, UnderTest, WriteOf, complete, fresh_key, reject, release, soon};

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

/// An attempt, and whether it claimed its key first. One transaction has one request token, so an attempt with an effect
/// always does the same, as in the protocol.
struct Made {
    attempt: Attempt,
    claims: bool,
}

/// A ledger and the leases it has granted. Claims made again are granted again, so that some leases are there twice, as
/// after a lost reply.
struct Side<'a, U> {
    of: &'a U,
    /// Work of this key has an effect in a table; that of another key has none.
    with_effect: &'a Key,
    granted: Vec<Lease>,
}

impl<U: UnderTest> Side<'_, U> {
    /// Takes the step, and returns its answer.
    async fn take(&mut self, step: &Step, made: Option<&Attempt>, attempts: &[Made]) -> String {
        let picked = |pick: &prop::sample::Index, claims: bool| {
            let made = (!attempts.is_empty()).then(|| pick.get(attempts))?;
            let allowed = made.claims == claims || made.attempt.key() != self.with_effect;
            allowed.then_some(&made.attempt)
        };
        match (step, made) {
            (Step::Claim(_), Some(attempt)) => self.claim(attempt).await,
            (Step::Commit(_), Some(attempt)) => self.commit(attempt).await,
            (Step::RejectUnclaimed(_), Some(attempt)) => shown(&reject(self.of.ledger(), attempt.clone(), "why").await),
            (Step::ClaimAgain(pick, seconds), _) => match picked(pick, true) {
                Some(attempt) => self.claim_again(attempt, *seconds).await,
                None => String::new(),
            },
            (Step::CommitAgain(pick), _) => match picked(pick, false) {
                Some(attempt) => self.commit(attempt).await,
                None => String::new(),
            },
            (step, _) => self.settle(step).await,
        }
    }

    async fn claim(&mut self, attempt: &Attempt) -> String {
        let claim = self.of.ledger().claim(attempt, soon()).await;
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
        shown(&complete(self.of.ledger(), attempt.clone(), self.completion(attempt, "1")).await)
    }

    fn completion(&self, attempt: &Attempt, data: &str) -> Completion<WriteOf<U>> {
        let completion = Completion::new()
            .data(data.into())
            .send(OutgoingMessage::new("queue", data));
        match attempt.key() == self.with_effect {
            true => completion.write(self.of.effect(attempt.key().record_id())),
            false => completion,
        }
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
            Step::Complete(_) => {
                let completion = self.completion(lease.attempt(), "2");
                shown(&complete(self.of.ledger(), lease, completion).await)
            }
            Step::Release(_) => shown(&release(self.of.ledger(), lease).await),
            Step::Extend(_, seconds) => self.extend(lease, *seconds).await,
            _ => shown(&reject(self.of.ledger(), lease, "why").await),
        }
    }

    async fn extend(&mut self, mut lease: Lease, seconds: u64) -> String {
        let extended = self
            .of
            .ledger()
            .extend(&mut lease, NOW.plus(Duration::from_secs(seconds)), soon())
            .await;
        let answer = format!("{extended:?} {lease:?}");
        self.granted.push(lease);
        answer
    }
}

/// Which of the keys has an effect.
const WITH_EFFECT: usize = 0;

fn shown(answer: &impl std::fmt::Debug) -> String {
    format!("{answer:?}")
}

fn make(making: &Making, keys: &[Key]) -> Attempt {
    let now = NOW.plus(Duration::from_secs(making.seconds));
    // What has an effect does not expire: a store may know a repeated transaction for minutes, whatever came after it.
    let retention_seconds = making.retention_seconds + if making.key == WITH_EFFECT { 3600 } else { 0 };
    let attempt = Attempt::new(
        keys[making.key].clone(),
        now,
        now.plus(Duration::from_secs(making.lease_seconds)),
    )
    .with_retention(Duration::from_secs(retention_seconds));
    match making.fingerprint {
        Some(fingerprint) => attempt.with_fingerprint(fingerprint),
        None => attempt,
    }
}

/// The promise that another answer than this breaks.
fn promise_of(step: &Step, expected: &str) -> &'static str {
    let is_again = matches!(step, Step::ClaimAgain(..) | Step::CommitAgain(_));
    match expected {
        _ if expected.contains("OtherPayload") => "promise 8",
        _ if expected.contains("Completed") || expected.contains("Rejected") => "promise 3",
        _ if expected.contains("InProgress") => "promise 1",
        "Lost" => "promise 2",
        _ if is_again => "promise 4",
        _ if expected.starts_with("Ok(false)") => "promise 2",
        _ if expected.starts_with("Ok(true)") => "promise 1",
        _ => "promise 2 or 4",
    }
}

async fn answers_alike(store: &impl UnderTest, steps: &[Step]) -> Result<(), TestCaseError> {
    let pure = Pure::new();
    let keys = [fresh_key(), fresh_key()];
    let (mut decided, mut stored) = (side(&pure, &keys), side(store, &keys));
    let mut attempts = Vec::new();
    for (position, step) in steps.iter().enumerate() {
        let made = match step {
            Step::Claim(making) | Step::Commit(making) | Step::RejectUnclaimed(making) => Some(make(making, &keys)),
            _ => None,
        };
        let expected = decided.take(step, made.as_ref(), &attempts).await;
        prop_assert!(!expected.starts_with("Err"), "step {}: {}", position, expected);
        let answer = stored.take(step, made.as_ref(), &attempts).await;
        let broken = promise_of(step, &expected);
        prop_assert_eq!(&expected, &answer, "broken {}, step {}: {:?}", broken, position, step);
        attempts.extend(made.map(|attempt| Made {
            attempt,
            claims: matches!(step, Step::Claim(_)),
        }));
    }
    for key in &keys {
        prop_assert_eq!(
            pure.record(key).await,
            store.record(key).await,
            "broken promise 2 or 3: a record that no answer allows"
        );
        prop_assert_eq!(
            pure.effects(key.record_id()).await,
            store.effects(key.record_id()).await,
            "broken promise 6: writes committed"
        );
    }
    Ok(())
}

fn side<'a, U>(of: &'a U, keys: &'a [Key; 2]) -> Side<'a, U> {
    Side {
        of,
        with_effect: &keys[WITH_EFFECT],
        granted: Vec::new(),
    }
}

/// Promises 1 to 4, 6 and 8, in this many random histories. A history that is answered otherwise is shortened and printed.
pub async fn every_history_is_answered_as_decided<U: UnderTest>(store: &Arc<U>, histories: usize) {
    let (store, runtime) = (Arc::clone(store), Handle::current());
    let cases = u32::try_from(histories).unwrap();
    // proptest is not asynchronous.
    let compared = tokio::task::spawn_blocking(move || {
        let mut runner = TestRunner::new(ProptestConfig {
            cases,
            // The history is in the test's output; this crate's source is no place for files of others.
            failure_persistence: None,
            ..ProptestConfig::default()
        });
        let steps = prop::collection::vec(step(), 1..30);
        let compared = runner.run(&steps, |steps| runtime.block_on(answers_alike(&*store, &steps)));
        compared.map_err(|broken| broken.to_string())
    });
    if let Err(broken) = compared.await.unwrap() {
        panic!("{broken}");
    }
}
