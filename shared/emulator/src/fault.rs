//! Faults on demand: what a network or a busy service does to a client, caused by a test.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;

use crate::ApiError;

/// Something that goes wrong with the next requests it matches.
#[derive(Debug)]
pub struct Fault<Kind> {
    /// The operation it strikes, such as `PutItem`.
    pub operation: String,
    /// It strikes only requests whose JSON text contains this, such as a key; `None`: any.
    pub containing: Option<String>,
    /// How many requests it strikes before it is used up.
    pub times: u32,
    /// What happens to them.
    pub kind: Kind,
}

/// Gets the request and its answer.
pub type AfterApply = Box<dyn FnMut(&Value, &Result<Value, ApiError>) + Send>;

/// The faults that are not used up yet, in the order of their injection; each does `Strike` to a request.
#[derive(Debug)]
pub(crate) struct Faults<Strike>(Vec<Armed<Strike>>);

#[derive(Debug)]
struct Armed<Strike> {
    operation: String,
    containing: Option<String>,
    left: u32,
    strike: Strike,
}

/// What runs after a request. It is shared, so that it can run while no lock is held.
#[derive(Clone)]
pub(crate) struct Hook(Arc<Mutex<AfterApply>>);

impl<Strike: Clone> Faults<Strike> {
    pub(crate) fn inject<Kind: Into<Strike>>(&mut self, fault: Fault<Kind>) {
        self.0.push(Armed {
            operation: fault.operation,
            containing: fault.containing,
            left: fault.times,
            strike: fault.kind.into(),
        });
    }

    /// What strikes this request, if anything does: the first fault that matches.
    pub(crate) fn strike(&mut self, operation: &str, request: &Value) -> Option<Strike> {
        self.0.retain(|fault| fault.left > 0);
        let fault = self.0.iter_mut().find(|fault| fault.matches(operation, request))?;
        fault.left -= 1;
        Some(fault.strike.clone())
    }
}

impl<Strike> Default for Faults<Strike> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<Strike> Armed<Strike> {
    fn matches(&self, operation: &str, request: &Value) -> bool {
        let contained = |text: &String| request.to_string().contains(text);
        self.operation == operation && self.containing.as_ref().is_none_or(contained)
    }
}

impl Hook {
    pub(crate) fn new(hook: AfterApply) -> Self {
        Self(Arc::new(Mutex::new(hook)))
    }

    pub(crate) fn run(&self, request: &Value, answer: &Result<Value, ApiError>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)(request, answer);
    }
}

impl fmt::Debug for Hook {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Hook")
    }
}
