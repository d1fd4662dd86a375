//! The one port: which service answers which request.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use futures_util::stream;
use serde_json::Value;
use uuid::Uuid;

use crate::ApiError;
use crate::api::Reply;
use crate::calls::{Call, Calls};
use crate::dynamodb::DynamoDb;
use crate::query::{Query, refuse_unknown};
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

    /// Routes for SQS and DynamoDB, and a refusal of whatever no route serves. Clients post to `/`; some post to the queue's URL
    /// instead.
    pub fn router(&self) -> Router {
        Router::new()
            .route("/", post(serve).get(alive))
            .route("/{account}/{queue}", post(serve).get(refuse_unknown))
            .route("/health", get(alive))
            .method_not_allowed_fallback(refuse_unknown)
            .fallback(refuse_unknown)
            .layer(DefaultBodyLimit::max(READ_BYTES))
            .with_state(self.clone())
    }
}

async fn alive(uri: Uri) -> Response {
    match Query::of(&uri, b"") {
        Some(query) => query.refusal(),
        None => "the local stack is up\n".into_response(),
    }
}

/// `X-Amz-Target` alone says which service and operation: neither the path nor the content type counts.
async fn serve(State(services): State<Services>, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let target = text(&headers, "x-amz-target").unwrap_or_default();
    if target.is_empty()
        && let Some(query) = Query::of(&uri, &body)
    {
        return query.refusal();
    }
    let (service, operation) = match target.split_once('.') {
        Some(("AmazonSQS", operation)) => ("sqs", operation),
        Some(("DynamoDB_20120810", operation)) => ("dynamodb", operation),
        _ => return refusal(&unknown_target(target)),
    };
    let request = match serde_json::from_slice(&body) {
        Ok(request) => request,
        Err(error) => return refusal(&serialization(format!("the request is not JSON: {error}"))),
    };
    // Each function has a session token of its own.
    if let Some(function) = text(&headers, "x-amz-security-token") {
        services.calls.note(function, service, operation, &request);
    }
    if service == "dynamodb" {
        return reply(services.dynamodb.serve(operation, request).await);
    }
    let mut answer = services.sqs.serve(operation, request).await;
    if let (Reply::Answer(Ok(output)), Some(host)) = (&mut answer, text(&headers, "host")) {
        services.sqs.show_urls_at(&format!("http://{host}"), output);
    }
    reply(answer)
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

fn serialization(message: String) -> ApiError {
    ApiError::bad_request("com.amazon.coral.service#SerializationException", message)
}

fn unknown_target(target: &str) -> ApiError {
    let which = match target {
        "" => "a request without X-Amz-Target".to_owned(),
        target => format!("X-Amz-Target {target}"),
    };
    let message = format!(
        "the local stack serves SQS (X-Amz-Target AmazonSQS.OPERATION) and DynamoDB (DynamoDB_20120810.OPERATION) in AWS's JSON \
         protocol, and not {which}; point --endpoint-url at another emulator or at AWS"
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

#[cfg(any(test, fuzzing))]
pub mod fuzz;
#[cfg(test)]
mod tests;
