//! A worker whose queue, store and bounds come from the environment.

use std::num::{NonZeroU16, NonZeroU32};
use std::process::ExitCode;
use std::time::Duration;

use consumer::{Chain, Handler, Queues, Services, Source, SourceError, SourceFault};
use host::{PolledQueue, SettingError, max_receive_count, record_retention, request_timeout, retry_delays};
use idempotency::{DEFAULT_RETENTION, DynamoDbStore, Key, NoWrites, Store, StoreError, StoreFor};
use postgres::PostgresStore;
use rabbitmq::{InvalidUrl, RabbitMq, RabbitMqSource, RabbitMqUrl};
use sqs::{Sqs, SqsSource};
use telemetry::TracedQueues;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::arguments;
use crate::backoff::jittered;
use crate::settings::{DATABASE, LedgerStore, QUEUE, Settings, TABLE, ledger_store};
use crate::{Queue, Worker, WorkerError, stop_signal};

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
    #[error("the queue can't be used")]
    Queue(#[source] SourceError),
    #[error("signals can't be handled")]
    Signals(#[source] std::io::Error),
    #[error(transparent)]
    Worker(#[from] WorkerError),
}

async fn on_dynamodb<H: Handler>(
    handler: impl FnOnce() -> Result<H, SettingError>,
    table: String,
) -> Result<(), StartError>
where
    DynamoDbStore: StoreFor<H::Write>,
{
    let (handler, settings) = (handler_of(handler)?, Settings::from_env()?);
    let stopping = stopping()?;
    let config = aws_config().await?;
    let store = DynamoDbStore::new(aws_sdk_dynamodb::Client::new(&config), &table);
    connect::<H>(&store, &table).await?;
    on_queue(handler, store.into_store(), settings, stopping).await
}

async fn on_postgresql<H: Handler>(
    handler: impl FnOnce() -> Result<H, SettingError>,
    url: String,
) -> Result<(), StartError>
where
    PostgresStore: StoreFor<H::Write>,
{
    let (handler, settings) = (handler_of(handler)?, Settings::from_env()?);
    let stopping = stopping()?;
    let database = postgres::Settings::from_url(&url)
        .map_err(|error| SettingError::wrong(DATABASE, format!("can't be used: {error}")))?;
    let store = PostgresStore::new(database.with_max_connections(settings.concurrency.get()));
    match store.connect().await {
        Err(refused @ StoreError::Refused(_)) => return Err(StartError::Database(refused)),
        Err(error) => tracing::warn!("the database could not be reached at start: {}", Chain(&error)),
        Ok(()) => {}
    }
    on_queue(handler, store.into_store(), settings, stopping).await
}

/// Is cancelled by SIGTERM or SIGINT.
///
/// Called before anything that waits: until then SIGTERM is no orderly stop, and process 1 of a container ignores it.
fn stopping() -> Result<CancellationToken, StartError> {
    let (stop, stopping) = (stop_signal().map_err(StartError::Signals)?, CancellationToken::new());
    let stopped = stopping.clone();
    tokio::spawn(async move {
        stop.await;
        stopped.cancel();
    });
    Ok(stopping)
}

fn handler_of<H>(handler: impl FnOnce() -> Result<H, SettingError>) -> Result<H, StartError> {
    // First: the handler may have a client of its own.
    aws::load_roots()?;
    Ok(handler()?)
}

async fn aws_config() -> Result<aws_config::SdkConfig, StartError> {
    host::endpoints()?;
    let config = aws::worker_sdk_config(request_timeout()?).await;
    match config.region() {
        Some(_) => Ok(config),
        None => Err(StartError::NoRegion),
    }
}

/// How long opening the first connection may take.
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

async fn on_queue<H: Handler, S: Store<Write = H::Write>>(
    handler: H,
    store: S,
    settings: Settings,
    stopping: CancellationToken,
) -> Result<(), StartError> {
    match settings.queue.clone() {
        PolledQueue::Sqs(url) => {
            let client = aws_sdk_sqs::Client::new(&aws_config().await?);
            let open = || SqsSource::open(client.clone(), url.clone());
            let Some(source) = opened(open, &stopping).await? else {
                return Ok(());
            };
            let (dead_letter_queue, receives) = (source.dead_letter_queue(), source.max_receive_count());
            let services = services(
                store,
                traced::<SqsSource, _>(Sqs::new(client)),
                dead_letter_queue,
                receives,
            )?;
            poll(handler, services, source, settings, stopping).await
        }
        PolledQueue::RabbitMq(url) => {
            let url: RabbitMqUrl = url
                .parse()
                .map_err(|error: InvalidUrl| SettingError::wrong(QUEUE, error.to_string()))?;
            let queues = RabbitMq::new(url);
            let prefetch = u16::try_from(settings.concurrency.get()).unwrap_or(u16::MAX);
            let prefetch = NonZeroU16::new(prefetch).unwrap_or(NonZeroU16::MIN);
            let Some(source) = opened(|| RabbitMqSource::open(&queues, prefetch), &stopping).await? else {
                return Ok(());
            };
            let dead_letter_queue = Some(source.dead_letter_queue());
            let services = services(
                store,
                traced::<RabbitMqSource, _>(queues),
                dead_letter_queue,
                Some(rabbitmq::DEFAULT_MAX_RECEIVE_COUNT),
            )?;
            poll(handler, services, source, settings, stopping).await
        }
    }
}

/// The queues that messages are sent to, with a span for each: of the system that they are received from.
fn traced<R: Source, Q: Queues>(queues: Q) -> TracedQueues<Q> {
    TracedQueues::new(R::SYSTEM, queues)
}

/// The source, opened again until it answers; `None` if the process is stopped before. One that refuses is an error.
async fn opened<R, F: Future<Output = Result<R, SourceError>>>(
    open: impl Fn() -> F,
    stopping: &CancellationToken,
) -> Result<Option<R>, StartError> {
    for failures in 1.. {
        let error = match open().await {
            Ok(source) => return Ok(Some(source)),
            Err(error) if error.fault == SourceFault::Refused => return Err(StartError::Queue(error)),
            Err(error) => error,
        };
        let delay = jittered(failures);
        tracing::warn!(
            retryAfterSeconds = delay.as_secs_f64(),
            "the queue can't be opened yet: {}",
            Chain(&error)
        );
        if stopping.run_until_cancelled(sleep(delay)).await.is_none() {
            break;
        }
    }
    Ok(None)
}

/// What the handler is given, besides its messages.
fn services<S: Store, Q: Queues>(
    store: S,
    queues: Q,
    dead_letter_queue: Option<String>,
    queues_receive_count: Option<NonZeroU32>,
) -> Result<Services<S, Q>, SettingError> {
    let services = Services::new(store, queues)
        .with_retry_delays(retry_delays()?)
        .with_retention(record_retention()?.unwrap_or(DEFAULT_RETENTION));
    let services = match max_receive_count()?.or(queues_receive_count) {
        Some(receives) => services.with_max_receive_count(receives),
        None => services,
    };
    Ok(match host::dead_letter_queue()?.or(dead_letter_queue) {
        Some(url) => services.with_dead_letter_queue(url),
        None => services,
    })
}

async fn poll<H: Handler, S: Store<Write = H::Write>, Q: Queues, R: Source>(
    handler: H,
    services: Services<S, Q>,
    source: R,
    settings: Settings,
    stopping: CancellationToken,
) -> Result<(), StartError> {
    let queue = Queue {
        logs_messages: settings.logs_messages,
        ..Queue::new(handler, services, source).with_concurrency(settings.concurrency)
    };
    let queue = match settings.rate {
        Some(rate) => queue.with_rate(rate),
        None => queue,
    };
    let worker = Worker::new()
        .with_queue(queue)
        .with_drain(settings.drain)
        .with_health_address(settings.health);
    Ok(worker.run(stopping.cancelled()).await?)
}
