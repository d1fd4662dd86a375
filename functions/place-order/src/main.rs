//! Lambda function `place-order`: see the library beside it.

use std::process::ExitCode;

use place_order::PlaceOrder;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    lambda::run(PlaceOrder::from_env).await
}
