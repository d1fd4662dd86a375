//! A ledger under test, and what can be seen of it from outside.

use std::future::Future;
use std::time::Duration;

use idempotency::{
    Answer, Attempt, Claim, Completion, Hold, Key, Lease, Ledger, Record, Refusal, Settled, Store, Timestamp,
};
use tokio::time::Instant;
use uuid::Uuid;

/// The writes of a store under test.
pub type WriteOf<U> = <<U as UnderTest>::Store as Store>::Write;

/// A store under test: what its author provides to run the suite.
pub trait UnderTest: Send + Sync + 'static {
    /// The store.
    type Store: Store;

    /// The ledger in the store.
    fn ledger(&self) -> &Ledger<Self::Store>;

    /// A write that, unlike most, shows when it is applied twice: it adds one to the counter of this name.
    fn effect(&self, name: &str) -> WriteOf<Self>;

    /// The same write with a condition that never holds. The failed condition has this meaning.
    ///
    /// It is always the second write of its completion, so that a store that tests no conditions can refuse it by other
    /// means.
    fn refused_effect(&self, name: &str, refusal: Refusal) -> WriteOf<Self>;

    /// How often a write of [`effect`](Self::effect) of this name was applied.
    fn effects(&self, name: &str) -> impl Future<Output = usize> + Send;

    /// The record of a key as the store has it, expired or not.
    fn record(&self, key: &Key) -> impl Future<Output = Option<Record>> + Send;
}

/// Later than any lease here, long before any expiry.
pub const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);
/// How long a lease of [`attempt`] lasts.
pub const LEASE: Duration = Duration::from_secs(30);
/// When a lease that begins [`NOW`] is over.
pub const AFTER_LEASE: Timestamp = Timestamp::from_millis(1_700_000_030_001);

/// A key that no other test uses, nor an earlier run against the same table.
pub fn fresh_key() -> Key {
    Key::new("contract", &Uuid::new_v4().to_string()).unwrap()
}

/// An attempt at a key whose lease would last for [`LEASE`].
pub fn attempt(key: &Key, now: Timestamp) -> Attempt {
    Attempt::new(key.clone(), now, now.plus(LEASE))
}

/// The deadline of a request that should be answered, however busy the machine.
pub fn soon() -> Instant {
    Instant::now() + Duration::from_secs(60)
}

/// A lease, which must be granted.
pub async fn lease(ledger: &Ledger<impl Store>, attempt: Attempt) -> Lease {
    match ledger.claim(&attempt, soon()).await.unwrap() {
        Claim::Granted(lease) => lease,
        Claim::NotFree(existing) => panic!("the claim was refused: {existing:?}"),
    }
}

/// The store's answer to a completion.
pub async fn complete<S: Store>(ledger: &Ledger<S>, hold: impl Into<Hold>, completion: Completion<S::Write>) -> Answer {
    let sealed = ledger.seal(hold, completion).unwrap();
    answer(ledger.complete(sealed, soon()).await.unwrap())
}

/// The store's answer to a rejection.
pub async fn reject(ledger: &Ledger<impl Store>, hold: impl Into<Hold>, why: &str) -> Answer {
    answer(ledger.reject(hold, why, soon()).await.unwrap())
}

/// The store's answer to a release.
pub async fn release(ledger: &Ledger<impl Store>, hold: impl Into<Hold>) -> Answer {
    answer(ledger.release(hold, soon()).await.unwrap())
}

/// The answer without what it returns: writes can't be compared.
fn answer<H>(settled: Settled<H>) -> Answer {
    match settled {
        Settled::Done => Answer::Applied,
        Settled::Lost => Answer::Lost,
        Settled::NotFree(_, existing) => Answer::NotFree(existing),
        Settled::Refused(_, refusal) => Answer::WriteRefused(refusal),
    }
}
