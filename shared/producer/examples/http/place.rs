//! `POST /orders`: accepts an order by enqueueing it.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::header::{CONTENT_TYPE, HeaderName, LOCATION, RETRY_AFTER};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use consumer::{Chain, Queues};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use producer::{Message, SendError};
use tokio::time::timeout;

use crate::app::App;
use crate::callers::Caller;
use crate::client_key::ClientKey;
use crate::location::Location;
use crate::order::Order;
use crate::problem::{Problem, json};
use crate::records::Records;
use crate::show::POLL_AFTER;

/// Hundreds of lines; much less than a queue accepts as one message.
const MAX_BODY_BYTES: usize = 64 * 1024;

/// A client that needs longer for so few bytes keeps a connection open for nothing.
const BODY_TIME: Duration = Duration::from_secs(10);

/// The headers of a trace, in two formats. They go on with the message.
const X_RAY: HeaderName = HeaderName::from_static("x-amzn-trace-id");
const W3C: HeaderName = HeaderName::from_static("traceparent");
const W3C_STATE: HeaderName = HeaderName::from_static("tracestate");

/// Answers 202 once the queue has confirmed the message, and not before.
///
/// The ledger is not read: it has no record before the consumer begins, so a used key would usually be missed here, and its
/// failure would cost orders. What a used key means is shown at the location.
pub(crate) async fn place<Q: Queues, R: Records>(
    State(app): State<Arc<App<Q, R>>>,
    request: Request,
) -> Result<Response, Problem> {
    let (head, body) = request.into_parts();
    let caller = app.callers.authenticate(&head.headers)?;
    let key = ClientKey::of(&head.headers)?;
    let order = Order::of(&caller, &read(&head.headers, body).await?)?;
    let message = message(&caller, &key, &order, &head.headers).map_err(unwritable)?;
    let location = Location::of(key, &order).map_err(unwritable)?;
    app.producer.send(message).await.map_err(not_accepted)?;
    let headers = [
        (LOCATION, location.to_string()),
        (RETRY_AFTER, POLL_AFTER.as_secs().to_string()),
    ];
    let accepted = json(StatusCode::ACCEPTED, &serde_json::json!({ "status": "pending" }));
    Ok((headers, accepted).into_response())
}

fn message(caller: &Caller, key: &ClientKey, order: &Order, headers: &HeaderMap) -> Result<Message, serde_json::Error> {
    let header = |name| {
        headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    };
    // The group keeps a caller's orders in order on an ordered queue, and on a standard queue no caller holds up the others.
    let message = Message::json(key.of_message(caller), order)?.with_group(caller.name());
    let message = message.with_trace_header(header(X_RAY));
    Ok(message.with_traceparent(header(W3C)).with_tracestate(header(W3C_STATE)))
}

/// The body, if it is JSON as its headers state, and complete in time.
async fn read(headers: &HeaderMap, body: Body) -> Result<Bytes, Problem> {
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = content_type.unwrap_or_default().split(';').next().unwrap_or_default();
    if !essence.trim().eq_ignore_ascii_case("application/json") {
        let detail = "send the order as JSON, with Content-Type: application/json";
        return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail));
    }
    let read = timeout(BODY_TIME, Limited::new(body, MAX_BODY_BYTES).collect()).await;
    let late = |_| {
        let detail = format!("the body was not complete within {} seconds", BODY_TIME.as_secs());
        Problem::new(StatusCode::REQUEST_TIMEOUT, detail)
    };
    let body = read
        .map_err(late)?
        .map_err(|error| match error.is::<LengthLimitError>() {
            true => Problem::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                format!("the body has more than {MAX_BODY_BYTES} bytes"),
            ),
            false => Problem::new(StatusCode::BAD_REQUEST, "the body can't be read"),
        })?;
    Ok(body.to_bytes())
}

/// The client gets no name of a queue. The log has the whole error.
fn not_accepted(error: SendError) -> Problem {
    let chain = Chain(&error);
    match &error {
        SendError::Unsendable { why, .. } => {
            tracing::warn!("order refused: {chain}");
            Problem::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                format!("the order can't be enqueued: {why}"),
            )
        }
        SendError::Unconfirmed { .. } => {
            tracing::error!("order not confirmed: {chain}");
            let detail =
                "it is not known whether the order was accepted; repeat the request with the same Idempotency-Key";
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail).with_retry_after(error.retry_after())
        }
    }
}

fn unwritable(error: serde_json::Error) -> Problem {
    tracing::error!("an order can't be written as JSON: {error}");
    Problem::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        "the application failed; its log has the reason",
    )
}
