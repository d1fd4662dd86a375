//! The ledger in a real PostgreSQL: the one of `POSTGRES_TEST_URL`, without which every test here is skipped. `.ci/servers` starts one.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "all of this is tests"
)]

mod connections;
mod contract;
mod crash;
mod cut;
mod operate;
mod proxy;
mod schema;
mod server;
mod sweep;
mod writes;
