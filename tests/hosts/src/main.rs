#![doc = include_str!("../README.md")]

mod azure_functions;
mod case;
mod cloud_tasks;
mod driver;
mod host;
mod http;
mod ledger;
mod orders;
mod postgresql;
mod process;
mod pubsub;
mod rabbitmq;
mod scenario;
mod storage_queue;
mod table;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use cli::Stop;
use consumer::dead_letter::Unpacked;
use consumer::{Attribute, Incoming};

use crate::host::Host;
use crate::ledger::Store;
use crate::scenario::Scenario;

/// Run one handler on every host, scenario by scenario
///
/// Exit status 0 only if every case held, and the tables are those on the page.
#[derive(Parser)]
#[command(name = "hosts", version)]
struct Cli {
    /// Only this scenario
    #[arg(long)]
    only: Option<Scenario>,
    /// Only on this host
    #[arg(long)]
    host: Option<Host>,
    /// Only with this ledger
    #[arg(long)]
    store: Option<Store>,
    /// How many cases run side by side
    #[arg(long, default_value_t = 14)]
    jobs: usize,
    /// Write the tables to the page
    #[arg(long, conflicts_with_all = ["only", "host", "store"])]
    write: bool,
    /// The folder with the programs
    #[arg(long, value_name = "DIR", default_value = "target/debug")]
    programs: PathBuf,
}

pub(crate) type Failed = Box<dyn std::error::Error + Send + Sync>;

/// The ID of a message, where its producer states it.
pub(crate) const ID: &str = "m-1";

/// Much longer than anything takes on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(180);

#[tokio::main]
async fn main() -> ExitCode {
    let args = Cli::parse();
    let result = async {
        let mut stop = Stop::listen()?;
        tokio::select! {
            held = table::run(&args) => Ok(if held? { ExitCode::SUCCESS } else { ExitCode::FAILURE }),
            code = stop.requested() => Ok(code),
        }
    };
    let result: Result<_, Failed> = result.await;
    result.unwrap_or_else(|error| {
        eprintln!("error: {}", text(&error));
        ExitCode::FAILURE
    })
}

/// An error with its causes.
pub(crate) fn text(error: &Failed) -> String {
    let causes: Vec<_> = cli::causes(&**error).map(ToString::to_string).collect();
    causes.join(": ")
}

/// A variable that `.ci/servers` sets.
pub(crate) fn variable(name: &str) -> Result<String, Failed> {
    Ok(std::env::var(name).map_err(|_| format!("{name} is not set: run .ci/hosts"))?)
}

/// The reason in the attributes of a dead letter; empty if none is stated.
pub(crate) fn reason_in(attributes: impl IntoIterator<Item = (String, Attribute)>) -> String {
    let rejection = Unpacked::of(attributes.into_iter().collect()).rejection;
    rejection.map_or_else(String::new, |rejection| rejection.reason)
}

/// The key that a message carries; empty if it carries none.
pub(crate) fn key_of(message: &Incoming) -> String {
    let key = message.attributes.get("IdempotencyKey");
    key.and_then(|key| key.string_value.clone()).unwrap_or_default()
}

/// Waits until something holds.
pub(crate) async fn until(what: &str, mut holds: impl AsyncFnMut() -> Result<bool, Failed>) -> Result<(), Failed> {
    let waiting = async {
        while !holds().await? {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    };
    let waited = tokio::time::timeout(PATIENCE, waiting).await;
    waited.map_err(|_| format!("timeout after {PATIENCE:?}: not yet: {what}"))?
}
