//! Records in a PostgreSQL table.

use std::fmt;
use std::sync::Arc;

use crate::failure::{conflict, failure};
use crate::fits;
use crate::pipeline::{Answers, Request};
use crate::pool::Pool;
use crate::record::{self, COLUMNS, text};
use crate::statements::{self, Statement};
use crate::table::Table;
use crate::transaction::Transaction;
use crate::{Settings, SqlWrite};
use idempotency::{Answer, Change, Decision, Key, Record, Refusal, Store, StoreError, StoreFor, TooLarge, decide};

/// Records in a table of PostgreSQL, version 13 or later, in a database with the encoding UTF8.
///
/// A change is one statement. With writes it is one transaction, all of whose statements are sent at once: one round trip, too. A refused
/// change returns the record that refused it.
///
/// Copies share their connections, which are opened when they are needed.
#[derive(Clone)]
pub struct PostgresStore {
    pub(crate) pool: Arc<Pool>,
}

impl PostgresStore {
    /// The records in the table of these settings. Nothing is connected yet.
    pub fn new(settings: Settings) -> Self {
        Self {
            pool: Pool::new(settings),
        }
    }

    /// Creates the table and its index, unless they exist: the statements of `schema.sql`. The schema of the table must exist.
    ///
    /// # Errors
    ///
    /// [`StoreError::Refused`] if the role may not create tables; others may pass.
    pub async fn create_schema(&self) -> Result<(), StoreError> {
        // `CREATE INDEX IF NOT EXISTS` waits for all transactions that write to the table, and all others wait for it.
        let exists = Statement {
            text: "SELECT 1 WHERE to_regclass($1) IS NOT NULL AND to_regclass($2) IS NOT NULL".to_owned(),
            parameters: vec![text(&self.table().to_string()), text(&self.table().index())],
        };
        if self.exchange(&[Request::Query(&exists)], None).await?.row(0).is_some() {
            return Ok(());
        }
        // Two processes that create it at the same time would be in each other's way.
        let creation = format!("SELECT pg_advisory_xact_lock({CREATION}); {}", self.table().creation());
        self.exchange(&[Request::Simple(&creation)], None).await.map(drop)
    }

    /// Opens a connection, and finds out whether the table can be used: its columns, the role's privileges, the database's encoding.
    ///
    /// # Errors
    ///
    /// [`StoreError::Refused`] names what is wrong; others may pass.
    pub async fn connect(&self) -> Result<(), StoreError> {
        let columns = format!("SELECT {} FROM {} WHERE false", COLUMNS.join(", "), self.table());
        let facts = Statement {
            text: "SELECT current_setting('server_encoding'), \
                   (SELECT string_agg(needed, ', ') FROM unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) AS needed \
                   WHERE NOT has_table_privilege($1, needed))"
                .to_owned(),
            parameters: vec![text(&self.table().to_string())],
        };
        let requests = [Request::Simple(&columns), Request::Query(&facts)];
        let answers = self.exchange(&requests, None).await?;
        let refused = |why: String| StoreError::Refused(why.into());
        let fact = |column: usize| {
            answers
                .row(1)
                .and_then(|row| row.try_get::<_, Option<String>>(column).ok().flatten())
        };
        match (fact(0).as_deref(), fact(1)) {
            (Some("UTF8"), None) => Ok(()),
            (Some("UTF8"), Some(missing)) => Err(refused(format!(
                "the role may not {missing} on table {}; grant it",
                self.table().plain()
            ))),
            (encoding, _) => Err(refused(format!(
                "the database has the encoding {}; UTF8 is needed",
                encoding.unwrap_or_default()
            ))),
        }
    }

    /// Whether the database has a table of this name, as a statement without quotation marks names it: `orders`, `app.orders`.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if there was no answer.
    pub async fn has_table(&self, name: &str) -> Result<bool, StoreError> {
        let exists = Statement {
            text: "SELECT 1 WHERE to_regclass($1) IS NOT NULL".to_owned(),
            parameters: vec![text(name)],
        };
        Ok(self.exchange(&[Request::Query(&exists)], None).await?.row(0).is_some())
    }

    /// A key's record as it is now; `None`: there is none.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the table gave no answer, or refused the request, or the row is no record.
    pub async fn record(&self, key: &Key) -> Result<Option<Record>, StoreError> {
        self.record_of(&statements::read(self.table(), key), key).await
    }

    async fn put(&self, change: &Change<'_, SqlWrite>, record: &Record) -> Result<Answer, StoreError> {
        let statement = statements::put(self.table(), change, record)?;
        let there = self.record_of(&statement, change.key).await?;
        let is_mine =
            |there: &Record| there.owner.as_ref() == Some(change.condition.owner()) && there.status == record.status;
        match there.as_ref().is_some_and(is_mine) {
            true => Ok(Answer::Applied),
            false => why(change, there.as_ref()),
        }
    }

    async fn delete(&self, change: &Change<'_, SqlWrite>) -> Result<Answer, StoreError> {
        let statement = statements::delete(self.table(), change);
        let answers = self.exchange(&[Request::Query(&statement)], Some(change.key)).await?;
        let row = answers.row(0);
        let there = row.map_or(Ok(None), |row| record::read(change.key, row))?;
        let deleted = row.and_then(|row| row.try_get::<_, i64>(COLUMNS.len()).ok());
        match (deleted, decide(there.as_ref(), change)) {
            (Some(1), _) => Ok(Answer::Applied),
            (_, Decision::Answer(answer)) => Ok(answer),
            // It changed while the statement waited for it: the record is the one from before.
            (_, Decision::Apply) if there.is_some() => Err(conflict(change.key)),
            (_, Decision::Apply) => Ok(Answer::Applied),
        }
    }

    async fn transact(&self, change: &Change<'_, SqlWrite>, record: &Record) -> Result<Answer, StoreError> {
        let unsendable = change.writes.iter().enumerate().find_map(|(position, write)| {
            Some(format!(
                "write {position}: {}: {}",
                write.beginning(),
                write.unsendable()?
            ))
        });
        if let Some(why) = unsendable {
            return Ok(Answer::WriteRefused(Refusal::Permanent(why)));
        }
        let transaction = Transaction::new(self.table(), change, record)?;
        let answers = self.pool.exchange(&transaction.requests()).await?;
        transaction.answer(&answers)
    }

    /// The record in the row that a statement returns.
    async fn record_of(&self, statement: &Statement, key: &Key) -> Result<Option<Record>, StoreError> {
        let answers = self.exchange(&[Request::Query(statement)], Some(key)).await?;
        answers.row(0).map_or(Ok(None), |row| record::read(key, row))
    }

    /// The answers, unless one is an error.
    pub(crate) async fn exchange(&self, requests: &[Request<'_>], key: Option<&Key>) -> Result<Answers, StoreError> {
        let answers = self.pool.exchange(requests).await?;
        match answers.first_error() {
            Some((_, error)) => Err(failure(error, key, &format!("table {}", self.table().plain()))),
            None => Ok(answers),
        }
    }

    pub(crate) fn table(&self) -> &Table {
        &self.pool.settings().table
    }
}

/// The key of an advisory lock, which no other program should use: "ledger" in ASCII.
const CREATION: u64 = 0x6c65_6467_6572;

/// Why a change was not made, given the record that counts.
fn why(change: &Change<'_, SqlWrite>, record: Option<&Record>) -> Result<Answer, StoreError> {
    match decide(record, change) {
        Decision::Answer(answer) => Ok(answer),
        Decision::Apply => Err(StoreError::Inconsistent {
            id: change.key.record_id().to_owned(),
            why: "it refused a change that the record allows".to_owned(),
        }),
    }
}

impl Store for PostgresStore {
    type Write = SqlWrite;

    async fn change(&self, change: Change<'_, SqlWrite>) -> Result<Answer, StoreError> {
        match change.record {
            None => self.delete(&change).await,
            Some(record) if change.writes.is_empty() => self.put(&change, record).await,
            Some(record) => self.transact(&change, record).await,
        }
    }

    fn check(&self, key: &Key, record: &Record, writes: &[SqlWrite]) -> Result<(), TooLarge> {
        fits::check(key, record, writes.len())
    }
}

impl StoreFor<SqlWrite> for PostgresStore {
    type Store = Self;

    fn into_store(self) -> Self {
        self
    }
}

impl fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PostgresStore").field(self.pool.settings()).finish()
    }
}
