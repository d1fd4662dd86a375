//! Writes to PostgreSQL tables.

use std::fmt;
use std::sync::Arc;

use idempotency::{Refusal, Write};

use crate::{Found, Parameter};

type Meaning = Arc<dyn Fn(Option<&Found>) -> Refusal + Send + Sync>;

/// A statement on the author's own tables, committed in one transaction with the completed record.
///
/// It must touch exactly one row, unless [`must_touch`](Self::must_touch) states another number. The server counts the
/// rows before it commits: with another number, nothing is committed.
#[derive(Clone)]
pub struct SqlWrite {
    statement: String,
    kind: Kind,
    parameters: Vec<Parameter>,
    must_touch: Option<u64>,
    /// `None`: not stated.
    meaning: Option<Meaning>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Change,
    Check,
}

impl SqlWrite {
    /// One `INSERT`, `UPDATE`, `DELETE` or, from PostgreSQL 17 on, `MERGE`, without a `RETURNING` clause. Parameters are
    /// `$1`, `$2` and so on.
    ///
    /// The statement becomes part of a larger one, which counts its rows. Therefore it is a single statement, and a `WITH`
    /// clause in it can only read.
    pub fn new(statement: impl Into<String>) -> Self {
        Self::of(Kind::Change, statement.into())
    }

    /// Change nothing, but refuse the whole completion unless this `SELECT` returns one row, or as many as
    /// [`must_touch`](Self::must_touch) states.
    ///
    /// With `FOR SHARE` the rows stay as they were found until the completion is committed.
    pub fn check(query: impl Into<String>) -> Self {
        Self::of(Kind::Check, query.into())
    }

    fn of(kind: Kind, statement: String) -> Self {
        Self {
            statement,
            kind,
            parameters: Vec::new(),
            must_touch: Some(1),
            meaning: None,
        }
    }

    /// The value of the next parameter: of `$1`, then of `$2`.
    #[must_use]
    pub fn bind(mut self, value: impl Into<Parameter>) -> Self {
        self.parameters.push(value.into());
        self
    }

    /// How many rows it must touch. Otherwise the completion is refused.
    #[must_use]
    pub fn must_touch(self, rows: u64) -> Self {
        Self {
            must_touch: Some(rows),
            ..self
        }
    }

    /// Any number of rows is right, none included.
    #[must_use]
    pub fn may_touch_any_number(self) -> Self {
        Self {
            must_touch: None,
            ..self
        }
    }

    /// State what it means when PostgreSQL refuses this write, given what it found. Unless stated, it means a retry.
    ///
    /// A constraint that is checked at the end of the transaction (`DEFERRABLE`) belongs to no single write: the meanings
    /// that all writes of the completion give it are [combined](Refusal::combine).
    #[must_use]
    pub fn if_refused(self, meaning: impl Fn(Option<&Found>) -> Refusal + Send + Sync + 'static) -> Self {
        Self {
            meaning: Some(Arc::new(meaning)),
            ..self
        }
    }

    /// The statement as it was stated.
    pub fn statement(&self) -> &str {
        &self.statement
    }

    pub(crate) fn parameters(&self) -> &[Parameter] {
        &self.parameters
    }

    pub(crate) fn rows(&self) -> Option<u64> {
        self.must_touch
    }

    /// The statement as an expression of a `WITH` clause, which returns a row for each that it touches.
    pub(crate) fn returning(&self) -> String {
        let statement = self.statement.trim_end_matches([';', ' ', '\n', '\r', '\t']);
        match self.kind {
            // On lines of their own, because the statement may end with a comment.
            Kind::Change => format!("(\n{statement}\nRETURNING 1)"),
            Kind::Check => format!("(\n{statement}\n)"),
        }
    }

    /// Why no server would take it, judged without a request.
    pub(crate) fn unsendable(&self) -> Option<String> {
        if self.statement.contains('\0') {
            return Some("its statement contains a NUL character".to_owned());
        }
        if let Some(position) = self.parameters.iter().position(Parameter::has_nul) {
            let parameter = position + 1;
            return Some(format!(
                "the text of ${parameter} contains a NUL character, which PostgreSQL can't hold; bind bytes to a bytea column"
            ));
        }
        let (count, bytes) = (
            self.parameters.len(),
            self.parameters.iter().map(Parameter::bytes).sum::<usize>(),
        );
        if count > MAX_PARAMETERS {
            return Some(format!("it has {count} parameters of at most {MAX_PARAMETERS}"));
        }
        let bytes = bytes + self.statement.len();
        (bytes > MAX_BYTES).then(|| format!("statement and parameters have {bytes} bytes of at most {MAX_BYTES}"))
    }
}

/// The protocol counts parameters in 16 bits
/// ([Bind](https://www.postgresql.org/docs/current/protocol-message-formats.html)).
const MAX_PARAMETERS: usize = 65_535;

/// The server takes messages up to 1 GB, and needs as much memory again to convert one.
const MAX_BYTES: usize = 256 * 1024 * 1024;

impl Write for SqlWrite {
    type Found = Found;

    fn refusal(&self, found: Option<&Found>) -> Refusal {
        match &self.meaning {
            Some(meaning) => meaning(found),
            None => Refusal::Retry(self.not_made(found)),
        }
    }
}

impl SqlWrite {
    /// The beginning of the statement, without values, to find it in the source.
    pub(crate) fn beginning(&self) -> String {
        let words = self.statement.split_whitespace().collect::<Vec<_>>().join(" ");
        match words.char_indices().nth(60) {
            Some((end, _)) => format!("`{} ...`", &words[..end]),
            None => format!("`{words}`"),
        }
    }

    fn not_made(&self, found: Option<&Found>) -> String {
        let statement = self.beginning();
        match (found, self.must_touch) {
            (Some(Found::Touched { rows }), Some(expected)) => {
                format!("{statement} touched {rows} rows instead of {expected}")
            }
            (Some(Found::Constraint { name, table, code }), _) => {
                format!("{statement} violates constraint {name:?} of table {table:?} (SQLSTATE {code})")
            }
            (Some(Found::Raised { code, message }), _) => format!("{statement} raised {message:?} (SQLSTATE {code})"),
            _ => format!("{statement} was refused"),
        }
    }
}

/// Without the parameters' values, which may be personal data.
impl fmt::Debug for SqlWrite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqlWrite")
            .field("statement", &self.statement)
            .field("parameters", &self.parameters)
            .field("must_touch", &self.must_touch)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_states_statement_and_reason() {
        let write = SqlWrite::new("UPDATE stock\n  SET left = left - $1").bind(1);
        let touched = write.refusal(Some(&Found::Touched { rows: 0 }));
        let expected = "`UPDATE stock SET left = left - $1` touched 0 rows instead of 1";
        assert_eq!(touched, Refusal::Retry(expected.to_owned()));
        let found = Found::Constraint {
            name: "orders_pkey".to_owned(),
            table: "orders".to_owned(),
            code: "23505".to_owned(),
        };
        let expected = "`INSERT` violates constraint \"orders_pkey\" of table \"orders\" (SQLSTATE 23505)";
        assert_eq!(
            SqlWrite::new("INSERT").refusal(Some(&found)),
            Refusal::Retry(expected.to_owned())
        );
    }

    #[test]
    fn a_stated_meaning_gets_what_was_found() {
        let write = SqlWrite::new("INSERT").if_refused(|found| match found.and_then(Found::constraint) {
            Some("orders_pkey") => Refusal::AlreadyDone,
            _ => Refusal::Permanent("other".to_owned()),
        });
        let found = |name: &str| Found::Constraint {
            name: name.to_owned(),
            table: String::new(),
            code: String::new(),
        };
        assert_eq!(write.refusal(Some(&found("orders_pkey"))), Refusal::AlreadyDone);
        let other = Refusal::Permanent("other".to_owned());
        assert_eq!(write.refusal(Some(&found("orders_fkey"))), other);
        assert_eq!(write.refusal(None), other);
    }

    #[test]
    fn a_statement_that_ends_with_a_comment_stays_whole() {
        let write = SqlWrite::new("DELETE FROM t -- all of it; \n;");
        assert_eq!(write.returning(), "(\nDELETE FROM t -- all of it\nRETURNING 1)");
        assert_eq!(SqlWrite::check("SELECT 1;").returning(), "(\nSELECT 1\n)");
    }

    #[test]
    fn what_no_server_takes_is_found_without_a_request() {
        let write = SqlWrite::new("INSERT INTO t VALUES ($1, $2)").bind("a");
        assert_eq!(write.clone().bind(vec![0]).unsendable(), None);
        assert!(write.bind("b\0").unsendable().unwrap().starts_with("the text of $2"));
        assert!(SqlWrite::new("a\0").unsendable().unwrap().contains("statement"));
        let many = (0..=MAX_PARAMETERS).fold(SqlWrite::new(""), SqlWrite::bind_number);
        assert_eq!(many.unsendable().unwrap(), "it has 65536 parameters of at most 65535");
        let large = SqlWrite::new("").bind("x".repeat(MAX_BYTES + 1));
        assert!(large.unsendable().unwrap().contains("268435457 bytes"));
    }

    impl SqlWrite {
        fn bind_number(self, number: usize) -> Self {
            self.bind(number.to_string())
        }
    }

    #[test]
    fn debug_shows_no_value() {
        let write = SqlWrite::new("INSERT INTO t VALUES ($1)").bind("secret");
        assert!(!format!("{write:?}").contains("secret"));
    }
}
