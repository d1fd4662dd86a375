//! A worker whose queue, store and bounds come from the environment.

mod destinations;
mod queue;
mod start;

use std::process::ExitCode;

use consumer::{Handler, SourceError};
use host::SettingError;
use idempotency::{DynamoDbStore, NoWrites, StoreFor};
use postgres::PostgresStore;
use service::{LedgerStore, Program, ledger_store};

use self::queue::on_queue;
use self::start::Start;
use crate::WorkerError;
use crate::settings::{HEALTH_ADDRESS, HELP, health_address};

/// Runs a handler without writes of its own as a worker, on the queue and the store that the environment names, until SIGTERM
/// or SIGINT.
///
/// `handler` builds it from environment variables. If the worker can't start, one log line states why and the exit code is 1. It
/// is 0 after a stop. `--help` prints the settings.
pub async fn run<H: Handler<Write = NoWrites>>(handler: impl FnOnce() -> Result<H, SettingError>) -> ExitCode {
    service::run(PROGRAM, async {
        match ledger_store()? {
            LedgerStore::DynamoDb(table) => on_dynamodb(handler, table).await,
            LedgerStore::PostgreSql(url) => on_postgresql(handler, url).await,
        }
    })
    .await
}

/// The same for a handler whose writes, if any, are those of DynamoDB.
pub async fn run_on_dynamodb<H: Handler>(handler: impl FnOnce() -> Result<H, SettingError>) -> ExitCode
where
    DynamoDbStore: StoreFor<H::Write>,
{
    service::run(PROGRAM, async {
        match ledger_store()? {
            LedgerStore::DynamoDb(table) => on_dynamodb(handler, table).await,
            other @ LedgerStore::PostgreSql(_) => Err(other.wrong_store().into()),
        }
    })
    .await
}

/// The same for a handler whose writes, if any, are those of PostgreSQL.
pub async fn run_on_postgresql<H: Handler>(handler: impl FnOnce() -> Result<H, SettingError>) -> ExitCode
where
    PostgresStore: StoreFor<H::Write>,
{
    service::run(PROGRAM, async {
        match ledger_store()? {
            LedgerStore::PostgreSql(url) => on_postgresql(handler, url).await,
            other @ LedgerStore::DynamoDb(_) => Err(other.wrong_store().into()),
        }
    })
    .await
}

const PROGRAM: Program = Program {
    summary: "Polls a queue and processes its messages, until SIGTERM or SIGINT.",
    settings: HELP,
    health: health_address,
    health_setting: HEALTH_ADDRESS,
};

async fn on_dynamodb<H: Handler>(
    handler: impl FnOnce() -> Result<H, SettingError>,
    table: String,
) -> Result<(), StartError>
where
    DynamoDbStore: StoreFor<H::Write>,
{
    let (handler, start) = Start::of(handler).await?;
    let store = service::dynamodb::<H>(&table, &start.needs).await?;
    on_queue(handler, store.into_store(), start).await
}

async fn on_postgresql<H: Handler>(
    handler: impl FnOnce() -> Result<H, SettingError>,
    url: String,
) -> Result<(), StartError>
where
    PostgresStore: StoreFor<H::Write>,
{
    let (handler, start) = Start::of(handler).await?;
    let store = service::postgresql(&url, start.settings.concurrency, &start.needs).await?;
    on_queue(handler, store.into_store(), start).await
}

/// Why a worker does not start, or ends.
#[derive(Debug, thiserror::Error)]
enum StartError {
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
