//! Lambda function `send-notification`: see the library beside it.

use std::process::ExitCode;

use send_notification::SendNotification;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    lambda::run(SendNotification::from_env).await
}
