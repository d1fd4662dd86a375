//! The handler of `reserve-stock` as a worker: a long-lived process that polls a queue. `--help` prints its settings.

use std::process::ExitCode;

use reserve_stock::ReserveStock;

#[tokio::main]
async fn main() -> ExitCode {
    worker::run_on_dynamodb(ReserveStock::from_env).await
}
