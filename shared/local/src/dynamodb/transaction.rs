//! `TransactWriteItems`: all writes or none.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime};

use serde_json::{Map, Value, json};

use super::capacity::{Report, read_units, write_units};
use super::error::{constraint, missing, serialization, service, validation};
use super::request::Request;
use super::store::Store;
use super::write::{Prepared, Write, refuse_collection_metrics, require_update};
use crate::ApiError;

/// Limits of [TransactWriteItems](https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html).
const MAX_ACTIONS: usize = 100;
const MAX_BYTES: usize = 4 * 1024 * 1024;
const MAX_TOKEN: usize = 36;
const TOKEN_LIFE: Duration = Duration::from_secs(10 * 60);

const KINDS: [&str; 4] = ["ConditionCheck", "Put", "Delete", "Update"];

/// The transactions of the last ten minutes that were applied and named a token.
#[derive(Debug, Default)]
pub(super) struct Tokens(BTreeMap<String, Applied>);

#[derive(Debug)]
struct Applied {
    actions: Vec<Value>,
    at: SystemTime,
    /// Bytes of each table's items, for the cost of asking again.
    bytes: Vec<(String, usize)>,
}

impl Tokens {
    /// The transaction that was applied under this token, if there is one and it was the same.
    fn find(&mut self, token: &str, actions: &[Value], now: SystemTime) -> Result<Option<&Applied>, ApiError> {
        self.0.retain(|_, applied| now < applied.at + TOKEN_LIFE);
        match self.0.get(token) {
            Some(applied) if applied.actions != actions => Err(service(
                "IdempotentParameterMismatchException",
                "DynamoDB rejected the request because you retried a request with a different payload but with an \
                 idempotent token that was already used.",
            )),
            found => Ok(found),
        }
    }
}

pub(super) fn transact_write_items(
    store: &mut Store,
    request: &Request<'_>,
    now: SystemTime,
) -> Result<Value, ApiError> {
    refuse_collection_metrics(request)?;
    let report = Report::read(request)?;
    let token = read_token(request)?;
    let actions = request.list("TransactItems")?.ok_or_else(|| missing("TransactItems"))?;
    let writes = read_writes(actions)?;
    if let Some(token) = token
        && let Some(applied) = store.tokens.find(token, actions, now)?
    {
        // Doing nothing again costs a read.
        return Ok(answer(report, &applied.bytes, |bytes| read_units(bytes, true)));
    }
    let prepared = prepare(store, &writes)?;
    let bytes: Vec<_> = writes
        .iter()
        .zip(&prepared)
        .map(|(write, prepared)| (write.table.clone(), prepared.size()))
        .collect();
    check_size(&bytes)?;
    for (write, prepared) in writes.iter().zip(prepared) {
        prepared.apply(store.table_mut(&write.table)?);
    }
    let answer = answer(report, &bytes, write_units);
    if let Some(token) = token {
        store.tokens.0.insert(
            token.to_owned(),
            Applied {
                actions: actions.clone(),
                at: now,
                bytes,
            },
        );
    }
    Ok(answer)
}

/// The error of a transaction one of whose actions may not happen; one reason for each action, in their order.
pub(super) fn cancelled(reasons: Vec<Value>) -> ApiError {
    let codes: Vec<_> = reasons.iter().filter_map(|reason| reason["Code"].as_str()).collect();
    let message = "Transaction cancelled, please refer cancellation reasons for specific reasons";
    service(
        "TransactionCanceledException",
        format!("{message} [{}]", codes.join(", ")),
    )
    .with("CancellationReasons", Value::Array(reasons))
}

fn read_token<'a>(request: &Request<'a>) -> Result<Option<&'a str>, ApiError> {
    let member = "ClientRequestToken";
    let rule = match request.text(member)? {
        Some("") => "Member must have length greater than or equal to 1".to_owned(),
        Some(token) if token.chars().count() > MAX_TOKEN => {
            format!("Member must have length less than or equal to {MAX_TOKEN}")
        }
        token => return Ok(token),
    };
    Err(constraint(request.text(member)?, member, &rule))
}

fn read_writes(actions: &[Value]) -> Result<Vec<Write>, ApiError> {
    let rule = match actions.len() {
        0 => "Member must have length greater than or equal to 1".to_owned(),
        1..=MAX_ACTIONS => return actions.iter().map(read_write).collect(),
        _ => format!("Member must have length less than or equal to {MAX_ACTIONS}"),
    };
    Err(constraint(
        Some(&format!("[{} members]", actions.len())),
        "TransactItems",
        &rule,
    ))
}

fn read_write(action: &Value) -> Result<Write, ApiError> {
    let action = Request::new(action)?;
    let mut kinds = KINDS.into_iter().filter(|kind| action.get(kind).is_some());
    let (Some(kind), None) = (kinds.next(), kinds.next()) else {
        return Err(validation(
            "TransactItems can only contain one of Check, Put, Update or Delete",
        ));
    };
    let write = action
        .object(kind)?
        .ok_or_else(|| serialization(format!("{kind} is not a structure")))?;
    match kind {
        "Put" => Write::read_put(&write),
        "Delete" => Write::read_delete(&write),
        "ConditionCheck" => Write::read_check(&write),
        _ => require_update(&write).and_then(|()| Write::read_update(&write)),
    }
}

/// Every action as it would happen, or all reasons why the transaction can't.
fn prepare(store: &Store, writes: &[Write]) -> Result<Vec<Prepared>, ApiError> {
    let tables = writes
        .iter()
        .map(|write| store.table(&write.table))
        .collect::<Result<Vec<_>, _>>()?;
    let mut seen = BTreeSet::new();
    for (write, table) in writes.iter().zip(&tables) {
        // An action whose key is wrong has its own reason below.
        if let Ok(key) = write.key(table)
            && !seen.insert((&write.table, key))
        {
            return Err(validation(
                "Transaction request cannot include multiple operations on one item",
            ));
        }
    }
    let results: Vec<_> = writes
        .iter()
        .zip(tables)
        .map(|(write, table)| write.prepare(table))
        .collect();
    if results.iter().any(Result::is_err) {
        return Err(cancelled(results.iter().map(reason).collect()));
    }
    results.into_iter().collect()
}

fn reason(result: &Result<Prepared, ApiError>) -> Value {
    let Err(error) = result else {
        return json!({ "Code": "None" });
    };
    let code = if error.name() == "ConditionalCheckFailedException" {
        "ConditionalCheckFailed"
    } else {
        "ValidationError"
    };
    let mut reason = json!({ "Code": code, "Message": error.message });
    if let Some(item) = error.members.get("Item") {
        reason["Item"] = item.clone();
    }
    reason
}

fn check_size(bytes: &[(String, usize)]) -> Result<(), ApiError> {
    if bytes.iter().map(|(_, bytes)| bytes).sum::<usize>() > MAX_BYTES {
        return Err(validation(
            "The aggregate size of the items in the transaction cannot exceed 4 MB",
        ));
    }
    Ok(())
}

/// A transaction costs double: each item is prepared, then committed.
fn answer(report: Report, bytes: &[(String, usize)], units: impl Fn(usize) -> f64) -> Value {
    let mut tables: BTreeMap<&str, f64> = BTreeMap::new();
    for (table, bytes) in bytes {
        *tables.entry(table).or_default() += 2.0 * units(*bytes);
    }
    let mut answer = Map::new();
    let consumed: Vec<_> = tables
        .into_iter()
        .filter_map(|(table, units)| report.of(table, units))
        .collect();
    if !consumed.is_empty() {
        answer.insert("ConsumedCapacity".to_owned(), Value::Array(consumed));
    }
    Value::Object(answer)
}
