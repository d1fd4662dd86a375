//! The handler of `place-order` as a worker: a long-lived process that polls a queue. `--help` prints its settings.

use std::process::ExitCode;

use place_order::PlaceOrder;

#[tokio::main]
async fn main() -> ExitCode {
    worker::run_on_dynamodb(PlaceOrder::from_env).await
}
