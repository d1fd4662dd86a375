//! Lambda function `reserve-stock`. The handler is in the library of this package.

use std::process::ExitCode;

use reserve_stock::ReserveStock;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    lambda::run(ReserveStock::from_env).await
}
