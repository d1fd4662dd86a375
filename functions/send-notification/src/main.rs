//! Lambda function `send-notification`. The handler is in the library of this package.

use std::process::ExitCode;

use send_notification::SendNotification;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    lambda::run(SendNotification::from_env).await
}
