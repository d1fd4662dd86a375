//! The handler of `place-order` as a worker: a long-lived process that polls a queue. `--help` prints its settings.

use std::process::ExitCode;

use place_order::PlaceOrder;
use worker::LedgerStore;

#[tokio::main]
async fn main() -> ExitCode {
    // The orders are where the ledger is: one transaction commits both.
    match worker::ledger_store() {
        Ok(LedgerStore::PostgreSql(_)) => worker::run_on_postgresql(PlaceOrder::on_postgresql).await,
        Ok(LedgerStore::DynamoDb(_)) | Err(_) => worker::run_on_dynamodb(PlaceOrder::from_env).await,
    }
}
