//! What can go wrong with a request to a table.

use std::fmt;
use std::time::Duration;

use serde_json::{Value, json};

use crate::ApiError;
use crate::fault::{self, AfterApply, Hook};

/// Something that goes wrong with the next requests it matches.
pub type Fault = fault::Fault<FaultKind>;

/// What happens to a request that a [`Fault`] affects.
pub enum FaultKind {
    /// `ProvisionedThroughputExceededException`; nothing is applied.
    Throttle,
    /// `TransactWriteItems`: cancelled with `TransactionConflict` as every action's reason; other operations:
    /// `TransactionConflictException`. Nothing is applied.
    Conflict,
    /// `InternalServerError`, HTTP status 500; nothing is applied.
    ServerError,
    /// `AccessDeniedException`; nothing is applied.
    Deny,
    /// `BatchExecuteStatement`: the statements at these positions, counted from zero, are answered with the error `code`, and not
    /// applied; the others are. Other operations are answered as ever.
    RefuseStatements {
        /// Such as `ThrottlingError`
        /// ([codes](https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchStatementError.html)).
        code: &'static str,
        /// Positions that the request does not have are ignored.
        positions: Vec<usize>,
    },
    /// The request is applied this much later. A client that stops waiting for it may send it again before that.
    Delay(Duration),
    /// The request never arrives: nothing is applied, and no answer comes.
    LoseRequest,
    /// The request is done, but its answer, whatever it is, never comes.
    LoseReply,
    /// The request is done; then this runs with both, and only then the answer is sent. A test can stop a process
    /// between commit and reply. The store is unlocked while it runs.
    AfterApply(AfterApply),
}

impl fmt::Debug for FaultKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Throttle => "Throttle",
            Self::Conflict => "Conflict",
            Self::ServerError => "ServerError",
            Self::Deny => "Deny",
            Self::RefuseStatements { .. } => "RefuseStatements",
            Self::Delay(_) => "Delay",
            Self::LoseRequest => "LoseRequest",
            Self::LoseReply => "LoseReply",
            Self::AfterApply(_) => "AfterApply",
        })
    }
}

/// A fault's effect on one request.
#[derive(Debug, Clone)]
pub(super) enum Effect {
    Refuse(Refusal),
    RefuseStatements(&'static str, Vec<usize>),
    Delay(Duration),
    LoseRequest,
    LoseReply,
    AfterApply(Hook),
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Refusal {
    Throttle,
    Conflict,
    ServerError,
    Deny,
}

impl From<FaultKind> for Effect {
    fn from(kind: FaultKind) -> Self {
        match kind {
            FaultKind::Throttle => Self::Refuse(Refusal::Throttle),
            FaultKind::Conflict => Self::Refuse(Refusal::Conflict),
            FaultKind::ServerError => Self::Refuse(Refusal::ServerError),
            FaultKind::Deny => Self::Refuse(Refusal::Deny),
            FaultKind::RefuseStatements { code, positions } => Self::RefuseStatements(code, positions),
            FaultKind::Delay(delay) => Self::Delay(delay),
            FaultKind::LoseRequest => Self::LoseRequest,
            FaultKind::LoseReply => Self::LoseReply,
            FaultKind::AfterApply(hook) => Self::AfterApply(Hook::new(hook)),
        }
    }
}

impl Refusal {
    pub(super) fn error(self, operation: &str, request: &Value) -> ApiError {
        let ongoing = "Transaction is ongoing for the item";
        match self {
            Self::Throttle => service(
                "ProvisionedThroughputExceededException",
                "The level of configured provisioned throughput for the table was exceeded. Consider increasing your \
                 provisioning level with the UpdateTable API.",
            ),
            Self::Conflict if operation == "TransactWriteItems" => {
                let reason = json!({ "Code": "TransactionConflict", "Message": ongoing });
                cancelled(reason, request["TransactItems"].as_array().map_or(0, Vec::len))
            }
            Self::Conflict => service("TransactionConflictException", ongoing),
            Self::Deny => ApiError::bad_request(
                "com.amazon.coral.service#AccessDeniedException",
                format!("User is not authorized to perform: dynamodb:{operation}"),
            ),
            Self::ServerError => ApiError {
                status: 500,
                ..service("InternalServerError", "Internal server error")
            },
        }
    }
}

/// Applies a batch without the statements at these positions, which are answered with an error in their place.
pub(super) fn without_statements(
    code: &str,
    positions: &[usize],
    request: &Value,
    apply: impl FnOnce(&Value) -> Result<Value, ApiError>,
) -> Result<Value, ApiError> {
    let statements = request["Statements"].as_array().cloned().unwrap_or_default();
    let refused = |position: &usize| positions.contains(position);
    let all = statements.len();
    let kept = statements.into_iter().enumerate();
    let kept: Vec<_> = kept
        .filter(|(position, _)| !refused(position))
        .map(|(_, kept)| kept)
        .collect();
    let answered = match kept.is_empty() {
        true => json!({ "Responses": [] }),
        false => apply(&json!({ "Statements": kept }))?,
    };
    let mut answered = answered["Responses"]
        .as_array()
        .cloned()
        .unwrap_or_default()
        .into_iter();
    let error = json!({ "Error": { "Code": code, "Message": "injected" } });
    let answer = |position| match refused(&position) {
        true => Some(error.clone()),
        false => answered.next(),
    };
    Ok(json!({ "Responses": (0..all).filter_map(answer).collect::<Vec<_>>() }))
}

fn service(name: &str, message: &str) -> ApiError {
    ApiError::bad_request(format!("com.amazonaws.dynamodb.v20120810#{name}"), message)
}

/// A transaction that is cancelled for one reason, the same for each of its actions.
fn cancelled(reason: Value, actions: usize) -> ApiError {
    let codes = vec![reason["Code"].as_str().unwrap_or_default(); actions].join(", ");
    let message = format!("Transaction cancelled, please refer cancellation reasons for specific reasons [{codes}]");
    let reasons = Value::Array(vec![reason; actions]);
    service("TransactionCanceledException", &message).with("CancellationReasons", reasons)
}
