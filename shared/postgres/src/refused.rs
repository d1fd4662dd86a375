//! Why a transaction was not committed.

use idempotency::{Answer, Refusal, StoreError, Write};
use tokio_postgres::Error;
use tokio_postgres::error::DbError;

use crate::failure::{described, failure};
use crate::statements::signature;
use crate::transaction::Transaction;
use crate::{Found, SqlWrite};

/// What it means that the statement of a write failed.
pub(crate) fn by_write(of: &Transaction<'_>, position: usize, error: &Error) -> Result<Answer, StoreError> {
    let about = match of.change.writes.get(position) {
        Some(write) => format!("write {position}: {}", write.beginning()),
        None => "a write".to_owned(),
    };
    let failed: Vec<_> = of.change.writes.iter().skip(position).take(1).collect();
    answer(of, error, &failed, &about)
}

/// What it means that `COMMIT` failed: the condition of all writes together.
pub(crate) fn by_commit(of: &Transaction<'_>, error: &Error) -> Result<Answer, StoreError> {
    let all: Vec<_> = of.change.writes.iter().collect();
    answer(of, error, &all, "at the end of the transaction")
}

fn answer(of: &Transaction<'_>, error: &Error, writes: &[&SqlWrite], about: &str) -> Result<Answer, StoreError> {
    let failed = || Err(failure(error, Some(of.change.key), about));
    let Some(refused) = error.as_db_error() else {
        return failed();
    };
    if let Some(found) = found(refused, of.change.condition.owner().as_str()) {
        let refusals = writes.iter().map(|write| write.refusal(Some(&found)));
        return Refusal::combine(refusals).map_or_else(failed, |refusal| Ok(Answer::WriteRefused(refusal)));
    }
    match is_of_its_data(refused.code().code()) {
        true => Ok(Answer::WriteRefused(Refusal::Permanent(described(refused, about)))),
        false => failed(),
    }
}

/// The condition that failed; `None`: it was none.
fn found(error: &DbError, owner: &str) -> Option<Found> {
    let code = error.code().code();
    match code.get(..2)? {
        "22" => touched(error.message(), owner).map(|rows| Found::Touched { rows }),
        "23" | "44" => Some(Found::Constraint {
            name: error.constraint().unwrap_or_default().to_owned(),
            table: error.table().unwrap_or_default().to_owned(),
            code: code.to_owned(),
        }),
        class if class == "P0" || is_of_a_user(class) => Some(Found::Raised {
            code: code.to_owned(),
            message: error.message().to_owned(),
        }),
        _ => None,
    }
}

/// The number of rows in an error of ours.
fn touched(message: &str, owner: &str) -> Option<u64> {
    let (before, _) = message.split_once(&signature(owner))?;
    let (_, rows) = before.split_once("the statement touched ")?;
    rows.split(' ').next()?.parse().ok()
}

/// Classes of SQLSTATEs that neither the standard nor PostgreSQL uses begin with these characters: a function of the author's raised one
/// ([SQLSTATE](https://www.postgresql.org/docs/current/ecpg-errors.html#ECPG-SQLSTATE-SQLCODE)).
fn is_of_a_user(class: &str) -> bool {
    let reserved = ["XX", "P0", "HV", "F0"];
    class.starts_with(|first: char| matches!(first, '5'..='9' | 'I'..='Z'))
        && !reserved.contains(&class)
        && !matches!(class, "53" | "54" | "55" | "57" | "58" | "72")
}

/// A value that a type can't hold, or more than a limit allows: it would be refused again.
fn is_of_its_data(code: &str) -> bool {
    code.starts_with("22") || code.starts_with("54")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_error_of_this_attempt_states_a_number_of_rows() {
        let message = r#"invalid input syntax for type integer: "the statement touched 3 rows (attempt a-1)""#;
        assert_eq!(touched(message, "a-1"), Some(3));
        assert_eq!(touched(message, "a-2"), None);
        assert_eq!(touched("(attempt a-1)", "a-1"), None);
    }

    #[test]
    fn classes_of_postgresql_are_no_users() {
        for class in [
            "22", "23", "40", "42", "53", "54", "55", "57", "58", "72", "XX", "P0", "HV", "F0", "0A", "3D",
        ] {
            assert!(!is_of_a_user(class), "{class}");
        }
        for class in ["ZZ", "MY", "99"] {
            assert!(is_of_a_user(class), "{class}");
        }
    }
}
