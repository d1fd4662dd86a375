//! The Lambda host.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use aws_lambda_events::sqs::SqsBatchResponse;
use consumer::{Chain, Handler, RetryDelays, Services, Summary, process_batch};
use host::{SettingError, optional_setting, record_retention, request_timeout, seconds, setting};
use idempotency::{DEFAULT_RETENTION, DynamoDbStore, InvalidKey, Key, Store, StoreError, StoreFor, Timestamp};
use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use sqs::Sqs;
use tokio::time::timeout;
use tracing::Instrument;

use crate::answer;
use crate::event::{Event, Records};
use crate::invocation::Invocation;

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
    #[error("NAMESPACE {0:?} of the handler is invalid")]
    Namespace(&'static str, #[source] InvalidKey),
    #[error("environment variable {TABLE}: table {0} can't be used")]
    Table(String, #[source] StoreError),
    #[error("the Lambda runtime ended")]
    Runtime(#[source] lambda_runtime::Error),
}

/// The setting that names the ledger's table.
const TABLE: &str = "IDEMPOTENCY_TABLE";

/// The setting that names the dead-letter queue, by its URL.
const DEAD_LETTER_QUEUE: &str = "DEAD_LETTER_QUEUE_URL";
/// The settings that bound the delay before a retry, in seconds.
const RETRY_DELAY: &str = "RETRY_DELAY_SECONDS";
const LONGEST_RETRY_DELAY: &str = "RETRY_DELAY_LONGEST_SECONDS";

/// How long opening the first connection may take: half of what Lambda gives a function to start.
/// <https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html>
const LONGEST_CONNECT: Duration = Duration::from_secs(5);

/// The variables that Lambda sets, and that the Lambda runtime and the AWS SDK read.
const SET_BY_LAMBDA: [&str; 7] = [
    "AWS_REGION",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_LAMBDA_RUNTIME_API",
    "AWS_LAMBDA_FUNCTION_NAME",
    "AWS_LAMBDA_FUNCTION_VERSION",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
];

async fn start<H: Handler>(handler: impl FnOnce() -> Result<H, SettingError>) -> Result<(), StartError>
where
    DynamoDbStore: StoreFor<H::Write>,
{
    let handler = &Arc::new(handler()?);
    let table = setting(TABLE)?;
    SET_BY_LAMBDA
        .into_iter()
        .try_for_each(|variable| setting(variable).map(drop))?;
    let dead_letter_queue = optional_setting(DEAD_LETTER_QUEUE)?;
    let retry_delays = retry_delays()?;
    let retention = record_retention()?.unwrap_or(DEFAULT_RETENTION);
    let config = aws::sdk_config(request_timeout()?).await;
    let store = DynamoDbStore::new(aws_sdk_dynamodb::Client::new(&config), &table);
    connect::<H>(&store, table).await?;
    let services = Services::new(store.into_store(), Sqs::new(aws_sdk_sqs::Client::new(&config)))
        .with_retry_delays(retry_delays)
        .with_retention(retention);
    let services = &match dead_letter_queue {
        Some(url) => services.with_dead_letter_queue(url),
        None => services,
    };
    let serve = |event| serve(handler, services, event);
    lambda_runtime::run(service_fn(serve))
        .await
        .map_err(StartError::Runtime)
}

fn retry_delays() -> Result<RetryDelays, SettingError> {
    let default = RetryDelays::default();
    Ok(RetryDelays {
        first: seconds(RETRY_DELAY)?.or(default.first),
        longest: seconds(LONGEST_RETRY_DELAY)?.unwrap_or(default.longest),
    })
}

/// Opens the first connection, and checks that the table accepts requests. A table that does not answer now may answer
/// later. One that refuses is missing or not permitted: the function does not start.
async fn connect<H: Handler>(store: &DynamoDbStore, table: String) -> Result<(), StartError> {
    let key = Key::new(H::NAMESPACE, "connection opened at start, never recorded")
        .map_err(|why| StartError::Namespace(H::NAMESPACE, why))?;
    let connected = timeout(LONGEST_CONNECT, store.connect(&key)).await;
    match connected.unwrap_or_else(|_| Err(StoreError::NoAnswer("deadline exceeded".into()))) {
        Err(refused @ StoreError::Refused(_)) => return Err(StartError::Table(table, refused)),
        Err(error) => tracing::warn!("table {table} could not be reached at start: {}", Chain(&error)),
        Ok(()) => {}
    }
    Ok(())
}

async fn serve<H: Handler, S: Store<Write = H::Write>>(
    handler: &Arc<H>,
    services: &Services<S, Sqs>,
    event: LambdaEvent<Event>,
) -> Result<SqsBatchResponse, Diagnostic> {
    let (Event(event), context) = event.into_parts();
    let invocation = Invocation::new(Timestamp::now(), Timestamp::from_millis(context.deadline));
    let records = event.and_then(Records::of).map_err(unusable)?;
    // At the highest level: its ID is on every line, at any log level.
    let span = tracing::error_span!("invocation", requestId = context.request_id);
    let (response, summary) = process(handler, services, records, &invocation).instrument(span).await;
    let function = &context.env_config.function_name;
    host::print(host::metrics_line(function, Timestamp::now(), &summary));
    Ok(response)
}

async fn process<H: Handler, S: Store<Write = H::Write>>(
    handler: &Arc<H>,
    services: &Services<S, Sqs>,
    records: Records,
    invocation: &Invocation,
) -> (SqsBatchResponse, Summary) {
    let ids = answer::ids(&records.messages);
    let ordered = records.ordered();
    let report = process_batch(handler, services, records.messages, ordered, &invocation.budget).await;
    let delays = answer::delays(Timestamp::now(), records.receipt_handles, &report.verdicts);
    let queue = &records.queue_arn;
    answer::change_all(delays, invocation.delays_end, |changes| {
        services.queues().change_visibility(queue, changes)
    })
    .await;
    let verdicts = ids.iter().map(String::as_str).zip(report.verdicts);
    (answer::response(verdicts), report.summary)
}

/// The failure of an invocation whose event is not from a queue. Without an error type here, the runtime would report the
/// name of a Rust type.
fn unusable(why: String) -> Diagnostic {
    Diagnostic {
        error_type: "UnusableEvent".to_owned(),
        error_message: why,
    }
}
