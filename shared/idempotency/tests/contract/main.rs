//! The promises of the ledger, by their numbers in the README, held by the memory store and the one in DynamoDB.
//!
//! DynamoDB is the local stack's unless `LEDGER_TEST_ENDPOINT` names another emulator. `LEDGER_TEST_WITHOUT` then lists
//! what it lacks: `transactions`, `old-items` (on a failed condition).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "all of this is tests"
)]

mod concurrency;
mod dynamodb;
mod failures;
mod histories;
mod lost_replies;
mod memory;
mod operate;
mod outgoing;
mod promises;
mod pure;
mod store;
mod writes;

/// The promises that a test shows. Its output names them if it fails.
struct Shows(&'static str);

impl Drop for Shows {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("broken: {}", self.0);
        }
    }
}
