//! The ledger, and the tables of the handler beside it.

use std::num::NonZeroUsize;
use std::time::Duration;

use aws_config::SdkConfig;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::ProvideErrorMetadata;
use consumer::{Chain, Handler};
use host::{Need, SettingError, request_timeout};
use idempotency::{DynamoDbStore, Key, StoreError};
use postgres::PostgresStore;
use tokio::sync::OnceCell;
use tokio::time::timeout;

use crate::StartError;
use crate::ledger::DATABASE;

/// The configuration of a host's AWS clients. It is read once, so that they share credentials.
///
/// # Errors
///
/// [`StartError::NoRegion`], or a setting of an endpoint is invalid.
pub async fn aws_config() -> Result<SdkConfig, StartError> {
    static CONFIG: OnceCell<SdkConfig> = OnceCell::const_new();
    let read = async || {
        host::endpoints()?;
        let config = aws::worker_sdk_config(request_timeout()?).await;
        match config.region() {
            Some(_) => Ok(config),
            None => Err(StartError::NoRegion),
        }
    };
    CONFIG.get_or_try_init(read).await.cloned()
}

/// The ledger in this table of DynamoDB. It is checked, and so are the tables that the handler needs.
///
/// # Errors
///
/// One of them is missing, or refuses. One that does not answer is a warning.
pub(crate) async fn dynamodb<H: Handler>(table: &str, needs: &[Need]) -> Result<DynamoDbStore, StartError> {
    let client = Client::new(&aws_config().await?);
    let store = DynamoDbStore::new(client.clone(), table);
    connect::<H>(&store, table).await?;
    for need in needs {
        if let Need::Table { variable, name } = need {
            exists(&client, variable, name).await?;
        }
    }
    Ok(store)
}

/// The ledger in the PostgreSQL database at this URL, with at most this many connections. It is checked, and so are the tables
/// that the handler needs.
///
/// # Errors
///
/// As [`dynamodb`].
pub(crate) async fn postgresql(
    url: &str,
    connections: NonZeroUsize,
    needs: &[Need],
) -> Result<PostgresStore, StartError> {
    let database = postgres::Settings::from_url(url)
        .map_err(|error| SettingError::wrong(DATABASE, format!("can't be used: {error}")))?;
    let store = PostgresStore::new(database.with_max_connections(connections.get()));
    match usable(&store, needs).await {
        Err(StartError::Database(error)) if !matches!(error, StoreError::Refused(_)) => {
            tracing::warn!("the database could not be reached at start: {}", Chain(&error));
        }
        checked => checked?,
    }
    Ok(store)
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
