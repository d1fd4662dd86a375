//! The queue, from its first connection to its polling.

use std::num::NonZeroU16;
use std::time::Duration;

use azure_queue::{AzureQueueSource, AzureQueueUrl, AzureQueues, Credentials};
use consumer::{Chain, Handler, Queues, Services, Source, SourceError, SourceFault};
use host::{PolledQueue, SettingError, dead_letter_queue};
use idempotency::Store;
use rabbitmq::{InvalidUrl, RabbitMq, RabbitMqSource, RabbitMqUrl};
use service::{aws_config, services};
use sqs::{Sqs, SqsSource};
use telemetry::TracedQueues;
use tokio::time::sleep;
use tokio_util::task::AbortOnDropHandle;

use super::StartError;
use super::destinations::{DECLARED_WITHIN, destinations, exist};
use super::start::Start;
use crate::backoff::jittered;
use crate::settings::QUEUE;
use crate::{Queue, Worker};

pub(super) async fn on_queue<H: Handler, S: Store<Write = H::Write>>(
    handler: H,
    store: S,
    start: Start,
) -> Result<(), StartError> {
    match start.settings.queue.clone() {
        PolledQueue::Sqs(url) => on_sqs(handler, store, url, start).await,
        PolledQueue::RabbitMq(url) => on_rabbitmq(handler, store, &url, start).await,
        PolledQueue::AzureQueue(url) => on_azure_queue(handler, store, &url, start).await,
    }
}

async fn on_sqs<H: Handler, S: Store<Write = H::Write>>(
    handler: H,
    store: S,
    url: String,
    start: Start,
) -> Result<(), StartError> {
    let stated = dead_letter_queue()?;
    let client = aws_sdk_sqs::Client::new(&aws_config().await?);
    let open = || SqsSource::open(client.clone(), url.clone());
    let Some(source) = opened(open, &start).await? else {
        return Ok(());
    };
    let (queues, own) = (Sqs::new(client), source.dead_letter_queue());
    let check = async |url: &str| queues.check(url).await;
    check_destinations(&start, stated.clone(), own.clone(), Duration::ZERO, check).await?;
    let receives = source.max_receive_count();
    let services = services(store, traced::<SqsSource, _>(queues), stated.or(own), receives)?;
    poll(handler, services, source, start).await
}

async fn on_rabbitmq<H: Handler, S: Store<Write = H::Write>>(
    handler: H,
    store: S,
    url: &str,
    start: Start,
) -> Result<(), StartError> {
    let stated = dead_letter_queue()?;
    let url: RabbitMqUrl = url
        .parse()
        .map_err(|error: InvalidUrl| SettingError::wrong(QUEUE, error.to_string()))?;
    let queues = RabbitMq::new(url);
    let prefetch = u16::try_from(start.settings.concurrency.get()).unwrap_or(u16::MAX);
    let prefetch = NonZeroU16::new(prefetch).unwrap_or(NonZeroU16::MIN);
    // Before it consumes: messages that this process could not handle would count as received. And before it waits for the
    // destinations: their workers may wait for this queue.
    let declare = || RabbitMqSource::declare(&queues);
    if opened(declare, &start).await?.is_none() {
        return Ok(());
    }
    // The queue's own dead-letter queue is declared with it.
    let check = async |url: &str| queues.check(url).await;
    check_destinations(&start, stated.clone(), None, DECLARED_WITHIN, check).await?;
    let Some(source) = opened(|| RabbitMqSource::open(&queues, prefetch), &start).await? else {
        return Ok(());
    };
    let dead_letter_queue = stated.or(Some(source.dead_letter_queue()));
    let receives = Some(rabbitmq::DEFAULT_MAX_RECEIVE_COUNT);
    let services = services(store, traced::<RabbitMqSource, _>(queues), dead_letter_queue, receives)?;
    poll(handler, services, source, start).await
}

async fn on_azure_queue<H: Handler, S: Store<Write = H::Write>>(
    handler: H,
    store: S,
    url: &str,
    start: Start,
) -> Result<(), StartError> {
    let stated = dead_letter_queue()?;
    let wrong = |error: &dyn std::fmt::Display| SettingError::wrong(QUEUE, error.to_string());
    let url: AzureQueueUrl = url.parse().map_err(|error| wrong(&error))?;
    let credentials = Credentials::from_env(&url).map_err(|error| wrong(&format!("can't be used: {error}")))?;
    let queues = AzureQueues::new(&url, credentials);
    let own = stated.clone().unwrap_or_else(|| url.dead_letter_queue());
    let open = || AzureQueueSource::open(&queues, url.clone(), &*own);
    let Some(source) = opened(open, &start).await? else {
        return Ok(());
    };
    let check = async |url: &str| queues.check(url).await;
    check_destinations(&start, stated, Some(own.clone()), Duration::ZERO, check).await?;
    let receives = Some(azure_queue::DEFAULT_MAX_RECEIVE_COUNT);
    let queues = traced::<AzureQueueSource, _>(queues);
    let services = services(store, queues, Some(own), receives)?;
    poll(handler, services, source, start).await
}

/// Checks the queues that messages are sent to, for as long as they may be missing.
async fn check_destinations(
    start: &Start,
    stated: Option<String>,
    own: Option<String>,
    within: Duration,
    check: impl AsyncFn(&str) -> Result<(), SourceError>,
) -> Result<(), StartError> {
    let destinations = destinations(&start.needs, stated, own);
    exist(destinations, within, &start.stopping, &start.serving.health, check).await
}

/// The queues that messages are sent to, with a span for each: of the system that they are received from.
fn traced<R: Source, Q: Queues>(queues: Q) -> TracedQueues<Q> {
    TracedQueues::new(R::SYSTEM, queues)
}

/// The source, opened again until it answers; `None` if the process is stopped before. One that refuses is an error.
async fn opened<R, F: Future<Output = Result<R, SourceError>>>(
    open: impl Fn() -> F,
    start: &Start,
) -> Result<Option<R>, StartError> {
    start.connecting("connecting to the queue");
    for failures in 1.. {
        let error = match open().await {
            Ok(source) => return Ok(Some(source)),
            Err(error) if error.fault == SourceFault::Refused => return Err(StartError::Queue(error)),
            Err(error) => error,
        };
        let delay = jittered(failures);
        let why = format!("the queue can't be opened yet: {}", Chain(&error));
        tracing::warn!(retryAfterSeconds = delay.as_secs_f64(), "{why}");
        start.connecting(why);
        if start.stopping.run_until_cancelled(sleep(delay)).await.is_none() {
            break;
        }
    }
    Ok(None)
}

async fn poll<H: Handler, S: Store<Write = H::Write>, Q: Queues, R: Source>(
    handler: H,
    services: Services<S, Q>,
    source: R,
    Start {
        settings,
        stopping,
        serving,
        ..
    }: Start,
) -> Result<(), StartError> {
    let queue = Queue {
        logs_messages: settings.logs_messages,
        ..Queue::new(handler, services, source).with_concurrency(settings.concurrency)
    };
    let queue = match settings.rate {
        Some(rate) => queue.with_rate(rate),
        None => queue,
    };
    let in_flight = serving.metrics.in_flight_of(&queue.source.queue().name);
    let protecting = settings
        .protection
        .map(|protection| tokio::spawn(protection.run(in_flight)));
    // It ends with the worker: until then a task that drains stays protected.
    let _protecting = protecting.map(AbortOnDropHandle::new);
    let worker = Worker::new().with_queue(queue).with_drain(settings.drain);
    Ok(worker.run_in(serving, stopping.cancelled()).await?)
}
