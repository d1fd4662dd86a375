//! Requests to the Lambda of a running stack.

use axum::http::request::Builder;
use axum::http::{HeaderMap, Request};
use http_body_util::BodyExt;
use local::no_answer;
use serde_json::Value;

/// A request about a function; `what` is the last part of its path.
pub(crate) fn about(function: &str, endpoint: &str, what: &str) -> Builder {
    Request::builder().uri(format!("{endpoint}/2015-03-31/functions/{function}/{what}"))
}

/// Headers and body of the response. If it is an error, `refused` begins the message.
pub(crate) async fn send(
    endpoint: &str,
    request: Builder,
    body: Vec<u8>,
    refused: &str,
) -> Result<(HeaderMap, String), String> {
    let request = request
        .body(body.into())
        .map_err(|_| format!("{refused}: that can't be the name of a function"))?;
    let response = aws::https_client().request(request).await;
    let (head, body) = response.map_err(|error| no_answer(endpoint, &error))?.into_parts();
    let body = body.collect().await;
    let body = body.map_err(|error| no_answer(endpoint, &error))?;
    let body = String::from_utf8_lossy(&body.to_bytes()).into_owned();
    if head.status.is_success() {
        return Ok((head.headers, body));
    }
    let reason = serde_json::from_str::<Value>(&body).ok();
    let reason = reason.as_ref().and_then(|refusal| refusal["Message"].as_str());
    Err(format!("{refused}: {}", reason.unwrap_or(&body)))
}
