//! Faults on demand: what a network or a busy service does to a client, made to happen in a test.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value, json};

use super::error::service;
use super::transaction::cancelled;
use crate::ApiError;

/// Something that goes wrong with the next requests it matches.
#[derive(Debug)]
pub struct Fault {
    /// The operation it strikes, such as `PutItem`.
    pub operation: String,
    /// It strikes only requests whose JSON text contains this, such as a key; `None`: any.
    pub containing: Option<String>,
    /// How many requests it strikes before it is used up.
    pub times: u32,
    /// What happens to them.
    pub kind: FaultKind,
}

/// Is told the request and its answer.
pub type AfterApply = Box<dyn FnMut(&Value, &Result<Value, ApiError>) + Send>;

/// What happens to a request that a [`Fault`] strikes.
pub enum FaultKind {
    /// `ProvisionedThroughputExceededException`; nothing is applied.
    Throttle,
    /// `TransactWriteItems`: cancelled with `TransactionConflict` as every action's reason; other operations:
    /// `TransactionConflictException`. Nothing is applied.
    Conflict,
    /// `InternalServerError`, HTTP status 500; nothing is applied.
    ServerError,
    /// The request never arrives: nothing is applied, and no answer comes.
    LoseRequest,
    /// The request is done, but its answer, whatever it is, never comes.
    LoseReply,
    /// The request is done; then this runs, told of both, and only then the answer is given. A test can stop a process
    /// between commit and reply. The store is unlocked while it runs.
    AfterApply(AfterApply),
}

impl fmt::Debug for FaultKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Throttle => "Throttle",
            Self::Conflict => "Conflict",
            Self::ServerError => "ServerError",
            Self::LoseRequest => "LoseRequest",
            Self::LoseReply => "LoseReply",
            Self::AfterApply(_) => "AfterApply",
        })
    }
}

/// The faults that are not used up yet, in the order of their injection.
#[derive(Debug, Default)]
pub(super) struct Faults(Vec<Armed>);

#[derive(Debug)]
struct Armed {
    operation: String,
    containing: Option<String>,
    left: u32,
    strike: Strike,
}

/// A fault's effect on one request. The hook is shared, so that it can run while no lock is held.
#[derive(Debug, Clone)]
pub(super) enum Strike {
    Refuse(Refusal),
    LoseRequest,
    LoseReply,
    AfterApply(Hook),
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Refusal {
    Throttle,
    Conflict,
    ServerError,
}

#[derive(Clone)]
pub(super) struct Hook(Arc<Mutex<AfterApply>>);

impl Faults {
    pub(super) fn inject(&mut self, fault: Fault) {
        let strike = match fault.kind {
            FaultKind::Throttle => Strike::Refuse(Refusal::Throttle),
            FaultKind::Conflict => Strike::Refuse(Refusal::Conflict),
            FaultKind::ServerError => Strike::Refuse(Refusal::ServerError),
            FaultKind::LoseRequest => Strike::LoseRequest,
            FaultKind::LoseReply => Strike::LoseReply,
            FaultKind::AfterApply(hook) => Strike::AfterApply(Hook(Arc::new(Mutex::new(hook)))),
        };
        self.0.push(Armed {
            operation: fault.operation,
            containing: fault.containing,
            left: fault.times,
            strike,
        });
    }

    /// What strikes this request, if anything does: the first fault that matches.
    pub(super) fn strike(&mut self, operation: &str, request: &Value) -> Option<Strike> {
        self.0.retain(|fault| fault.left > 0);
        let fault = self.0.iter_mut().find(|fault| fault.matches(operation, request))?;
        fault.left -= 1;
        Some(fault.strike.clone())
    }
}

impl Armed {
    fn matches(&self, operation: &str, request: &Value) -> bool {
        let contained = |text: &String| request.to_string().contains(text);
        self.operation == operation && self.containing.as_ref().is_none_or(contained)
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
                cancelled(vec![reason; request["TransactItems"].as_array().map_or(0, Vec::len)])
            }
            Self::Conflict => service("TransactionConflictException", ongoing),
            Self::ServerError => ApiError {
                status: 500,
                ..service("InternalServerError", "Internal server error")
            },
        }
    }
}

impl Hook {
    pub(super) fn run(&self, request: &Value, answer: &Result<Value, ApiError>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)(request, answer);
    }
}

impl fmt::Debug for Hook {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Hook")
    }
}
