//! Lambda function `reserve-stock`: see the library beside it.

use std::process::ExitCode;

use reserve_stock::ReserveStock;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    lambda::run(ReserveStock::from_env).await
}
