//! The one port: which service answers which request.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use futures_util::stream;
use serde_json::Value;
use uuid::Uuid;

use crate::ApiError;
use crate::api::Reply;
use crate::calls::{Call, Calls};
use crate::dynamodb::DynamoDb;
use crate::sqs::{self, Sqs};

/// Larger than any request that SQS or DynamoDB would accept, so that the refusal is theirs.
const READ_BYTES: usize = 32 * 1024 * 1024;

/// The two emulated services of AWS's JSON protocol. They share a path; a header tells them apart.
#[derive(Clone)]
pub struct Services {
    sqs: Arc<Sqs>,
    dynamodb: Arc<DynamoDb>,
    /// What the functions called.
    calls: Arc<Calls>,
}

impl Services {
    /// Of these two, without a recorded call.
    pub fn new(sqs: Sqs, dynamodb: DynamoDb) -> Self {
        Self {
            sqs: Arc::new(sqs),
            dynamodb: Arc::new(dynamodb),
            calls: Arc::default(),
        }
    }

    /// The emulated SQS.
    pub fn sqs(&self) -> &Arc<Sqs> {
        &self.sqs
    }

    /// The emulated DynamoDB.
    pub fn dynamodb(&self) -> &Arc<DynamoDb> {
        &self.dynamodb
    }

    /// What the functions called so far: the permissions that they need.
    pub fn calls(&self) -> BTreeSet<Call> {
        self.calls.all()
    }

    /// Routes for SQS and DynamoDB. Clients post to `/`; some post to the queue's URL instead.
    pub fn router(&self) -> Router {
        Router::new()
            .route("/", post(serve).get(alive))
            .route("/{account}/{queue}", post(serve))
            .route("/health", get(alive))
            .layer(DefaultBodyLimit::max(READ_BYTES))
            .with_state(self.clone())
    }
}

async fn alive() -> &'static str {
    "the local stack is up\n"
}

async fn serve(State(services): State<Services>, headers: HeaderMap, body: Bytes) -> Response {
    let target = headers
        .get("x-amz-target")
        .and_then(|target| target.to_str().ok())
        .unwrap_or_default();
    let request = match serde_json::from_slice(&body) {
        Ok(request) => request,
        Err(error) => return refusal(&serialization(format!("the request is not JSON: {error}"))),
    };
    let note = |service, operation| {
        // Each function has a session token of its own.
        let function = headers
            .get("x-amz-security-token")
            .and_then(|token| token.to_str().ok());
        if let Some(function) = function {
            services.calls.note(function, service, operation, &request);
        }
    };
    match target.split_once('.') {
        Some(("AmazonSQS", operation)) => {
            note("sqs", operation);
            reply(services.sqs.serve(operation, request).await)
        }
        Some(("DynamoDB_20120810", operation)) => {
            note("dynamodb", operation);
            reply(services.dynamodb.serve(operation, request).await)
        }
        _ => refusal(&unknown_target(target)),
    }
}

fn serialization(message: String) -> ApiError {
    ApiError::bad_request("com.amazon.coral.service#SerializationException", message)
}

fn unknown_target(target: &str) -> ApiError {
    let which = match target {
        "" => "a request without X-Amz-Target (SQS's old query protocol, perhaps)".to_owned(),
        target => format!("X-Amz-Target {target}"),
    };
    let message = format!(
        "the local stack serves SQS and DynamoDB in AWS's JSON protocol, and not {which}; \
         point --endpoint-url at another emulator or at AWS"
    );
    ApiError::bad_request("com.amazon.coral.service#UnknownOperationException", message)
}

fn reply(reply: Reply) -> Response {
    match reply {
        Reply::Answer(Ok(output)) => json(StatusCode::OK, &output),
        Reply::Answer(Err(error)) => refusal(&error),
        Reply::Lost => broken_off(),
    }
}

fn refusal(error: &ApiError) -> Response {
    let status = StatusCode::from_u16(error.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = json(status, &error.body());
    // Clients from the time of SQS's query protocol know its errors by the old codes.
    if let Some(code) = sqs::query_error_code(error)
        && let Ok(value) = format!("{code};Sender").parse()
    {
        response.headers_mut().insert("x-amzn-query-error", value);
    }
    response
}

fn json(status: StatusCode, body: &Value) -> Response {
    let headers = [
        ("content-type", "application/x-amz-json-1.0".to_owned()),
        ("x-amzn-requestid", Uuid::new_v4().to_string()),
    ];
    (status, headers, body.to_string()).into_response()
}

/// A response whose connection breaks before it is whole: its content is lost.
fn broken_off() -> Response {
    let broken = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
    Body::from_stream(stream::once(async { Err::<Bytes, _>(broken) })).into_response()
}
