//! Changes without writes as PartiQL statements.
//!
//! The conditions are those of single requests in another language
//! ([PartiQL](https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ql-reference.html)). Names are quoted that are
//! [reserved words](https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ReservedWords.html), and no others: in the
//! JSON of a request each quotation mark is escaped.

use aws_sdk_dynamodb::error::BuildError;
use aws_sdk_dynamodb::types::{AttributeValue, BatchStatementRequest, ReturnValuesOnConditionCheckFailure};

use crate::dynamodb::item::{self, DATA, FINGERPRINT, LEASE_END, OWNER, number, text};
use crate::{Attempt, Condition, Key, OwnerToken, Record};

/// A statement under construction: parameters are in the order of their question marks.
struct Statement {
    text: String,
    parameters: Vec<AttributeValue>,
}

/// Records a key that has no record. That it has one is all that a refusal states.
pub(super) fn insert(table: &str, key: &Key, record: &Record) -> Result<BatchStatementRequest, BuildError> {
    let mut statement = Statement::beginning("INSERT INTO", table);
    statement.push_text(&[" VALUE {'status':'", record.status.word(), "'"]);
    statement.push(&[",'id':?"], text(key.record_id()));
    for (name, value) in item::attributes(record) {
        if let Some(value) = value {
            statement.push(&[",'", name, "':?"], value.into());
        }
    }
    statement.text.push('}');
    statement.build(None)
}

/// Replaces a key's record under a condition; without a record, it is refused. A refusal shows the record, unless it is a claim of
/// the owner's that should be there: then a refusal is rare, and not worth its part of each request.
pub(super) fn update(
    table: &str,
    key: &Key,
    condition: &Condition<'_>,
    record: &Record,
) -> Result<BatchStatementRequest, BuildError> {
    let mut statement = Statement::beginning("UPDATE", table);
    statement.push_text(&[" SET \"status\"='", record.status.word(), "'"]);
    // A claim of the owner's has the owner and the fingerprint already, and no other optional attribute but the end of its lease.
    let held = !matches!(condition, Condition::Free(_));
    for (name, value) in item::attributes(record) {
        match value {
            _ if held && [OWNER, FINGERPRINT].contains(&name) => {}
            Some(value) => statement.push(&[" SET ", quoted(name), "=?"], value.into()),
            None if held && name != LEASE_END => {}
            None => statement.push_text(&[" REMOVE ", quoted(name)]),
        }
    }
    statement.push(&[" WHERE id=?"], text(key.record_id()));
    match condition {
        Condition::Free(attempt) => statement.replaceable(attempt),
        Condition::Held(owner) => statement.held(owner),
        Condition::HeldUntil(owner, end) => {
            statement.held(owner);
            statement.push(&[" AND in_progress_expiration<=?"], number(end.millis()));
        }
    }
    let shown = (!held).then_some(ReturnValuesOnConditionCheckFailure::AllOld);
    statement.build(shown)
}

/// The name of an attribute, quoted if it is a reserved word.
fn quoted(name: &'static str) -> &'static str {
    match name {
        OWNER => "\"owner\"",
        DATA => "\"data\"",
        other => other,
    }
}

impl Statement {
    fn beginning(verb: &str, table: &str) -> Self {
        let mut statement = Self {
            // Room for the longest, so that it grows once.
            text: String::with_capacity(512),
            parameters: Vec::with_capacity(16),
        };
        statement.push_text(&[verb, " \"", table, "\""]);
        statement
    }

    fn push_text(&mut self, parts: &[&str]) {
        parts.iter().for_each(|part| self.text.push_str(part));
    }

    fn push(&mut self, parts: &[&str], value: AttributeValue) {
        self.push_text(parts);
        self.parameters.push(value);
    }

    /// [`Condition::Free`] where there is a record: it has expired, or is a claim whose lease is over.
    fn replaceable(&mut self, attempt: &Attempt) {
        self.push(&[" AND (expiration<?"], number(attempt.now().seconds()));
        let over = " OR (\"status\"='INPROGRESS' AND in_progress_expiration<?";
        self.push(&[over], number(attempt.now().millis()));
        if let Some(fingerprint) = attempt.fingerprint() {
            self.push(&[" AND (validation IS MISSING OR validation=?)"], text(fingerprint));
        }
        self.text.push_str("))");
    }

    fn held(&mut self, owner: &OwnerToken) {
        self.push(&[" AND \"owner\"=? AND \"status\"='INPROGRESS'"], text(owner.as_str()));
    }

    fn build(self, shown: Option<ReturnValuesOnConditionCheckFailure>) -> Result<BatchStatementRequest, BuildError> {
        BatchStatementRequest::builder()
            .statement(self.text)
            .set_parameters(Some(self.parameters))
            .set_return_values_on_condition_check_failure(shown)
            .build()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Timestamp;

    /// Text and parameters of the statements for a key: a claim, the same where there is a record, its extension, its completion.
    fn statements() -> [BatchStatementRequest; 4] {
        let now = Timestamp::from_millis(1_700_000_000_123);
        let attempt = Attempt::new(Key::new("n", "k").unwrap(), now, now).with_fingerprint("f");
        let (key, owner) = (attempt.key(), attempt.owner());
        let claim = Record::claimed(&attempt);
        let done = Record::completed(&attempt, Some("1".to_owned()), Vec::new());
        let free = Condition::Free(&attempt);
        [
            insert("t", key, &claim).unwrap(),
            update("t", key, &free, &claim).unwrap(),
            update("t", key, &Condition::HeldUntil(owner, now), &claim).unwrap(),
            update("t", key, &Condition::Held(owner), &done).unwrap(),
        ]
    }

    #[test]
    fn statements_quote_reserved_words_and_have_their_parameters() {
        let held = "WHERE id=? AND \"owner\"=? AND \"status\"='INPROGRESS'";
        let over = "\"status\"='INPROGRESS' AND in_progress_expiration<?";
        let texts = [
            "INSERT INTO \"t\" VALUE {'status':'INPROGRESS','id':?,'owner':?,'in_progress_expiration':?,'expiration':?,\
             'validation':?}"
                .to_owned(),
            "UPDATE \"t\" SET \"status\"='INPROGRESS' SET \"owner\"=? SET in_progress_expiration=? SET expiration=? \
             SET validation=? REMOVE \"data\" REMOVE outgoing REMOVE reason WHERE id=? AND (expiration<? OR ("
                .to_owned()
                + over
                + " AND (validation IS MISSING OR validation=?)))",
            "UPDATE \"t\" SET \"status\"='INPROGRESS' SET in_progress_expiration=? SET expiration=? ".to_owned()
                + held
                + " AND in_progress_expiration<=?",
            "UPDATE \"t\" SET \"status\"='COMPLETED' REMOVE in_progress_expiration SET expiration=? SET \"data\"=? "
                .to_owned()
                + held,
        ];
        for (statement, text) in statements().iter().zip(texts) {
            assert_eq!(statement.statement(), text);
            assert_eq!(statement.parameters().len(), text.matches('?').count(), "{text}");
        }
    }

    #[test]
    fn only_the_refusal_of_a_claim_shows_the_record() {
        let shown = statements().map(|statement| statement.return_values_on_condition_check_failure.is_some());
        assert_eq!(shown, [false, true, false, false]);
    }
}
