//! A ledger under test, and what can be seen of it from outside.

use std::future::Future;
use std::time::Duration;

use aws_sdk_dynamodb::types::builders::UpdateBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, Update};
use idempotency::{
    Answer, Attempt, Claim, Completion, DynamoDbWrite, Hold, Key, Lease, Ledger, Refusal, Settled, Store, Timestamp,
};
use tokio::time::Instant;
use uuid::Uuid;

pub(crate) trait UnderTest: Send + Sync + 'static {
    type Store: Store<Write = DynamoDbWrite>;

    fn ledger(&self) -> &Ledger<Self::Store>;

    /// How often a write of [`effect`] of this name was applied.
    fn effects(&self, name: &str) -> impl Future<Output = usize> + Send;
}

/// A table for effects, beside the ledger's.
pub(crate) const EFFECTS: &str = "contract-effects";

/// A write that, unlike most, shows when it is applied twice.
pub(crate) fn effect(name: &str) -> DynamoDbWrite {
    DynamoDbWrite::update(update(name).build().unwrap())
}

/// The name of an effect.
pub(crate) fn name_of(effect: &DynamoDbWrite) -> String {
    effect.action().update().unwrap().key()["id"].as_s().unwrap().clone()
}

/// An effect that is always refused.
pub(crate) fn refused_effect(name: &str, refusal: Refusal) -> DynamoDbWrite {
    let impossible = update(name).condition_expression("attribute_exists(#n) AND attribute_not_exists(#n)");
    DynamoDbWrite::update(impossible.build().unwrap()).if_refused(move |_| refusal.clone())
}

fn update(name: &str) -> UpdateBuilder {
    Update::builder()
        .table_name(EFFECTS)
        .key("id", AttributeValue::S(name.to_owned()))
        .update_expression("ADD #n :one")
        .expression_attribute_names("#n", "n")
        .expression_attribute_values(":one", AttributeValue::N("1".to_owned()))
}

/// Later than any lease here, long before any expiry.
pub(crate) const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);
pub(crate) const LEASE: Duration = Duration::from_secs(30);
pub(crate) const AFTER_LEASE: Timestamp = Timestamp::from_millis(1_700_000_030_001);

/// A key that no other test uses, nor an earlier run against the same table.
pub(crate) fn fresh_key() -> Key {
    Key::new("contract", &Uuid::new_v4().to_string()).unwrap()
}

pub(crate) fn attempt(key: &Key, now: Timestamp) -> Attempt {
    Attempt::new(key.clone(), now, now.plus(LEASE))
}

/// The deadline of a request that should be answered, however busy the machine.
pub(crate) fn soon() -> Instant {
    Instant::now() + Duration::from_secs(60)
}

/// A lease, which must be granted.
pub(crate) async fn lease(ledger: &Ledger<impl Store>, attempt: Attempt) -> Lease {
    match ledger.claim(&attempt, soon()).await.unwrap() {
        Claim::Granted(lease) => lease,
        Claim::NotFree(existing) => panic!("the claim was refused: {existing:?}"),
    }
}

pub(crate) async fn complete<S: Store>(
    ledger: &Ledger<S>,
    hold: impl Into<Hold>,
    completion: Completion<S::Write>,
) -> Answer {
    let sealed = ledger.seal(hold, completion).unwrap();
    answer(ledger.complete(sealed, soon()).await.unwrap())
}

pub(crate) async fn reject(ledger: &Ledger<impl Store>, hold: impl Into<Hold>, why: &str) -> Answer {
    answer(ledger.reject(hold, why, soon()).await.unwrap())
}

pub(crate) async fn release(ledger: &Ledger<impl Store>, hold: impl Into<Hold>) -> Answer {
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
