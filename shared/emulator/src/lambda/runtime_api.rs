//! The Runtime API, towards the functions: one set of routes, each process under a path of its own.
//!
//! Paths and headers: [Using the Lambda runtime API](https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html). What it
//! answers to a confused runtime follows AWS's Runtime Interface Emulator, which documents it by being open.

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use axum::{
    Router,
    body::Bytes,
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde_json::json;

use super::{
    invocation::{Failure, RESPONSE_BYTES},
    json::json_body,
    process::{Process, Refusal, Reply},
    service::Lambda,
    trace,
};

pub(super) fn router(lambda: Arc<Lambda>) -> Router {
    let runtime = |path: &str| format!("/_lambda/{{process}}/2018-06-01/runtime/{path}");
    Router::new()
        .route(&runtime("invocation/next"), get(next))
        .route(&runtime("invocation/{request}/response"), post(response))
        .route(&runtime("invocation/{request}/error"), post(error))
        .route(&runtime("init/error"), post(init_error))
        .with_state(lambda)
}

async fn next(State(lambda): State<Arc<Lambda>>, Path(process): Path<String>) -> Result<Response, RuntimeError> {
    let process = find(&lambda, &process)?;
    let work = process.next().await?;
    let arn = process.function.arn(lambda.region());
    let trace = trace::header(SystemTime::now(), &arn, &work.payload);
    let headers = [
        ("content-type", "application/json".to_owned()),
        ("lambda-runtime-aws-request-id", work.request_id),
        (
            "lambda-runtime-deadline-ms",
            epoch(work.deadline).as_millis().to_string(),
        ),
        ("lambda-runtime-invoked-function-arn", arn),
        ("lambda-runtime-trace-id", trace),
    ];
    Ok((headers, work.payload).into_response())
}

async fn response(
    State(lambda): State<Arc<Lambda>>,
    Path((process, request)): Path<(String, String)>,
    payload: Bytes,
) -> Result<Response, RuntimeError> {
    let process = find(&lambda, &process)?;
    if payload.len() > RESPONSE_BYTES {
        process.answer(&request, Reply::Failure(Failure::ResponseTooLarge))?;
        return Err(RuntimeError::TooLarge);
    }
    process.answer(&request, Reply::Answer(payload))?;
    Ok(accepted())
}

async fn error(
    State(lambda): State<Arc<Lambda>>,
    Path((process, request)): Path<(String, String)>,
    payload: Bytes,
) -> Result<Response, RuntimeError> {
    find(&lambda, &process)?.answer(&request, Reply::Error(payload))?;
    Ok(accepted())
}

async fn init_error(
    State(lambda): State<Arc<Lambda>>,
    Path(process): Path<String>,
    payload: Bytes,
) -> Result<Response, RuntimeError> {
    find(&lambda, &process)?.report_init_error(payload)?;
    Ok(accepted())
}

fn find(lambda: &Lambda, process: &str) -> Result<Arc<Process>, RuntimeError> {
    lambda.process(process).ok_or(RuntimeError::UnknownProcess)
}

fn accepted() -> Response {
    (StatusCode::ACCEPTED, json_body(&json!({ "status": "OK" }))).into_response()
}

/// The answer to a runtime that violates the protocol.
#[derive(Debug, PartialEq)]
enum RuntimeError {
    UnknownProcess,
    NotNow,
    InvalidRequestId,
    TooLarge,
}

impl From<Refusal> for RuntimeError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::NotWorking => Self::NotNow,
            Refusal::OtherInvocation => Self::InvalidRequestId,
        }
    }
}

impl IntoResponse for RuntimeError {
    fn into_response(self) -> Response {
        let (status, kind, message) = match self {
            Self::UnknownProcess => (
                StatusCode::NOT_FOUND,
                "UnknownProcess",
                "the local stack runs no such process".to_owned(),
            ),
            Self::NotNow => (
                StatusCode::FORBIDDEN,
                "InvalidStateTransition",
                "State transition is not allowed: no invocation awaits this".to_owned(),
            ),
            Self::InvalidRequestId => (
                StatusCode::BAD_REQUEST,
                "InvalidRequestID",
                "Invalid request ID".to_owned(),
            ),
            Self::TooLarge => (
                StatusCode::PAYLOAD_TOO_LARGE,
                "RequestEntityTooLarge",
                format!("Exceeded maximum allowed payload size ({RESPONSE_BYTES} bytes)."),
            ),
        };
        (
            status,
            json_body(&json!({ "errorMessage": message, "errorType": kind })),
        )
            .into_response()
    }
}

fn epoch(time: SystemTime) -> Duration {
    time.duration_since(UNIX_EPOCH).unwrap_or_default()
}
