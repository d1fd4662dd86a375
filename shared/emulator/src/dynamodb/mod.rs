//! DynamoDB on one machine: tables, conditional writes and transactions that answer as AWS does.
//!
//! The tables are those of [dynoxide](https://docs.rs/dynoxide-rs), in memory or in a file. What stands before them is
//! independent of any store: [faults](Fault), and a count of requests. Three things differ from AWS by intent: a table is
//! active when it is first described, transactions conflict only by a fault, and nothing expires (TTL deletes days late on AWS, so
//! no client may count on it).

mod engine;
mod fault;
mod tokens;
mod written;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::Value;

use crate::fault::Faults;

pub use crate::api::Reply;
pub use crate::fault::AfterApply;
use engine::Engine;
use fault::Effect;
pub use fault::{Fault, FaultKind};
pub use written::written;

/// The tables can't be opened: the file is locked, damaged, of a newer version, or can't be written.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct OpenError(String);

/// All tables of one region. Every request is atomic.
pub struct DynamoDb {
    region: String,
    engine: Engine,
    faults: Mutex<Faults<Effect>>,
    requests: Mutex<BTreeMap<String, u64>>,
}

impl DynamoDb {
    /// Without tables, in memory. The region appears in ARNs, whose account is `000000000000`.
    ///
    /// # Errors
    ///
    /// [`OpenError`] if there is no memory for them.
    pub fn in_memory(region: &str) -> Result<Self, OpenError> {
        Ok(Self::before(region, Engine::in_memory(region)?))
    }

    /// With the tables of this file, which is created if it doesn't exist.
    ///
    /// # Errors
    ///
    /// [`OpenError`] if the file can't be used.
    pub fn in_file(region: &str, path: &Path) -> Result<Self, OpenError> {
        Ok(Self::before(region, Engine::in_file(region, path)?))
    }

    fn before(region: &str, engine: Engine) -> Self {
        Self {
            region: region.to_owned(),
            engine,
            faults: Mutex::default(),
            requests: Mutex::default(),
        }
    }

    /// Serves one request. `operation` is what follows the dot in `X-Amz-Target: DynamoDB_20120810.PutItem`.
    ///
    /// A [`FaultKind::Delay`] does not delay it: that takes a server.
    pub fn call(&self, operation: &str, request: Value) -> Reply {
        let effect = self.take_effect(operation, &request);
        self.apply(effect, operation, &request)
    }

    /// Serves one request, after the time of a [`FaultKind::Delay`].
    pub(crate) async fn serve(&self, operation: &str, request: Value) -> Reply {
        let effect = self.take_effect(operation, &request);
        if let Some(Effect::Delay(delay)) = effect {
            tokio::time::sleep(delay).await;
        }
        self.apply(effect, operation, &request)
    }

    /// Counts the request, and takes the fault that matches it.
    fn take_effect(&self, operation: &str, request: &Value) -> Option<Effect> {
        *lock(&self.requests).entry(operation.to_owned()).or_default() += 1;
        lock(&self.faults).take_effect(operation, request)
    }

    fn apply(&self, effect: Option<Effect>, operation: &str, request: &Value) -> Reply {
        match effect {
            None | Some(Effect::Delay(_)) => Reply::Answer(self.engine.apply(operation, request)),
            Some(Effect::Refuse(refusal)) => Reply::Answer(Err(refusal.error(operation, request))),
            Some(Effect::RefuseStatements(code, positions)) if operation == "BatchExecuteStatement" => {
                let apply = |request: &Value| self.engine.apply(operation, request);
                Reply::Answer(fault::without_statements(code, &positions, request, apply))
            }
            Some(Effect::RefuseStatements(..)) => Reply::Answer(self.engine.apply(operation, request)),
            Some(Effect::LoseRequest) => Reply::Lost,
            Some(Effect::LoseReply) => {
                let _lost = self.engine.apply(operation, request);
                Reply::Lost
            }
            Some(Effect::AfterApply(hook)) => {
                let answer = self.engine.apply(operation, request);
                hook.run(request, &answer);
                Reply::Answer(answer)
            }
        }
    }

    /// Makes something go wrong with requests to come. Of several faults that match, the first injected counts.
    pub fn inject(&self, fault: Fault) {
        self.inject_every(1, fault);
    }

    /// The same, but only with every `nth` request that the fault matches.
    pub fn inject_every(&self, nth: u32, fault: Fault) {
        lock(&self.faults).inject(nth, fault);
    }

    /// How many requests came for each operation, whatever became of them, in the order of the operations' names.
    pub fn requests(&self) -> Vec<(String, u64)> {
        lock(&self.requests)
            .iter()
            .map(|(operation, count)| (operation.clone(), *count))
            .collect()
    }

    /// All items of a table as JSON attribute maps, in the order of their keys' text; none if there is no such table.
    pub fn scan(&self, table: &str) -> Vec<Value> {
        self.engine.items(table)
    }
}

impl fmt::Debug for DynamoDb {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("DynamoDb")
            .field("region", &self.region)
            .finish_non_exhaustive()
    }
}

/// Nothing here panics while it holds a lock.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
