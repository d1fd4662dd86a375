//! The Lambda host.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use aws_lambda_events::sqs::SqsBatchResponse;
use consumer::{Chain, Handler, Services, trace_id};
use host::{
    SettingError, dead_letter_queue, endpoints, max_receive_count, record_retention, request_timeout, retry_delays,
    setting,
};
use idempotency::{DEFAULT_RETENTION, DynamoDbStore, Key, Store, StoreError, StoreFor, Timestamp};
use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use sqs::Sqs;
use tokio::time::timeout;
use tracing::Instrument;

use crate::event::Event;
use crate::invocation::Invocation;
use crate::process::{Processed, process};

/// Runs a handler as a Lambda function, until Lambda ends the process.
///
/// `handler` builds it from environment variables. If the function can't start, for example because a setting is missing,
/// one log line states why and the exit code is 1.
pub async fn run<H: Handler>(handler: impl FnOnce() -> Result<H, SettingError>) -> ExitCode
where
    DynamoDbStore: StoreFor<H::Write>,
{
    host::start_logging();
    let Err(error) = start(handler).await else {
        return ExitCode::SUCCESS;
    };
    tracing::error!("{}", Chain(&error));
    ExitCode::FAILURE
}

/// Why a function does not start, or ends.
#[derive(Debug, thiserror::Error)]
enum StartError {
    #[error(transparent)]
    Setting(#[from] SettingError),
    #[error(transparent)]
    Roots(#[from] aws::RootsError),
    #[error("environment variable {TABLE}: table {0} can't be used")]
    Table(String, #[source] StoreError),
    #[error("the Lambda runtime ended")]
    Runtime(#[source] lambda_runtime::Error),
}

/// The setting that names the ledger's table.
const TABLE: &str = "IDEMPOTENCY_TABLE";

/// How long opening the first connection may take: half of what Lambda gives a function to start.
/// <https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html>
const LONGEST_CONNECT: Duration = Duration::from_secs(5);

/// The variables that Lambda sets, and that the Lambda runtime and the AWS SDK read.
const SET_BY_LAMBDA: [&str; 3] = [
    "AWS_LAMBDA_RUNTIME_API",
    "AWS_LAMBDA_FUNCTION_NAME",
    "AWS_LAMBDA_FUNCTION_VERSION",
];

/// The Lambda runtime panics if it is not a number.
const MEMORY_SIZE: &str = "AWS_LAMBDA_FUNCTION_MEMORY_SIZE";

async fn start<H: Handler>(handler: impl FnOnce() -> Result<H, SettingError>) -> Result<(), StartError>
where
    DynamoDbStore: StoreFor<H::Write>,
{
    // First: the handler may have a client of its own.
    aws::load_roots()?;
    // Before what must be in this region.
    host::region()?;
    let handler = Arc::new(handler()?);
    let table = host::table(TABLE)?;
    check_environment()?;
    let dead_letter_queue = dead_letter_queue()?;
    let max_receive_count = max_receive_count()?;
    let retry_delays = retry_delays()?;
    let retention = record_retention()?.unwrap_or(DEFAULT_RETENTION);
    let config = aws::sdk_config(request_timeout()?).await;
    let client = aws_sdk_dynamodb::config::Builder::from(&config).interceptor(aws::UserAgent::default());
    let store = DynamoDbStore::new(aws_sdk_dynamodb::Client::from_conf(client.build()), &table);
    connect::<H>(&store, table).await?;
    let queues = Sqs::when_used(move || aws_sdk_sqs::Client::new(&config));
    let services = Services::new(store.into_store(), queues)
        .with_retry_delays(retry_delays)
        .with_retention(retention);
    let services = match max_receive_count {
        Some(receives) => services.with_max_receive_count(receives),
        None => services,
    };
    let services = Arc::new(match dead_letter_queue {
        Some(url) => services.with_dead_letter_queue(url),
        None => services,
    });
    let serve = move |event| serve(Arc::clone(&handler), Arc::clone(&services), event);
    // In a task: waking the future of `main` would be a system call, and it would be woken for each request and handler.
    let served = tokio::spawn(lambda_runtime::run(service_fn(serve))).await;
    served
        .unwrap_or_else(|error| Err(error.into()))
        .map_err(StartError::Runtime)
}

/// Checks what Lambda sets, before the Lambda runtime and the AWS SDK read it.
fn check_environment() -> Result<(), SettingError> {
    SET_BY_LAMBDA
        .into_iter()
        .try_for_each(|variable| setting(variable).map(drop))?;
    let is_number = |size: String| size.parse::<i32>().is_ok_and(|size| size > 0);
    if !is_number(setting(MEMORY_SIZE)?) {
        return Err(SettingError::wrong(MEMORY_SIZE, "is not a whole number of megabytes"));
    }
    // Lambda sets keys, or names an endpoint for credentials instead, as with SnapStart.
    match aws::uses_container_credentials() {
        true => host::container_credentials()?,
        false => host::keys()?,
    }
    endpoints()
}

/// Opens the first connection, and checks that the table accepts requests. A table that does not answer now may answer
/// later. One that refuses is missing or not permitted: the function does not start.
#[expect(clippy::expect_used, reason = "its message says why it can't happen")]
async fn connect<H: Handler>(store: &DynamoDbStore, table: String) -> Result<(), StartError> {
    let key = Key::new(H::NAMESPACE, "connection opened at start, never recorded");
    let key = key.expect("the namespace is checked at compile time, and the key is not empty");
    let connected = timeout(LONGEST_CONNECT, store.connect(&key)).await;
    match connected.unwrap_or_else(|_| Err(StoreError::NoAnswer("deadline exceeded".into()))) {
        Err(refused @ StoreError::Refused(_)) => return Err(StartError::Table(table, refused)),
        Err(error) => tracing::warn!("table {table} could not be reached at start: {}", Chain(&error)),
        Ok(()) => {}
    }
    Ok(())
}

async fn serve<H: Handler, S: Store<Write = H::Write>>(
    handler: Arc<H>,
    services: Arc<Services<S, Sqs>>,
    event: LambdaEvent<Event>,
) -> Result<SqsBatchResponse, Diagnostic> {
    let (Event(event), context) = event.into_parts();
    let invocation = Invocation::new(Timestamp::now(), Timestamp::from_millis(context.deadline));
    let invocation = invocation.with_trace(context.xray_trace_id.as_deref());
    let records = event.map_err(unusable)?;
    // At the highest level: its ID is on every line, at any log level.
    let span = tracing::error_span!(
        "invocation",
        requestId = context.request_id,
        invocationTraceId = invocation.trace.as_deref().and_then(trace_id)
    );
    let queue_arn = records.queue_arn.clone();
    let change_visibility = |changes| services.queues().change_visibility(&queue_arn, changes);
    let processed = process(&handler, &services, records, &invocation, change_visibility);
    let Processed {
        response,
        summary,
        metrics,
    } = processed.instrument(span).await;
    let function = &context.env_config.function_name;
    let lines = host::metrics_lines(function, Timestamp::now(), &summary, &metrics);
    lines.into_iter().for_each(host::print);
    response.map_err(unusable)
}

/// The failure of an invocation whose event can't be answered. Without an error type here, the runtime would report the
/// name of a Rust type.
fn unusable(why: String) -> Diagnostic {
    Diagnostic {
        error_type: "UnusableEvent".to_owned(),
        error_message: why,
    }
}
