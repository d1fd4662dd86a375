//! The handler of `send-notification` behind HTTP: called by Pub/Sub, Cloud Tasks or Azure Functions. `--help` prints its settings.

use std::process::ExitCode;

use send_notification::SendNotification;

#[tokio::main]
async fn main() -> ExitCode {
    push::run(SendNotification::from_env).await
}
