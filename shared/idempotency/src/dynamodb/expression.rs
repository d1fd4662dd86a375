//! The conditions of [`decide`](crate::decide) as condition expressions.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;

use super::item::{EXPIRATION, FINGERPRINT, ID, LEASE_END, OWNER, STATUS, number, text};
use super::map::map;
use crate::{Attempt, Condition, OwnerToken, Status, Timestamp};

/// A condition expression with its names and values.
pub(super) struct Expression {
    pub(super) text: String,
    /// For the attributes whose names are reserved words.
    pub(super) names: HashMap<String, String>,
    pub(super) values: HashMap<String, AttributeValue>,
}

impl Expression {
    pub(super) fn of(condition: &Condition<'_>) -> Self {
        match condition {
            Condition::Free(attempt) => free(attempt),
            Condition::Held(owner) => held(owner),
            Condition::HeldUntil(owner, end) => held_until(owner, *end),
        }
    }
}

fn free(attempt: &Attempt) -> Expression {
    let mut values = map([
        (":now_seconds", number(attempt.now().seconds())),
        (":now_millis", number(attempt.now().millis())),
        (":in_progress", text(Status::InProgress.word())),
    ]);
    let same_payload = match attempt.fingerprint() {
        Some(fingerprint) => {
            values.insert(":fingerprint".to_owned(), text(fingerprint));
            format!(" AND (attribute_not_exists({FINGERPRINT}) OR {FINGERPRINT} = :fingerprint)")
        }
        None => String::new(),
    };
    Expression {
        text: format!(
            "attribute_not_exists({ID}) OR {EXPIRATION} < :now_seconds \
             OR (#status = :in_progress AND {LEASE_END} < :now_millis{same_payload})"
        ),
        names: map([("#status", STATUS.to_owned())]),
        values,
    }
}

fn held(owner: &OwnerToken) -> Expression {
    Expression {
        text: "#owner = :owner AND #status = :in_progress".to_owned(),
        names: map([("#owner", OWNER.to_owned()), ("#status", STATUS.to_owned())]),
        values: map([
            (":owner", text(owner.as_str())),
            (":in_progress", text(Status::InProgress.word())),
        ]),
    }
}

fn held_until(owner: &OwnerToken, end: Timestamp) -> Expression {
    let mut expression = held(owner);
    expression.text.push_str(" AND ");
    expression.text.push_str(LEASE_END);
    expression.text.push_str(" <= :lease_end");
    expression.values.insert(":lease_end".to_owned(), number(end.millis()));
    expression
}
