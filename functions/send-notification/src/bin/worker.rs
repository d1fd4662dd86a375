//! The handler of `send-notification` as a worker: a long-lived process that polls a queue. `--help` prints its settings.

use std::process::ExitCode;

use send_notification::SendNotification;

#[tokio::main]
async fn main() -> ExitCode {
    worker::run(SendNotification::from_env).await
}
