//! The handler of `place-order` behind HTTP: called by Pub/Sub, Cloud Tasks or Azure Functions. `--help` prints its settings.

use std::process::ExitCode;

use place_order::PlaceOrder;
use push::LedgerStore;

#[tokio::main]
async fn main() -> ExitCode {
    // The orders are where the ledger is: one transaction commits both.
    match push::ledger_store() {
        Ok(LedgerStore::PostgreSql(_)) => push::run_on_postgresql(PlaceOrder::on_postgresql).await,
        Ok(LedgerStore::DynamoDb(_)) | Err(_) => push::run_on_dynamodb(PlaceOrder::from_env).await,
    }
}
