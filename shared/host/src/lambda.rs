//! The Lambda host.

use std::process::ExitCode;
use std::sync::Arc;

use batch::{Budget, Chain, Handler, SqsBatchResponse, SqsEvent};
use idempotency::{DynamoDbLedger, InvalidKey, Key, LedgerError, Timestamp};
use lambda_runtime::{LambdaEvent, service_fn};
use tracing::Instrument;

use crate::{SettingError, aws, logging, setting};

/// Runs a handler as a Lambda function, until Lambda ends the process.
///
/// `handler` builds it from the environment. What keeps it from starting, a missing setting for one, is logged as one
/// line, and the exit code says failure.
pub async fn run<H: Handler>(handler: impl FnOnce() -> Result<H, SettingError>) -> ExitCode {
    logging::start();
    let Err(error) = start(handler).await else {
        return ExitCode::SUCCESS;
    };
    tracing::error!("{}", Chain(&error));
    ExitCode::FAILURE
}

/// Why a function does not run.
#[derive(Debug, thiserror::Error)]
enum StartError {
    #[error(transparent)]
    Setting(#[from] SettingError),
    #[error("the namespace {0:?} of the handler can't be used")]
    Namespace(&'static str, #[source] InvalidKey),
    #[error("environment variable {TABLE} names table {0}, but")]
    Table(String, #[source] LedgerError),
    #[error("the Lambda runtime ended")]
    Runtime(#[source] lambda_runtime::Error),
}

/// The setting that names the ledger's table.
const TABLE: &str = "IDEMPOTENCY_TABLE";

/// What Lambda sets, and its runtime and the AWS SDK stand on.
const SET_BY_LAMBDA: [&str; 7] = [
    "AWS_REGION",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_LAMBDA_RUNTIME_API",
    "AWS_LAMBDA_FUNCTION_NAME",
    "AWS_LAMBDA_FUNCTION_VERSION",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
];

async fn start<H: Handler>(handler: impl FnOnce() -> Result<H, SettingError>) -> Result<(), StartError> {
    let handler = &Arc::new(handler()?);
    let table = setting(TABLE)?;
    SET_BY_LAMBDA
        .into_iter()
        .try_for_each(|variable| setting(variable).map(drop))?;
    let config = aws::sdk_config().await;
    let ledger = &DynamoDbLedger::new(aws_sdk_dynamodb::Client::new(&config), &table);
    connect::<H>(ledger, table).await?;
    let serve = |event| serve(handler, ledger, event);
    lambda_runtime::run(service_fn(serve))
        .await
        .map_err(StartError::Runtime)
}

/// Opens the first connection. A table that does not answer now may do so later; one that refuses won't change its mind
/// while this process lives.
async fn connect<H: Handler>(ledger: &DynamoDbLedger, table: String) -> Result<(), StartError> {
    let key = Key::new(H::NAMESPACE, "connection opened at start, never recorded")
        .map_err(|why| StartError::Namespace(H::NAMESPACE, why))?;
    match ledger.connect(&key).await {
        Err(refused @ LedgerError::Refused(_)) => return Err(StartError::Table(table, refused)),
        Err(error) => tracing::warn!("table {table} could not be reached at start: {}", Chain(&error)),
        Ok(()) => {}
    }
    Ok(())
}

async fn serve<H: Handler>(
    handler: &Arc<H>,
    ledger: &DynamoDbLedger,
    event: LambdaEvent<SqsEvent>,
) -> Result<SqsBatchResponse, lambda_runtime::Error> {
    let (event, context) = event.into_parts();
    let budget = Budget::new(Timestamp::now(), Timestamp::from_millis(context.deadline));
    // Of the highest level, so that its ID is on every line, whatever level is logged.
    let span = tracing::error_span!("invocation", requestId = context.request_id);
    let response = batch::run(handler, ledger, event, &budget).instrument(span).await;
    // As text: the runtime would show the error's Debug form.
    response.map_err(|error| Chain(&error).to_string().into())
}
