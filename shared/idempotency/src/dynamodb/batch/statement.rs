//! Changes without writes as PartiQL statements.
//!
//! The conditions are those of single requests in another language
//! ([PartiQL](https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ql-reference.html)). Every name is quoted, because
//! some are reserved words.

use aws_sdk_dynamodb::error::BuildError;
use aws_sdk_dynamodb::types::{AttributeValue, BatchStatementRequest, ReturnValuesOnConditionCheckFailure};

use crate::dynamodb::item::{self, EXPIRATION, FINGERPRINT, ID, LEASE_END, OWNER, STATUS, number, text};
use crate::{Attempt, Condition, Key, OwnerToken, Record, Status};

/// A statement under construction: parameters are in the order of their question marks.
struct Statement {
    text: String,
    parameters: Vec<AttributeValue>,
}

/// Records a key that has no record. That it has one is all that a refusal states.
pub(super) fn insert(table: &str, key: &Key, record: &Record) -> Result<BatchStatementRequest, BuildError> {
    let mut statement = Statement::beginning(&["INSERT INTO \"", table, "\" VALUE {"]);
    let attributes = item::attributes(key, record);
    let present = attributes.into_iter().filter_map(|(name, value)| Some((name, value?)));
    for (position, (name, value)) in present.enumerate() {
        let separator = if position == 0 { "'" } else { ", '" };
        statement.push(&[separator, name, "': ?"], value);
    }
    statement.text.push('}');
    statement.build(None)
}

/// Replaces a key's record under a condition. A refusal shows the record; without a record, it is refused too.
pub(super) fn update(
    table: &str,
    key: &Key,
    condition: &Condition<'_>,
    record: &Record,
) -> Result<BatchStatementRequest, BuildError> {
    let mut statement = Statement::beginning(&["UPDATE \"", table, "\""]);
    // A claim of the owner's has the owner already, and of the optional attributes only the end of its lease.
    let held = !matches!(condition, Condition::Free(_));
    for (name, value) in item::attributes(key, record) {
        match value {
            _ if name == ID || held && name == OWNER => {}
            Some(value) => statement.push(&[" SET \"", name, "\" = ?"], value),
            None if held && name != LEASE_END => {}
            None => statement.push_text(&[" REMOVE \"", name, "\""]),
        }
    }
    statement.push(&[" WHERE \"", ID, "\" = ?"], text(key.record_id()));
    match condition {
        Condition::Free(attempt) => statement.replaceable(attempt),
        Condition::Held(owner) => statement.held(owner),
        Condition::HeldUntil(owner, end) => {
            statement.held(owner);
            statement.push(&[" AND \"", LEASE_END, "\" <= ?"], number(end.millis()));
        }
    }
    statement.build(Some(ReturnValuesOnConditionCheckFailure::AllOld))
}

impl Statement {
    fn beginning(parts: &[&str]) -> Self {
        let mut statement = Self {
            // Room for the longest, so that it grows once.
            text: String::with_capacity(512),
            parameters: Vec::with_capacity(16),
        };
        statement.push_text(parts);
        statement
    }

    fn push_text(&mut self, parts: &[&str]) {
        self.text.extend(parts.iter().copied());
    }

    fn push(&mut self, parts: &[&str], value: AttributeValue) {
        self.push_text(parts);
        self.parameters.push(value);
    }

    /// [`Condition::Free`] where there is a record: it has expired, or is a claim whose lease is over.
    fn replaceable(&mut self, attempt: &Attempt) {
        let in_progress = text(Status::InProgress.word());
        self.push(&[" AND (\"", EXPIRATION, "\" < ?"], number(attempt.now().seconds()));
        self.push(&[" OR (\"", STATUS, "\" = ?"], in_progress);
        self.push(&[" AND \"", LEASE_END, "\" < ?"], number(attempt.now().millis()));
        if let Some(fingerprint) = attempt.fingerprint() {
            self.push_text(&[" AND (\"", FINGERPRINT, "\" IS MISSING"]);
            self.push(&[" OR \"", FINGERPRINT, "\" = ?)"], text(fingerprint));
        }
        self.text.push_str("))");
    }

    fn held(&mut self, owner: &OwnerToken) {
        self.push(&[" AND \"", OWNER, "\" = ?"], text(owner.as_str()));
        self.push(&[" AND \"", STATUS, "\" = ?"], text(Status::InProgress.word()));
    }

    fn build(self, shown: Option<ReturnValuesOnConditionCheckFailure>) -> Result<BatchStatementRequest, BuildError> {
        BatchStatementRequest::builder()
            .statement(self.text)
            .set_parameters(Some(self.parameters))
            .set_return_values_on_condition_check_failure(shown)
            .build()
    }
}
