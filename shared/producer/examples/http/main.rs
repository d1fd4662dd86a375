//! An HTTP application that accepts orders, enqueues them, and shows what has become of them. Its page is `README.md`.

mod app;
mod callers;
mod client_key;
mod location;
mod order;
mod place;
mod problem;
mod records;
mod serve;
mod settings;
mod show;
#[cfg(test)]
mod tests;
mod worker;

use std::error::Error;
use std::num::NonZeroU16;
use std::process::ExitCode;

use ::worker::LedgerStore;
use azure_queue::{AzureQueueSource, AzureQueueUrl, AzureQueues, Credentials};
use cloud_tasks::CloudTasks;
use consumer::{Chain, MemorySource, Queues, Source};
use host::{PolledQueue, SettingError};
use idempotency::{DynamoDbStore, NoWrites, StoreFor};
use postgres::PostgresStore;
use producer::Producer;
use rabbitmq::{InvalidUrl, RabbitMq, RabbitMqSource, RabbitMqUrl};
use sqs::{Sqs, SqsSource};
use telemetry::TracedQueues;
use tokio::net::TcpListener;

use crate::app::App;
use crate::records::Records;
use crate::settings::{OrdersQueue, Settings};
use crate::worker::{DeadLetters, Running};

type Failed = Box<dyn Error + Send + Sync>;

const USAGE: &str = "\
Accepts orders over HTTP and enqueues them. Settings are environment variables; see the page.

Usage: http [--with-worker]

  --with-worker  processes the orders in this process as well
";

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let with_worker = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => false,
        ["--with-worker"] => true,
        ["--help" | "-h"] => {
            print!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        _ => {
            eprint!("unknown arguments: {}\n\n{USAGE}", arguments.join(" "));
            return ExitCode::from(2);
        }
    };
    let traces = telemetry::start_logging();
    let code = match run(with_worker).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{}", Chain(&*error));
            ExitCode::FAILURE
        }
    };
    traces.stop().await;
    code
}

/// The store of the ledger, as the environment names it.
async fn run(with_worker: bool) -> Result<(), Failed> {
    aws::load_roots()?;
    let settings = Settings::from_env()?;
    match settings.ledger.clone() {
        LedgerStore::DynamoDb(table) => {
            let client = aws_sdk_dynamodb::Client::new(&aws_config(&settings).await?);
            on_queue(settings, DynamoDbStore::new(client, table), with_worker).await
        }
        LedgerStore::PostgreSql(url) => {
            let database = postgres::Settings::from_url(&url);
            let database =
                database.map_err(|error| SettingError::wrong(settings::DATABASE, format!("can't be used: {error}")))?;
            on_queue(settings, PostgresStore::new(database), with_worker).await
        }
    }
}

async fn aws_config(settings: &Settings) -> Result<aws_config::SdkConfig, Failed> {
    let config = aws::worker_sdk_config(settings.request_timeout).await;
    match config.region() {
        Some(_) => Ok(config),
        None => Err("no AWS region: set AWS_REGION, or a region in the profile".into()),
    }
}

/// The queue, as the environment names it.
async fn on_queue<S>(settings: Settings, store: S, with_worker: bool) -> Result<(), Failed>
where
    S: Records + StoreFor<NoWrites> + Clone,
{
    match settings.orders_queue.clone() {
        OrdersQueue::CloudTasks(_) if with_worker => {
            let problem =
                "is a queue of Cloud Tasks, which no worker can poll: leave out --with-worker, and run a push host";
            Err(SettingError::wrong(settings::ORDERS_QUEUE, problem).into())
        }
        OrdersQueue::CloudTasks(destination) => {
            let orders = Orders {
                system: "gcp_cloud_tasks",
                queues: CloudTasks::new(),
                destination,
            };
            serve_with(settings, store, orders, None::<MemorySource>, DeadLetters::default()).await
        }
        OrdersQueue::Polled(PolledQueue::Sqs(destination)) => {
            let client = aws_sdk_sqs::Client::new(&aws_config(&settings).await?);
            let queues = Sqs::new(client.clone());
            let source = match with_worker {
                true => Some(SqsSource::open(client, &destination).await?),
                false => None,
            };
            let dead_letters = DeadLetters {
                queue: source.as_ref().and_then(SqsSource::dead_letter_queue),
                receives: source.as_ref().and_then(SqsSource::max_receive_count),
            };
            let orders = Orders {
                system: SqsSource::SYSTEM,
                queues,
                destination,
            };
            serve_with(settings, store, orders, source, dead_letters).await
        }
        OrdersQueue::Polled(PolledQueue::RabbitMq(url)) => {
            let invalid = |why: &str| SettingError::wrong(settings::ORDERS_QUEUE, why);
            let url: RabbitMqUrl = url.parse().map_err(|error: InvalidUrl| invalid(&error.to_string()))?;
            let queue = url.queue().ok_or_else(|| invalid("names no queue; add ?queue=NAME"))?;
            let destination = format!("amqp:{queue}");
            let queues = RabbitMq::new(url);
            let source = match with_worker {
                true => Some(RabbitMqSource::open(&queues, CONCURRENCY).await?),
                false => None,
            };
            let dead_letters = DeadLetters {
                queue: source.as_ref().map(RabbitMqSource::dead_letter_queue),
                receives: Some(rabbitmq::DEFAULT_MAX_RECEIVE_COUNT),
            };
            let orders = Orders {
                system: RabbitMqSource::SYSTEM,
                queues,
                destination,
            };
            serve_with(settings, store, orders, source, dead_letters).await
        }
        OrdersQueue::Polled(PolledQueue::AzureQueue(url)) => {
            let invalid = |why: String| SettingError::wrong(settings::ORDERS_QUEUE, why);
            let url: AzureQueueUrl = url
                .parse()
                .map_err(|error: azure_queue::InvalidUrl| invalid(error.to_string()))?;
            let credentials =
                Credentials::from_env(&url).map_err(|error| invalid(format!("can't be used: {error}")))?;
            let queues = AzureQueues::new(&url, credentials);
            let source = match with_worker {
                true => Some(AzureQueueSource::open(&queues, url.clone(), url.dead_letter_queue()).await?),
                false => None,
            };
            let dead_letters = DeadLetters {
                queue: Some(url.dead_letter_queue()),
                receives: Some(azure_queue::DEFAULT_MAX_RECEIVE_COUNT),
            };
            let orders = Orders {
                system: AzureQueueSource::SYSTEM,
                queues,
                destination: url.to_string(),
            };
            serve_with(settings, store, orders, source, dead_letters).await
        }
    }
}

/// As many messages as a worker processes at a time.
const CONCURRENCY: NonZeroU16 = NonZeroU16::MIN.saturating_add(9);

/// Where orders are sent.
struct Orders<Q> {
    /// The messaging system's name in OpenTelemetry.
    system: &'static str,
    queues: Q,
    destination: String,
}

/// Serves until a signal. Then the listener closes, requests drain, the worker drains, and this returns.
async fn serve_with<S, Q, R>(
    settings: Settings,
    store: S,
    orders: Orders<Q>,
    source: Option<R>,
    dead_letters: DeadLetters,
) -> Result<(), Failed>
where
    S: Records + StoreFor<NoWrites> + Clone,
    Q: Queues + Clone,
    R: Source,
{
    let listen = &settings.listen;
    let listener = TcpListener::bind(listen).await;
    let listener =
        listener.map_err(|error| format!("environment variable LISTEN: can't listen at {listen}: {error}"))?;
    // Before anyone can know that it runs: a signal that comes earlier would kill it.
    let stop = serve::stop()?;
    let worker = source.map(|source| Running::start(store.clone(), orders.queues.clone(), source, dead_letters));
    let app = App {
        producer: Producer::new(TracedQueues::new(orders.system, orders.queues), orders.destination),
        records: store,
        callers: settings.callers,
    };
    tracing::info!("listening at http://{}", listener.local_addr()?);
    let ended = worker.as_ref().map(Running::ended);
    let stop = async move {
        match ended {
            // Without its worker, it would accept orders that nobody processes.
            Some(ended) => tokio::select! { () = stop => {}, () = ended => {} },
            None => stop.await,
        }
    };
    let drained = serve::serve(listener, app::router(app), stop, serve::DRAIN).await?;
    match drained {
        true => tracing::info!("stopped: every request was answered"),
        false => tracing::warn!(
            "stopped: requests were cut off that took longer than {:?}",
            serve::DRAIN
        ),
    }
    match worker {
        Some(worker) => worker.stop().await,
        None => Ok(()),
    }
}
