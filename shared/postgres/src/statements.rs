//! The store's statements.

use idempotency::{Change, Condition, Key, Record, StoreError};

use crate::SqlWrite;
use crate::condition::Expression;
use crate::record::{COLUMNS, Typed, id, values};
use crate::table::{Table, literal};

/// A statement and the values of its parameters.
pub(crate) struct Statement {
    pub(crate) text: String,
    pub(crate) parameters: Vec<Typed>,
}

/// The columns of the record, as the alias `l` has them.
fn columns() -> String {
    COLUMNS.map(|column| format!("l.{column}")).join(", ")
}

/// The columns that a change sets, each with the position of its parameter.
fn assigned(value: impl Fn(&str, usize) -> String) -> String {
    let columns = COLUMNS.iter().zip(1..).skip(1);
    let assigned = columns.map(|(column, position)| format!("{column} = {}", value(column, position)));
    assigned.collect::<Vec<_>>().join(", ")
}

/// `INSERT` of a new record, up to what to do if one exists.
fn insert(table: &Table) -> String {
    let positions = (1..=COLUMNS.len()).map(|position| format!("${position}"));
    format!(
        "INSERT INTO {table} AS l ({}) VALUES ({}) ON CONFLICT (id) DO UPDATE SET ",
        COLUMNS.join(", "),
        positions.collect::<Vec<_>>().join(", ")
    )
}

/// Writes the new record if the condition holds, and otherwise the existing one again: the row that is returned is always the one that
/// counts, also if it was committed after the statement began.
pub(crate) fn put<W>(table: &Table, change: &Change<'_, W>, record: &Record) -> Result<Statement, StoreError> {
    let condition = Expression::of(change.condition, COLUMNS.len() + 1);
    let chosen =
        assigned(|column, position| format!("CASE WHEN {} THEN ${position} ELSE l.{column} END", condition.text));
    let returned = columns();
    let text = match change.condition {
        Condition::Free(_) => format!("{}{chosen} RETURNING {returned}", insert(table)),
        Condition::Held(_) | Condition::HeldUntil(..) => {
            format!("UPDATE {table} AS l SET {chosen} WHERE l.id = $1 RETURNING {returned}")
        }
    };
    let mut parameters = values(change.key, record)?;
    parameters.extend(condition.parameters);
    Ok(Statement { text, parameters })
}

/// Deletes the record if the condition holds. Returns one row: the record as it was before, and how many were deleted.
pub(crate) fn delete<W>(table: &Table, change: &Change<'_, W>) -> Statement {
    let condition = Expression::of(change.condition, 2);
    let mut parameters = vec![id(change.key)];
    parameters.extend(condition.parameters);
    Statement {
        text: format!(
            "WITH gone AS (DELETE FROM {table} AS l WHERE l.id = $1 AND ({}) RETURNING 1) \
             SELECT {}, (SELECT count(*) FROM gone) FROM (SELECT 1) AS one LEFT JOIN {table} AS l ON l.id = $1",
            condition.text,
            columns()
        ),
        parameters,
    }
}

/// Reads a record.
pub(crate) fn read(table: &Table, key: &Key) -> Statement {
    Statement {
        text: format!("SELECT {} FROM {table} AS l WHERE l.id = $1", columns()),
        parameters: vec![id(key)],
    }
}

/// Reads the record that a transaction is about to change, and keeps others from changing it.
pub(crate) fn read_for_update(table: &Table, key: &Key) -> Statement {
    let mut statement = read(table, key);
    statement.text += " FOR UPDATE";
    statement
}

/// Begins the transaction of an attempt. One message: if `BEGIN` fails, the rest is not run. Then the statements after it, which would
/// otherwise be transactions of their own, miss the setting and fail.
pub(crate) fn begin(owner: &str) -> String {
    format!("BEGIN; SET LOCAL {ATTEMPT} = {}", literal(owner))
}

/// A setting of the transaction, which ends with it.
const ATTEMPT: &str = "ledger.attempt";

/// How an error of ours ends: no message's content can contain it.
pub(crate) fn signature(owner: &str) -> String {
    format!("(attempt {owner})")
}

/// Changes the record in a transaction, and fails unless the condition holds.
pub(crate) fn guard<W>(table: &Table, change: &Change<'_, W>, record: &Record) -> Result<Statement, StoreError> {
    let condition = Expression::of(change.condition, COLUMNS.len() + 1);
    let set = assigned(|_, position| format!("${position}"));
    let text = match change.condition {
        Condition::Free(_) => format!("({}{set} WHERE {} RETURNING 1)", insert(table), condition.text),
        Condition::Held(_) | Condition::HeldUntil(..) => format!(
            "(UPDATE {table} AS l SET {set} WHERE l.id = $1 AND ({}) RETURNING 1)",
            condition.text
        ),
    };
    let mut parameters = values(change.key, record)?;
    parameters.extend(condition.parameters);
    let refused = "'the key is not free, or the claim is lost: ' || count(*) || ' records changed'";
    Ok(Statement {
        text: counted(&text, Some(1), refused, change.condition.owner().as_str()),
        parameters,
    })
}

/// Makes a write in the transaction, and fails if it touches another number of rows than it must.
pub(crate) fn write(write: &SqlWrite, owner: &str) -> Statement {
    let parameters = write.parameters().iter();
    let touched = "'the statement touched ' || count(*) || ' rows'";
    Statement {
        text: counted(&write.returning(), write.rows(), touched, owner),
        parameters: parameters.map(|value| (value.clone(), value.declared())).collect(),
    }
}

/// A statement that fails unless this one returns so many rows in the transaction of the attempt. PostgreSQL can't raise an error outside a
/// function: a text that is no number does. The error states the text.
fn counted(statement: &str, rows: Option<u64>, refused: &str, owner: &str) -> String {
    let outside = literal(&format!("not in its transaction {}", signature(owner)));
    let wrong = match rows {
        Some(rows) => {
            let signature = literal(&format!(" {}", signature(owner)));
            format!(" WHEN count(*) <> {rows} THEN ({refused} || {signature})::int")
        }
        None => String::new(),
    };
    format!(
        "WITH touched AS {statement} SELECT CASE WHEN current_setting('{ATTEMPT}', true) IS DISTINCT FROM {} \
         THEN ({outside} || left(count(*)::text, 0))::int{wrong} ELSE 0 END FROM touched",
        literal(owner)
    )
}
