//! A worker whose handler takes as long as its message states: it waits for a receiver that answers so late.

// The default is 128, which a function of any author has: a host must leave a margin below it.
#![recursion_limit = "100"]

use std::process::ExitCode;
use std::time::Duration;

use consumer::{Delivery, Failure, Handler};
use host::SettingError;
use http_client::HttpClient;
use idempotency::{Completion, NoWrites};
use serde::{Deserialize, Serialize};

/// What the receiver is to do. It is posted unchanged.
#[derive(Serialize, Deserialize)]
struct Work {
    subject: String,
    /// In milliseconds; zero: nothing is posted.
    wait: u64,
}

struct Wait {
    receiver: HttpClient,
}

/// Longer than any answer takes.
const LONGEST: Duration = Duration::from_secs(600);

impl Handler for Wait {
    type Message = Work;
    type Write = NoWrites;
    const NAMESPACE: &'static str = "wait";

    async fn handle(&self, work: Work, delivery: &Delivery) -> Result<Completion, Failure> {
        if work.wait > 0 {
            let call = self.receiver.post().idempotency_key(delivery).json(&work);
            call.send().await?;
        }
        Ok(Completion::new())
    }
}

fn from_env() -> Result<Wait, SettingError> {
    let receiver = HttpClient::from_env("NOTIFICATION_URL")?;
    Ok(Wait {
        receiver: receiver.with_timeout(LONGEST),
    })
}

#[tokio::main]
async fn main() -> ExitCode {
    worker::run(from_env).await
}
