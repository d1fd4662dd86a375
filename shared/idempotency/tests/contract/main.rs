//! What every ledger promises, checked against the one in memory and the one in DynamoDB.
//!
//! DynamoDB is the local stack's unless `LEDGER_TEST_ENDPOINT` names another emulator's; `LEDGER_TEST_WITHOUT` then lists
//! what that one lacks: `transactions`, `old-items` (on a failed condition).

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
mod store;
