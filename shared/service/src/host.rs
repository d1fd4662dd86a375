//! A host on the store that the environment names.

use std::num::NonZeroUsize;
use std::process::ExitCode;

use consumer::Handler;
use host::{Need, SettingError};
use idempotency::{DynamoDbStore, NoWrites, Store, StoreFor};
use postgres::PostgresStore;

use crate::run::run as run_program;
use crate::store::{dynamodb, postgresql};
use crate::{LedgerStore, Program, StartError, ledger_store};

/// What a host does beside its ledger.
pub trait Host: Sized {
    /// Its command line.
    const PROGRAM: Program;
    /// Why it does not start, or ends.
    type Error: std::error::Error + From<StartError> + 'static;

    /// Builds the handler, and reads the other settings. Nothing is connected yet.
    ///
    /// # Errors
    ///
    /// A setting is missing or invalid, or an address can't be used.
    fn start<H: Handler>(
        handler: impl FnOnce() -> Result<H, SettingError>,
    ) -> impl Future<Output = Result<(H, Self), Self::Error>>;

    /// What the handler sends to and writes to.
    fn needs(&self) -> &[Need];

    /// How many messages are in process at a time at most.
    fn concurrency(&self) -> NonZeroUsize;

    /// Processes messages until the process is stopped.
    ///
    /// # Errors
    ///
    /// A queue is missing or refuses, or a part of the host ended.
    fn serve<H: Handler, S: Store<Write = H::Write>>(
        self,
        handler: H,
        store: S,
    ) -> impl Future<Output = Result<(), Self::Error>>;
}

/// Runs a handler without writes of its own, on either store.
pub async fn run<T: Host, H: Handler<Write = NoWrites>>(handler: impl FnOnce() -> Result<H, SettingError>) -> ExitCode {
    run_program(T::PROGRAM, async {
        match named()? {
            LedgerStore::DynamoDb(table) => on_dynamodb::<T, H>(handler, &table).await,
            LedgerStore::PostgreSql(url) => on_postgresql::<T, H>(handler, &url).await,
        }
    })
    .await
}

/// The same for a handler whose writes, if any, are those of DynamoDB.
pub async fn run_on_dynamodb<T: Host, H: Handler>(handler: impl FnOnce() -> Result<H, SettingError>) -> ExitCode
where
    DynamoDbStore: StoreFor<H::Write>,
{
    run_program(T::PROGRAM, async {
        match named()? {
            LedgerStore::DynamoDb(table) => on_dynamodb::<T, H>(handler, &table).await,
            other @ LedgerStore::PostgreSql(_) => Err(StartError::from(other.wrong_store()).into()),
        }
    })
    .await
}

/// The same for a handler whose writes, if any, are those of PostgreSQL.
pub async fn run_on_postgresql<T: Host, H: Handler>(handler: impl FnOnce() -> Result<H, SettingError>) -> ExitCode
where
    PostgresStore: StoreFor<H::Write>,
{
    run_program(T::PROGRAM, async {
        match named()? {
            LedgerStore::PostgreSql(url) => on_postgresql::<T, H>(handler, &url).await,
            other @ LedgerStore::DynamoDb(_) => Err(StartError::from(other.wrong_store()).into()),
        }
    })
    .await
}

fn named() -> Result<LedgerStore, StartError> {
    Ok(ledger_store()?)
}

async fn on_dynamodb<T: Host, H: Handler>(
    handler: impl FnOnce() -> Result<H, SettingError>,
    table: &str,
) -> Result<(), T::Error>
where
    DynamoDbStore: StoreFor<H::Write>,
{
    // Boxed: the compiler refuses a `main` whose futures are nested too deeply, at its default limit.
    let (handler, host) = Box::pin(T::start(handler)).await?;
    let store = Box::pin(dynamodb::<H>(table, host.needs())).await?;
    Box::pin(host.serve(handler, store.into_store())).await
}

async fn on_postgresql<T: Host, H: Handler>(
    handler: impl FnOnce() -> Result<H, SettingError>,
    url: &str,
) -> Result<(), T::Error>
where
    PostgresStore: StoreFor<H::Write>,
{
    let (handler, host) = Box::pin(T::start(handler)).await?;
    let store = Box::pin(postgresql(url, host.concurrency(), host.needs())).await?;
    Box::pin(host.serve(handler, store.into_store())).await
}
