//! A completion with writes: one transaction, in one round trip.

use idempotency::{Answer, Change, Decision, Record, StoreError, decide};
use tokio_postgres::Error;

use crate::SqlWrite;
use crate::failure::{conflict, failure};
use crate::pipeline::{Answers, Request};
use crate::record;
use crate::refused::{by_commit, by_write};
use crate::statements::{Statement, begin, guard, read_for_update, write};
use crate::table::Table;

/// A change with writes, as statements.
pub(crate) struct Transaction<'a> {
    pub(crate) change: &'a Change<'a, SqlWrite>,
    table: &'a Table,
    begin: String,
    read: Statement,
    guard: Statement,
    writes: Vec<Statement>,
}

impl<'a> Transaction<'a> {
    pub(crate) fn new(table: &'a Table, change: &'a Change<'a, SqlWrite>, record: &Record) -> Result<Self, StoreError> {
        let owner = change.condition.owner().as_str();
        Ok(Self {
            change,
            table,
            begin: begin(owner),
            read: read_for_update(table, change.key),
            guard: guard(table, change, record)?,
            writes: change.writes.iter().map(|one| write(one, owner)).collect(),
        })
    }

    /// All statements, to be sent at once.
    ///
    /// An error makes the server skip the statements after it, up to `COMMIT`, which then rolls back.
    pub(crate) fn requests(&self) -> Vec<Request<'_>> {
        let statements = [&self.read, &self.guard].into_iter().chain(&self.writes);
        std::iter::once(Request::Simple(&self.begin))
            .chain(statements.map(Request::Query))
            .chain([Request::Simple("COMMIT")])
            .collect()
    }

    /// What the answers mean. It is applied only if no statement failed, for `COMMIT` itself does not fail after one that did.
    pub(crate) fn answer(&self, answers: &Answers) -> Result<Answer, StoreError> {
        let about = format!("table {}", self.table.plain());
        let Some((place, error)) = answers.first_error() else {
            return Ok(Answer::Applied);
        };
        match place {
            GUARD if is_refusal(error) => {
                let row = answers.row(READ);
                let there = row.map_or(Ok(None), |row| record::read(self.change.key, row))?;
                self.why(there.as_ref())
            }
            BEGIN..=GUARD => Err(failure(error, Some(self.change.key), &about)),
            place if place - FIRST_WRITE < self.writes.len() => by_write(self, place - FIRST_WRITE, error),
            _ => by_commit(self, error),
        }
    }

    /// Why the guard refused, given the record that was read before it.
    fn why(&self, record: Option<&Record>) -> Result<Answer, StoreError> {
        match decide(record, self.change) {
            Decision::Answer(answer) => Ok(answer),
            // It did not exist when it was read, so that it could not be locked: another transaction has written it since.
            Decision::Apply if record.is_none() => Err(conflict(self.change.key)),
            Decision::Apply => Err(StoreError::Inconsistent {
                id: self.change.key.record_id().to_owned(),
                why: "it refused a change that the record allows".to_owned(),
            }),
        }
    }
}

/// Places of the statements in their transaction.
const BEGIN: usize = 0;
const READ: usize = 1;
const GUARD: usize = 2;
const FIRST_WRITE: usize = 3;

/// The text of the guard's error is no number. Nothing else in it can fail like this.
fn is_refusal(error: &Error) -> bool {
    error.code().is_some_and(|code| code.code() == "22P02")
}
