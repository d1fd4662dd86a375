//! The promises of the ledger, by their numbers in the README, held by the memory store and the one in DynamoDB.
//!
//! DynamoDB is the local stack's unless `LEDGER_TEST_ENDPOINT` names another emulator. `LEDGER_TEST_WITHOUT` then lists
//! what it lacks: `transactions`, `statements` (PartiQL), `old-items` (on a failed condition).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "all of this is tests"
)]

mod batches;
mod dynamodb;
mod failures;
mod histories;
mod lost_replies;
mod memory;
mod operate;
mod outgoing;
mod store;
mod writes;
