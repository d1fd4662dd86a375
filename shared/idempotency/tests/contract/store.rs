//! What the tests of this crate need of the suite, and effects in a DynamoDB table.

use aws_sdk_dynamodb::types::builders::UpdateBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, Update};
pub(crate) use conformance::store::{
    AFTER_LEASE, LEASE, NOW, Shows, UnderTest, attempt, complete, fresh_key, lease, reject, release, soon,
};
use idempotency::{DynamoDbWrite, Refusal};

/// A table for effects, beside the ledger's.
pub(crate) const EFFECTS: &str = "contract-effects";

/// A write that, unlike most, shows when it is applied twice.
pub(crate) fn effect(name: &str) -> DynamoDbWrite {
    DynamoDbWrite::update(update(name).build().unwrap())
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
