//! The conditions of [`decide`](idempotency::decide) in SQL.

use idempotency::{Attempt, Condition, OwnerToken, Status};

use crate::record::{Typed, number, optional_text, text};

/// A condition on the existing record, whose table has the alias `l`, and the values of its parameters. Where a column is null it
/// may be null, which counts as false.
pub(crate) struct Expression {
    pub(crate) text: String,
    pub(crate) parameters: Vec<Typed>,
}

impl Expression {
    /// The condition, with parameters from `$first` on.
    pub(crate) fn of(condition: Condition<'_>, first: usize) -> Self {
        match condition {
            Condition::Free(attempt) => free(attempt, first),
            Condition::Held(owner) => held(owner, first),
            Condition::HeldUntil(owner, end) => {
                let mut expression = held(owner, first);
                expression.text += &format!(" AND l.in_progress_expiration <= ${}", first + 1);
                expression.parameters.push(number(end.millis()));
                expression
            }
        }
    }
}

fn free(attempt: &Attempt, first: usize) -> Expression {
    let (seconds, millis, fingerprint) = (first, first + 1, first + 2);
    let in_progress = Status::InProgress.word();
    Expression {
        text: format!(
            "l.expiration < ${seconds} OR (l.status = '{in_progress}' AND l.in_progress_expiration < ${millis} \
             AND (l.validation IS NULL OR ${fingerprint} IS NULL OR l.validation = ${fingerprint}))"
        ),
        parameters: vec![
            number(attempt.now().seconds()),
            number(attempt.now().millis()),
            optional_text(attempt.fingerprint()),
        ],
    }
}

fn held(owner: &OwnerToken, first: usize) -> Expression {
    Expression {
        text: format!("l.owner = ${first} AND l.status = '{}'", Status::InProgress.word()),
        parameters: vec![text(owner.as_str())],
    }
}
