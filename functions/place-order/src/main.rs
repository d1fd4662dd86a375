//! Lambda function `place-order`. The handler is in the library of this package.

use std::process::ExitCode;

use place_order::PlaceOrder;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    lambda::run(PlaceOrder::from_env).await
}
