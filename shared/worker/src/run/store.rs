//! The ledger, and the tables of the handler beside it.

use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::ProvideErrorMetadata;
use consumer::{Chain, Handler};
use host::{Need, SettingError};
use idempotency::{DynamoDbStore, Key, StoreError, StoreFor};
use postgres::PostgresStore;
use tokio::time::timeout;

use super::StartError;
use super::queue::on_queue;
use super::start::{Start, aws_config};
use crate::settings::DATABASE;

pub(super) async fn on_dynamodb<H: Handler>(
    handler: impl FnOnce() -> Result<H, SettingError>,
    table: String,
) -> Result<(), StartError>
where
    DynamoDbStore: StoreFor<H::Write>,
{
    let (handler, start) = Start::of(handler).await?;
    let client = Client::new(&aws_config().await?);
    let store = DynamoDbStore::new(client.clone(), &table);
    connect::<H>(&store, &table).await?;
    for need in &start.needs {
        if let Need::Table { variable, name } = need {
            exists(&client, variable, name).await?;
        }
    }
    on_queue(handler, store.into_store(), start).await
}

pub(super) async fn on_postgresql<H: Handler>(
    handler: impl FnOnce() -> Result<H, SettingError>,
    url: String,
) -> Result<(), StartError>
where
    PostgresStore: StoreFor<H::Write>,
{
    let (handler, start) = Start::of(handler).await?;
    let database = postgres::Settings::from_url(&url)
        .map_err(|error| SettingError::wrong(DATABASE, format!("can't be used: {error}")))?;
    let store = PostgresStore::new(database.with_max_connections(start.settings.concurrency.get()));
    match usable(&store, &start.needs).await {
        Err(StartError::Database(error)) if !matches!(error, StoreError::Refused(_)) => {
            tracing::warn!("the database could not be reached at start: {}", Chain(&error));
        }
        checked => checked?,
    }
    on_queue(handler, store.into_store(), start).await
}

/// Checks that the database has the ledger and the handler's tables.
async fn usable(store: &PostgresStore, needs: &[Need]) -> Result<(), StartError> {
    store.connect().await.map_err(StartError::Database)?;
    for need in needs {
        if let Need::SqlTable(name) = need
            && !store.has_table(name).await.map_err(StartError::Database)?
        {
            return Err(StartError::NoSqlTable(name));
        }
    }
    Ok(())
}

/// How long opening the first connection may take, or a request about a table.
const LONGEST_CONNECT: Duration = Duration::from_secs(5);

/// Checks that the table accepts requests. One that does not answer now may answer later; one that refuses is missing or not
/// permitted.
#[expect(clippy::expect_used, reason = "its message says why it can't happen")]
async fn connect<H: Handler>(store: &DynamoDbStore, table: &str) -> Result<(), StartError> {
    let key = Key::new(H::NAMESPACE, "connection opened at start, never recorded");
    let key = key.expect("the namespace is checked at compile time, and the key is not empty");
    let connected = timeout(LONGEST_CONNECT, store.connect(&key)).await;
    match connected.unwrap_or_else(|_| Err(StoreError::NoAnswer("deadline exceeded".into()))) {
        Err(refused @ StoreError::Refused(_)) => Err(StartError::Table(table.to_owned(), refused)),
        Err(error) => {
            tracing::warn!("table {table} could not be reached at start: {}", Chain(&error));
            Ok(())
        }
        Ok(()) => Ok(()),
    }
}

/// Checks that a table of the handler exists, if this process may describe it: its writes require no `dynamodb:DescribeTable`.
async fn exists(client: &Client, variable: &'static str, table: &str) -> Result<(), StartError> {
    let described = timeout(LONGEST_CONNECT, client.describe_table().table_name(table).send()).await;
    let error = match described {
        Ok(Ok(_)) => return Ok(()),
        Ok(Err(error)) => error,
        Err(_) => {
            tracing::warn!("table {table} could not be checked at start: no answer");
            return Ok(());
        }
    };
    match error.code() {
        None => {
            tracing::warn!(
                "table {table} could not be checked at start: {}",
                Chain(&*aws::service_error(error))
            );
            Ok(())
        }
        Some("ResourceNotFoundException") => {
            let region = client.config().region().map(ToString::to_string).unwrap_or_default();
            Err(StartError::NoTable(variable, table.to_owned(), region))
        }
        _ => {
            tracing::debug!("table {table} is not checked: {}", Chain(&*aws::service_error(error)));
            Ok(())
        }
    }
}
