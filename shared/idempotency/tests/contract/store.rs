//! A ledger under test, and what can be seen of it from outside.

use std::future::Future;
use std::time::Duration;

use aws_sdk_dynamodb::types::{AttributeValue, Update};
use idempotency::{Attempt, Claim, Key, Lease, Ledger, Refusal, Timestamp, Write};
use uuid::Uuid;

pub(crate) trait Store: Send + Sync + 'static {
    type Ledger: Ledger;

    fn ledger(&self) -> &Self::Ledger;

    /// How often a write of [`effect`] of this name was applied.
    fn effects(&self, name: &str) -> impl Future<Output = usize> + Send;
}

/// A table for effects, beside the ledger's.
pub(crate) const EFFECTS: &str = "contract-effects";

/// A write that, unlike most, shows when it is applied twice.
pub(crate) fn effect(name: &str) -> Write {
    Write::update(update(name).build().unwrap())
}

/// The same, but refused wherever it is applied.
pub(crate) fn refused_effect(name: &str, refusal: Refusal) -> Write {
    let impossible = update(name).condition_expression("attribute_exists(#n) AND attribute_not_exists(#n)");
    Write::update(impossible.build().unwrap()).if_refused(move |_| refusal.clone())
}

fn update(name: &str) -> aws_sdk_dynamodb::types::builders::UpdateBuilder {
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

/// A lease, which must be granted.
pub(crate) async fn lease(ledger: &impl Ledger, attempt: Attempt) -> Lease {
    match ledger.claim(&attempt).await.unwrap() {
        Claim::Granted(lease) => lease,
        Claim::Refused(standing) => panic!("the claim was refused: {standing:?}"),
    }
}
