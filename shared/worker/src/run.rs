//! A worker whose queue, store and bounds come from the environment.

mod destinations;
mod queue;
mod start;
mod store;

use std::process::ExitCode;

use consumer::{Chain, Handler, SourceError};
use host::SettingError;
use idempotency::{DynamoDbStore, NoWrites, StoreError, StoreFor};
use postgres::PostgresStore;

use self::store::{on_dynamodb, on_postgresql};
use crate::settings::{DATABASE, LedgerStore, TABLE, ledger_store};
use crate::{WorkerError, arguments};

/// Runs a handler without writes of its own as a worker, on the queue and the store that the environment names, until SIGTERM
/// or SIGINT.
///
/// `handler` builds it from environment variables. If the worker can't start, one log line states why and the exit code is 1. It
/// is 0 after a stop. `--help` prints the settings.
pub async fn run<H: Handler<Write = NoWrites>>(handler: impl FnOnce() -> Result<H, SettingError>) -> ExitCode {
    main(async {
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
    main(async {
        match ledger_store()? {
            LedgerStore::DynamoDb(table) => on_dynamodb(handler, table).await,
            LedgerStore::PostgreSql(_) => Err(other_store(DATABASE, "DynamoDB", TABLE)),
        }
    })
    .await
}

/// The same for a handler whose writes, if any, are those of PostgreSQL.
pub async fn run_on_postgresql<H: Handler>(handler: impl FnOnce() -> Result<H, SettingError>) -> ExitCode
where
    PostgresStore: StoreFor<H::Write>,
{
    main(async {
        match ledger_store()? {
            LedgerStore::PostgreSql(url) => on_postgresql(handler, url).await,
            LedgerStore::DynamoDb(_) => Err(other_store(TABLE, "PostgreSQL", DATABASE)),
        }
    })
    .await
}

fn other_store(set: &'static str, store: &str, instead: &str) -> StartError {
    let problem = format!("is set, but the handler's writes are for {store}: set {instead} instead");
    SettingError::wrong(set, problem).into()
}

async fn main(start: impl Future<Output = Result<(), StartError>>) -> ExitCode {
    if let Some(code) = arguments::handle() {
        return code;
    }
    let traces = telemetry::start_logging();
    let code = match start.await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{}", Chain(&error));
            ExitCode::FAILURE
        }
    };
    traces.stop().await;
    code
}

/// Why a worker does not start, or ends.
#[derive(Debug, thiserror::Error)]
enum StartError {
    #[error(transparent)]
    Setting(#[from] SettingError),
    #[error(transparent)]
    Roots(#[from] aws::RootsError),
    #[error("no AWS region: set AWS_REGION, or a region in the profile")]
    NoRegion,
    #[error("environment variable {TABLE}: table {0} can't be used")]
    Table(String, #[source] StoreError),
    #[error("environment variable {DATABASE}: the ledger in the database can't be used")]
    Database(#[source] StoreError),
    #[error(
        "environment variable {0}: table {1} does not exist in region {2}; create it, or correct its name or the region"
    )]
    NoTable(&'static str, String, String),
    #[error(
        "environment variable {DATABASE}: the database has no table {0} that this role can see, which the handler writes to; create it"
    )]
    NoSqlTable(&'static str),
    #[error("{0}")]
    Destination(String, #[source] SourceError),
    #[error("the queue can't be used")]
    Queue(#[source] SourceError),
    #[error("signals can't be handled")]
    Signals(#[source] std::io::Error),
    #[error(transparent)]
    Worker(#[from] WorkerError),
}
