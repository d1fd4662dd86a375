//! What the requests share, and which function answers which.

use std::sync::Arc;

use axum::Router;
use axum::http::header::{CACHE_CONTROL, HeaderValue};
use axum::http::{Method, StatusCode, Uri};
use axum::middleware::map_response;
use axum::response::Response;
use axum::routing::{get, post};
use consumer::Queues;
use producer::Producer;

use crate::callers::Callers;
use crate::place::place;
use crate::problem::Problem;
use crate::records::Records;
use crate::show::show;

/// The namespace of the consumer of the queue: with the message's key it makes the ID of the record.
pub(crate) const NAMESPACE: &str = "place-order";

/// What the requests share.
pub(crate) struct App<Q, R> {
    pub(crate) producer: Producer<Q>,
    pub(crate) records: R,
    pub(crate) callers: Callers,
}

/// The application's routes.
pub(crate) fn router<Q: Queues, R: Records>(app: App<Q, R>) -> Router {
    Router::new()
        .route("/orders", post(place::<Q, R>))
        .route("/orders/{location}", get(show::<Q, R>))
        // That the process answers, and no more: restarting it would repair neither the queue nor the ledger.
        .route("/health", get(async || "up\n"))
        .fallback(async |uri: Uri| Problem::new(StatusCode::NOT_FOUND, format!("nothing is at {}", uri.path())))
        .method_not_allowed_fallback(async |method: Method| {
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, format!("{method} is not possible here"))
        })
        .layer(map_response(async |mut response: Response| {
            // Answers are one caller's, and change.
            let headers = response.headers_mut();
            headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
            response
        }))
        .with_state(Arc::new(app))
}
