//! A push host whose platform, store and bounds come from the environment.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::process::ExitCode;
use std::sync::Arc;

use azure_queue::{AzureQueueUrl, AzureQueues, Credentials, InvalidUrl};
use cloud_tasks::{CloudTasks, Verifier};
use consumer::{Handler, SourceError, Stop};
use futures_util::future::BoxFuture;
use host::{Need, SettingError, dead_letter_queue, needs, setting};
use idempotency::{DynamoDbStore, NoWrites, Store, StoreFor, Timestamp};
use postgres::PostgresStore;
use service::{Host, Metrics, Observed, Program, services, stopping};
use telemetry::TracedQueues;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::{AbortOnDropHandle, TaskTracker};

use crate::access::Access;
use crate::answer::Platform;
use crate::destinations::{Account, DEAD_LETTERS, Destinations};
use crate::dialect::Dialect;
use crate::push::Push;
use crate::server::{ServeError, bind, metrics_router, serve};
use crate::settings::{ADDRESS, Caller, HELP, QUEUE, Settings, listen_address};

/// Runs a handler without writes of its own as a server that a platform calls with one message at a time, on the store that the
/// environment names, until SIGTERM or SIGINT.
///
/// `handler` builds it from environment variables. If the server can't start, one log line states why and the exit code is 1.
/// It is 0 after a stop. `--help` prints the settings.
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

/// What the environment states.
struct Start {
    settings: Settings,
    /// What the handler sends to and writes to.
    needs: Vec<Need>,
    cloud_tasks: CloudTasks,
    account: Option<Account>,
    dialect: Dialect,
    /// Its name in logs and metrics.
    queue: String,
    /// With the setting that states them.
    dead_letters: Option<(&'static str, String)>,
    stopping: CancellationToken,
    /// Bound before anything is connected: what arrives meanwhile waits.
    listener: TcpListener,
}

impl Host for Start {
    const PROGRAM: Program = Program {
        summary: "Answers HTTP requests with one message each, until SIGTERM or SIGINT.",
        settings: HELP,
        health: listen_address,
        health_setting: ADDRESS,
    };
    type Error = StartError;

    async fn start<H: Handler>(handler: impl FnOnce() -> Result<H, SettingError>) -> Result<(H, Self), StartError> {
        // First: the handler may have a client of its own.
        aws::load_roots().map_err(service::StartError::from)?;
        host::accept_queues(of_other_services);
        let (handler, needs) = needs(handler);
        let (handler, settings) = (handler?, Settings::from_env()?);
        let cloud_tasks = CloudTasks::new();
        let (dialect, account, queue) = dialect::<H>(settings.platform, &cloud_tasks)?;
        let dead_letters = dead_letters(&dialect)?;
        let stopping = stopping()?;
        let (listener, address) = bind(settings.address).await?;
        tracing::info!("messages are taken at http://{address}/, health is at /live and /ready");
        let start = Self {
            settings,
            needs,
            cloud_tasks,
            account,
            dialect,
            queue,
            dead_letters,
            stopping,
            listener,
        };
        Ok((handler, start))
    }

    fn needs(&self) -> &[Need] {
        &self.needs
    }

    fn concurrency(&self) -> NonZeroUsize {
        self.settings.concurrency
    }

    async fn serve<H: Handler, S: Store<Write = H::Write>>(self, handler: H, store: S) -> Result<(), StartError> {
        let Self { settings, dialect, .. } = self;
        // Copies go to the queue of the trigger.
        let pushed = match &dialect {
            Dialect::AzureFunctions(url, _) => Some((QUEUE, url.to_string())),
            Dialect::PubSub | Dialect::CloudTasks(_) => None,
        };
        let others = pushed.into_iter().chain(self.dead_letters.clone()).collect();
        let queues = Destinations::open(self.cloud_tasks, self.account, &self.needs, others);
        let queues = TracedQueues::new(dialect.system(), queues.await?);
        // Where retries are copies: the platform counts each as a new message.
        let receives = (settings.platform != Platform::PubSub).then_some(azure_queue::DEFAULT_MAX_RECEIVE_COUNT);
        let metrics = Metrics::new("push");
        let _metrics = serve_metrics(settings.metrics, metrics.clone()).await?;
        let push = Push {
            handler: Arc::new(handler),
            services: services(store, queues, self.dead_letters.map(|(_, url)| url), receives)?,
            access: access(settings.caller),
            observed: Observed {
                system: dialect.system(),
                metrics: metrics.of_queue(&self.queue, dialect.operations()),
                queue: self.queue,
                logs_messages: settings.logs_messages,
            },
            dialect,
            bounds: settings.bounds,
            path: settings.path,
            permits: Arc::new(Semaphore::new(settings.concurrency.get())),
            tasks: TaskTracker::new(),
            stop: Stop::new(),
            stopping: self.stopping,
            clock: Timestamp::now,
        };
        serve(self.listener, Arc::new(push), settings.drain).await;
        Ok(())
    }
}

/// The dialect of a platform, the queues of its account if it is Azure, and the name of the queue in logs and metrics.
fn dialect<H: Handler>(
    platform: Platform,
    cloud_tasks: &CloudTasks,
) -> Result<(Dialect, Option<Account>, String), SettingError> {
    match platform {
        // Each message states its subscription.
        Platform::PubSub => Ok((Dialect::PubSub, None, H::NAMESPACE.to_owned())),
        Platform::CloudTasks => {
            let url = setting(QUEUE)?;
            let name = cloud_tasks::queue_name(&url).map_err(|why| SettingError::wrong(QUEUE, why))?;
            let cloud_tasks = cloud_tasks.clone();
            let copies = move |task, at| -> BoxFuture<'static, _> {
                let (cloud_tasks, url) = (cloud_tasks.clone(), url.clone());
                Box::pin(async move { cloud_tasks.retry(&url, &task, Some(at)).await })
            };
            Ok((Dialect::CloudTasks(Box::new(copies)), None, name))
        }
        Platform::AzureFunctions => {
            let wrong = |why: String| SettingError::wrong(QUEUE, why);
            let url: AzureQueueUrl = setting(QUEUE)?
                .parse()
                .map_err(|why: InvalidUrl| wrong(why.to_string()))?;
            let credentials = Credentials::from_env(&url).map_err(|why| wrong(format!("can't be used: {why}")))?;
            let queues = AzureQueues::new(&url, credentials);
            let (name, sender) = (url.to_string(), queues.clone());
            let copies = move |message, at| -> BoxFuture<'static, _> {
                let sender = sender.clone();
                Box::pin(async move { sender.delay(&message, at).await })
            };
            let account = Account::of(&url, queues);
            Ok((Dialect::AzureFunctions(url, Box::new(copies)), Some(account), name))
        }
    }
}

/// Where rejected messages go.
fn dead_letters(dialect: &Dialect) -> Result<Option<(&'static str, String)>, SettingError> {
    Ok(match (dead_letter_queue()?, dialect) {
        (None, Dialect::AzureFunctions(queue, _)) => Some((QUEUE, queue.dead_letter_queue())),
        (None, Dialect::CloudTasks(_)) => {
            tracing::warn!("DEAD_LETTER_QUEUE_URL is not set: what can never be processed is retried without end");
            None
        }
        (stated, _) => stated.map(|url| (DEAD_LETTERS, url)),
    })
}

/// What is wrong with the URL of a destination, if it is one of Cloud Tasks or Azure. Whether it is of the account that calls
/// is known when it is opened.
fn of_other_services(url: &str) -> Option<Result<(), String>> {
    if url.contains(".queue.core.") || url.contains("/devstoreaccount1/") {
        return Some(azure_queue::check_destination(url));
    }
    let name = cloud_tasks::is_url(url).then(|| cloud_tasks::queue_name(url))?;
    Some(name.map(drop).map_err(|why| format!("can't be used: {why}")))
}

fn access(caller: Caller) -> Access {
    match caller {
        Caller::OfPlatform => Access::Platform,
        Caller::Account {
            audience,
            account,
            issuer,
        } => {
            let verifier = Verifier::new(audience, account);
            Access::token(match issuer {
                Some((issuer, keys)) => verifier.with_issuer(issuer, keys),
                None => verifier,
            })
        }
    }
}

async fn serve_metrics(
    address: Option<SocketAddr>,
    metrics: Metrics,
) -> Result<Option<AbortOnDropHandle<()>>, StartError> {
    let Some(address) = address else {
        return Ok(None);
    };
    let (listener, address) = bind(address).await?;
    tracing::info!("metrics are at http://{address}/metrics");
    // It ends only with the task: errors of single connections are not errors of the server.
    let serving = async move { drop(axum::serve(listener, metrics_router(metrics)).await) };
    Ok(Some(AbortOnDropHandle::new(tokio::spawn(serving))))
}

/// Why a push host does not start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartError {
    #[error(transparent)]
    Start(#[from] service::StartError),
    #[error("environment variable {0}")]
    Destination(&'static str, #[source] SourceError),
    #[error(transparent)]
    Address(#[from] ServeError),
}

impl From<SettingError> for StartError {
    fn from(error: SettingError) -> Self {
        service::StartError::from(error).into()
    }
}
