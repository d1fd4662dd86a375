//! A worker whose queue, store and bounds come from the environment.

mod destinations;
mod queue;
mod start;

use std::process::ExitCode;

use consumer::{Handler, SourceError};
use host::SettingError;
use idempotency::{DynamoDbStore, NoWrites, StoreFor};
use postgres::PostgresStore;

use self::start::Start;
use crate::WorkerError;

/// Runs a handler without writes of its own as a worker, on the queue and the store that the environment names, until SIGTERM
/// or SIGINT.
///
/// `handler` builds it from environment variables. If the worker can't start, one log line states why and the exit code is 1. It
/// is 0 after a stop. `--help` prints the settings.
pub async fn run<H: Handler<Write = NoWrites>>(handler: impl FnOnce() -> Result<H, SettingError>) -> ExitCode {
    service::run::<Start, H>(handler).await
}

/// The same for a handler whose writes, if any, are those of DynamoDB.
pub async fn run_on_dynamodb<H: Handler>(handler: impl FnOnce() -> Result<H, SettingError>) -> ExitCode
where
    DynamoDbStore: StoreFor<H::Write>,
{
    service::run_on_dynamodb::<Start, H>(handler).await
}

/// The same for a handler whose writes, if any, are those of PostgreSQL.
pub async fn run_on_postgresql<H: Handler>(handler: impl FnOnce() -> Result<H, SettingError>) -> ExitCode
where
    PostgresStore: StoreFor<H::Write>,
{
    service::run_on_postgresql::<Start, H>(handler).await
}

/// Why a worker does not start, or ends.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartError {
    #[error(transparent)]
    Start(#[from] service::StartError),
    #[error("{0}")]
    Destination(String, #[source] SourceError),
    #[error("the queue can't be used")]
    Queue(#[source] SourceError),
    #[error(transparent)]
    Worker(#[from] WorkerError),
}

impl From<SettingError> for StartError {
    fn from(error: SettingError) -> Self {
        service::StartError::from(error).into()
    }
}
