//! Faults on demand: what a network or a busy service does to a client, caused by a test.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;

use crate::ApiError;

/// Something that goes wrong with the next requests it matches.
#[derive(Debug)]
pub struct Fault<Kind> {
    /// The operation it affects, such as `PutItem`.
    pub operation: String,
    /// It affects only requests whose JSON text contains this, such as a key; `None`: any.
    pub containing: Option<String>,
    /// How many requests it affects before it is used up.
    pub times: u32,
    /// What happens to them.
    pub kind: Kind,
}

/// Gets the request and its answer.
pub type AfterApply = Box<dyn FnMut(&Value, &Result<Value, ApiError>) + Send>;

/// The faults that are not used up yet, in the order of their injection; each has an `Effect` on a request.
#[derive(Debug)]
pub(crate) struct Faults<Effect>(Vec<Armed<Effect>>);

#[derive(Debug)]
struct Armed<Effect> {
    operation: String,
    containing: Option<String>,
    left: u32,
    /// It affects only every n-th request that matches.
    every: u32,
    matched: u32,
    effect: Effect,
}

/// What runs after a request. It is shared, so that it can run while no lock is held.
#[derive(Clone)]
pub(crate) struct Hook(Arc<Mutex<AfterApply>>);

impl<Effect: Clone> Faults<Effect> {
    /// A fault of every n-th request that matches it.
    pub(crate) fn inject<Kind: Into<Effect>>(&mut self, every: u32, fault: Fault<Kind>) {
        self.0.push(Armed {
            operation: fault.operation,
            containing: fault.containing,
            left: fault.times,
            every: every.max(1),
            matched: 0,
            effect: fault.kind.into(),
        });
    }

    /// The effect on this request: that of the first fault that matches, if one does.
    pub(crate) fn take_effect(&mut self, operation: &str, request: &Value) -> Option<Effect> {
        self.0.retain(|fault| fault.left > 0);
        let mut matching = self.0.iter_mut().filter(|fault| fault.matches(operation, request));
        let fault = matching.find_map(|fault| fault.is_due().then_some(fault))?;
        fault.left -= 1;
        Some(fault.effect.clone())
    }
}

impl<Effect> Default for Faults<Effect> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<Effect> Armed<Effect> {
    /// Counts a request that matches.
    fn is_due(&mut self) -> bool {
        self.matched = self.matched.wrapping_add(1);
        self.matched.is_multiple_of(self.every)
    }

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
