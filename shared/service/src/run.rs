//! A process from its arguments to its exit code.

use std::process::ExitCode;

use consumer::Chain;
use host::SettingError;
use idempotency::StoreError;
use tokio_util::sync::CancellationToken;

use crate::arguments::print;
use crate::ledger::{DATABASE, TABLE};
use crate::{Program, arguments, log_file, stop_signal, supervisor};

/// The exit code if the arguments can't be used.
pub(crate) const UNUSABLE: u8 = 2;

/// Runs a program until it ends, with its log and its traces; or answers `--help` or `--health`. If it fails, one log line states
/// why and the exit code is 1. Arguments that can't be used end it with 2; a `LOG_FILE` that can't be used with 3, 4 or 5, and one
/// line on standard error.
pub(crate) async fn run<E>(program: Program, host: impl Future<Output = Result<(), E>>) -> ExitCode
where
    E: std::error::Error + 'static,
{
    if let Some(code) = arguments::handle(program).await {
        return code.into();
    }
    let code = logged(host).await;
    supervisor::ended(code);
    if supervisor::is_service() {
        // Nothing holds it up: its end has been reported.
        std::process::exit(code.into());
    }
    code.into()
}

/// Runs a host: its exit code.
async fn logged<E>(host: impl Future<Output = Result<(), E>>) -> u8
where
    E: std::error::Error + 'static,
{
    let traces = match log_file::start_logging() {
        Ok(traces) => traces,
        Err((code, error)) => {
            print(std::io::stderr(), &format!("{error}\n"));
            return code;
        }
    };
    let code = match host.await {
        Ok(()) => 0,
        Err(error) => {
            tracing::error!("{}", Chain(&error));
            1
        }
    };
    traces.stop().await;
    code
}

/// A token that SIGTERM or SIGINT cancels. It also reports to the supervisor that the process has read its settings.
///
/// Call it before anything that waits: until then SIGTERM is no orderly stop, and process 1 of a container ignores it.
///
/// # Errors
///
/// [`StartError::Signals`].
pub fn stopping() -> Result<CancellationToken, StartError> {
    let (stop, stopping) = (stop_signal().map_err(StartError::Signals)?, CancellationToken::new());
    supervisor::started();
    let stopped = stopping.clone();
    tokio::spawn(async move {
        stop.await;
        stopped.cancel();
    });
    Ok(stopping)
}

/// Why a host does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A setting is missing or invalid.
    #[error(transparent)]
    Setting(#[from] SettingError),
    /// The certificate authorities can't be read.
    #[error(transparent)]
    Roots(#[from] aws::RootsError),
    /// No region is set, and something on AWS is used.
    #[error("no AWS region: set AWS_REGION, or a region in the profile")]
    NoRegion,
    /// The ledger's table is missing, or access to it is denied.
    #[error("environment variable {TABLE}: table {0} can't be used")]
    Table(String, #[source] StoreError),
    /// The ledger's database refuses.
    #[error("environment variable {DATABASE}: the ledger in the database can't be used")]
    Database(#[source] StoreError),
    /// A table that the handler writes to is missing.
    #[error(
        "environment variable {0}: table {1} does not exist in region {2}; create it, or correct its name or the region"
    )]
    NoTable(&'static str, String, String),
    /// A table of the ledger's database that the handler writes to is missing.
    #[error(
        "environment variable {DATABASE}: the database has no table {0} that this role can see, which the handler writes to; create it"
    )]
    NoSqlTable(&'static str),
    /// The operating system refuses to handle signals.
    #[error("signals can't be handled")]
    Signals(#[source] std::io::Error),
}
