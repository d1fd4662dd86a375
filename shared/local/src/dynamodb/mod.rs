//! DynamoDB in memory: tables, conditional writes and transactions that answer as AWS does.
//!
//! Errors are worded as DynamoDB words them, and what is not emulated is refused by name, never ignored. Three things
//! differ by intent: a table is active at once, a scan goes in the order of keys, and nothing expires (TTL deletes days
//! late on AWS, so no client may count on it).

mod capacity;
mod error;
mod expression;
mod fault;
mod items;
mod number;
mod request;
mod scan;
mod schema;
mod store;
mod tables;
mod transaction;
mod value;
mod write;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use serde_json::Value;

use crate::ApiError;
use crate::fault::Faults;

pub use crate::api::Reply;
pub use crate::fault::AfterApply;
use fault::Strike;
pub use fault::{Fault, FaultKind};
use request::Request;
use store::Store;

/// All tables of one region, behind one lock: every request is atomic.
pub struct DynamoDb {
    region: String,
    clock: Box<dyn Fn() -> SystemTime + Send + Sync>,
    store: Mutex<Store>,
    faults: Mutex<Faults<Strike>>,
    requests: Mutex<BTreeMap<String, u64>>,
}

impl DynamoDb {
    /// Without tables. The region appears in ARNs, whose account is `000000000000`.
    pub fn new(region: &str) -> Self {
        Self::with_clock(region, SystemTime::now)
    }

    /// With a clock of the caller's: a `ClientRequestToken` is remembered for ten minutes of it.
    pub fn with_clock(region: &str, clock: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        Self {
            region: region.to_owned(),
            clock: Box::new(clock),
            store: Mutex::default(),
            faults: Mutex::default(),
            requests: Mutex::default(),
        }
    }

    /// Serves one request. `operation` is what follows the dot in `X-Amz-Target: DynamoDB_20120810.PutItem`.
    pub fn call(&self, operation: &str, request: Value) -> Reply {
        *lock(&self.requests).entry(operation.to_owned()).or_default() += 1;
        let strike = lock(&self.faults).strike(operation, &request);
        match strike {
            None => Reply::Answer(self.apply(operation, &request)),
            Some(Strike::Refuse(refusal)) => Reply::Answer(Err(refusal.error(operation, &request))),
            Some(Strike::LoseRequest) => Reply::Lost,
            Some(Strike::LoseReply) => {
                let _lost = self.apply(operation, &request);
                Reply::Lost
            }
            Some(Strike::AfterApply(hook)) => {
                let answer = self.apply(operation, &request);
                hook.run(&request, &answer);
                Reply::Answer(answer)
            }
        }
    }

    /// Makes something go wrong with requests to come. Of several faults that match, the first injected strikes.
    pub fn inject(&self, fault: Fault) {
        lock(&self.faults).inject(fault);
    }

    /// How many requests came for each operation, whatever became of them, in the order of the operations' names.
    pub fn requests(&self) -> Vec<(String, u64)> {
        lock(&self.requests)
            .iter()
            .map(|(operation, count)| (operation.clone(), *count))
            .collect()
    }

    /// All items of a table as JSON attribute maps, in the order of their keys; none if there is no such table.
    pub fn scan(&self, table: &str) -> Vec<Value> {
        let store = lock(&self.store);
        store
            .tables
            .get(table)
            .into_iter()
            .flat_map(|table| table.items.values())
            .map(value::item_to_json)
            .collect()
    }

    fn apply(&self, operation: &str, request: &Value) -> Result<Value, ApiError> {
        let request = Request::new(request)?;
        let now = (self.clock)();
        let store = &mut *lock(&self.store);
        match operation {
            "PutItem" => items::put_item(store, &request),
            "GetItem" => items::get_item(store, &request),
            "UpdateItem" => items::update_item(store, &request),
            "DeleteItem" => items::delete_item(store, &request),
            "Scan" => scan::scan(store, &request),
            "TransactWriteItems" => transaction::transact_write_items(store, &request, now),
            "CreateTable" => tables::create_table(store, &request, &self.region, now),
            "DescribeTable" => tables::describe_table(store, &request, &self.region),
            "ListTables" => tables::list_tables(store, &request),
            "DeleteTable" => tables::delete_table(store, &request, &self.region),
            "UpdateTimeToLive" => tables::update_time_to_live(store, &request),
            "DescribeTimeToLive" => tables::describe_time_to_live(store, &request),
            _ => Err(unknown_operation(operation)),
        }
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

fn unknown_operation(operation: &str) -> ApiError {
    ApiError::bad_request(
        "com.amazon.coral.service#UnknownOperationException",
        format!("{operation}: the local stack does not emulate it; point --endpoint-url at another emulator or at AWS"),
    )
}

/// A request changes nothing before all that can fail is done, so a panic leaves the data sound.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
