//! What callers of a function ask: `POST /2015-03-31/functions/{name}/invocations`, and `GET …/configuration`.
//!
//! See [Invoke](https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html). An invocation of type `Event` is run
//! once, in the background; its retries, its queue and its destinations are left out. Of
//! [GetFunctionConfiguration](https://docs.aws.amazon.com/lambda/latest/api/API_GetFunctionConfiguration.html)'s answer
//! there is what this stack knows.

use std::{collections::BTreeMap, sync::Arc};

use axum::{
    Router,
    body::Bytes,
    extract::{Path, State},
    http::{HeaderMap, StatusCode, Uri},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::json;
use uuid::Uuid;

use crate::query::refuse_unknown;

use super::{
    function::{Function, Reference},
    invocation::{Invocation, InvokeError, check_payload},
    json::json_body,
    observer::Event,
    service::Lambda,
};

const CREDENTIALS: [&str; 3] = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"];

pub(super) fn router(lambda: Arc<Lambda>) -> Router {
    Router::new()
        .route("/2015-03-31/functions/{name}/invocations", post(invoke))
        .route("/2015-03-31/functions/{name}/configuration", get(configuration))
        .method_not_allowed_fallback(refuse_unknown)
        .with_state(lambda)
}

async fn invoke(
    State(lambda): State<Arc<Lambda>>,
    Path(name): Path<String>,
    uri: Uri,
    headers: HeaderMap,
    payload: Bytes,
) -> Result<Response, ApiError> {
    let function = find(&lambda, &name, &uri)?.name.clone();
    // No payload at all is an empty object to the function.
    let payload = if payload.is_empty() {
        Bytes::from_static(b"{}")
    } else {
        payload
    };
    check_payload(&payload)?;
    match header(&headers, "x-amz-invocation-type").unwrap_or("RequestResponse") {
        "RequestResponse" => {
            let with_log = header(&headers, "x-amz-log-type") == Some("Tail");
            Ok(answer(lambda.invoke(&function, payload).await?, with_log))
        }
        "Event" => {
            tokio::spawn(invoke_in_background(lambda, function, payload));
            Ok((StatusCode::ACCEPTED, request_id_header()).into_response())
        }
        "DryRun" => Ok((StatusCode::NO_CONTENT, request_id_header()).into_response()),
        other => Err(ApiError::InvocationType(other.to_owned())),
    }
}

async fn configuration(
    State(lambda): State<Arc<Lambda>>,
    Path(name): Path<String>,
    uri: Uri,
) -> Result<Response, ApiError> {
    let function = find(&lambda, &name, &uri)?;
    // The names that AWS reserves are in no function's configuration: those of credentials stay with who has them.
    let is_own = |(name, _): &(&String, &String)| !CREDENTIALS.contains(&name.as_str());
    let variables: BTreeMap<_, _> = function.environment.iter().filter(is_own).collect();
    let body = json_body(&json!({
        "FunctionName": function.name,
        "FunctionArn": function.arn(lambda.region()),
        "Version": "$LATEST",
        "Timeout": function.timeout.as_secs(),
        "MemorySize": function.memory_mb,
        "Environment": { "Variables": variables },
    }));
    Ok((request_id_header(), body).into_response())
}

fn find<'a>(lambda: &'a Lambda, name: &str, uri: &Uri) -> Result<&'a Arc<Function>, InvokeError> {
    let reference = Reference::parse(name);
    let qualifier = qualifier(uri).or_else(|| reference.qualifier.map(str::to_owned));
    lambda.find(reference.name, qualifier.as_deref())
}

fn answer(invocation: Invocation, with_log: bool) -> Response {
    let mut headers = vec![
        ("content-type", "application/json".to_owned()),
        ("x-amzn-requestid", invocation.request_id),
        ("x-amz-executed-version", "$LATEST".to_owned()),
    ];
    if invocation.failed {
        headers.push(("x-amz-function-error", "Unhandled".to_owned()));
    }
    if with_log {
        headers.push(("x-amz-log-result", BASE64_STANDARD.encode(invocation.log_tail)));
    }
    let mut response = invocation.payload.into_response();
    for (name, value) in headers {
        // It can't fail: all of these are visible ASCII.
        if let Ok(value) = value.parse() {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

async fn invoke_in_background(lambda: Arc<Lambda>, function: String, payload: Bytes) {
    let reason = match lambda.invoke(&function, payload).await {
        Ok(invocation) => invocation.reason(),
        Err(error) => Some(error.to_string()),
    };
    if let Some(reason) = reason {
        lambda.report(Event::Trouble {
            what: format!("asynchronous invocation of {function} failed: {reason}"),
        });
    }
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

fn request_id_header() -> [(&'static str, String); 1] {
    [("x-amzn-requestid", Uuid::new_v4().to_string())]
}

/// The version in a request's query; only `$LATEST` has a character to decode.
fn qualifier(uri: &Uri) -> Option<String> {
    let mut parameters = uri.query()?.split('&');
    parameters
        .find_map(|parameter| parameter.strip_prefix("Qualifier="))
        .map(|value| value.replace("%24", "$"))
}

/// A refusal, as the Invoke API words it.
#[derive(Debug)]
enum ApiError {
    Invoke(InvokeError),
    InvocationType(String),
}

impl From<InvokeError> for ApiError {
    fn from(error: InvokeError) -> Self {
        Self::Invoke(error)
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let (status, kind, message) = match self {
            Self::Invoke(error) => {
                let (status, kind) = match error {
                    InvokeError::UnknownFunction { .. } => (StatusCode::NOT_FOUND, "ResourceNotFoundException"),
                    InvokeError::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "RequestTooLargeException"),
                    InvokeError::NotJson(_) => (StatusCode::BAD_REQUEST, "InvalidRequestContentException"),
                    InvokeError::ShuttingDown => (StatusCode::INTERNAL_SERVER_ERROR, "ServiceException"),
                };
                (status, kind, error.to_string())
            }
            Self::InvocationType(value) => (
                StatusCode::BAD_REQUEST,
                "InvalidParameterValueException",
                format!(
                    "1 validation error detected: Value '{value}' at 'invocationType' failed to satisfy constraint: \
                     Member must satisfy enum value set: [Event, DryRun, RequestResponse]"
                ),
            ),
        };
        let whose = if status.is_server_error() { "Service" } else { "User" };
        // The last two are for cargo-lambda, which reads every refusal as a function's own error.
        let body = json!({ "Type": whose, "Message": message, "errorType": kind, "errorMessage": message });
        let body = json_body(&body);
        (status, [("x-amzn-errortype", kind)], request_id_header(), body).into_response()
    }
}
