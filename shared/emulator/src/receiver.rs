//! A receiver of notifications.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{AppendHeaders, IntoResponse, Response};
use axum::routing::post;
use serde_json::Value;

use crate::recent::Recent;

/// Accepts notifications at [`Receiver::PATH`], and distinguishes them by their `Idempotency-Key`, as a real one should.
#[derive(Debug, Clone, Default)]
pub struct Receiver {
    state: Arc<Mutex<Received>>,
}

#[derive(Debug, Default)]
struct Received {
    /// How long each answer takes.
    pace: Duration,
    refusals: Vec<(u16, Option<u64>)>,
    /// By `Idempotency-Key`.
    notifications: Recent<Notified>,
}

/// A notification as it arrived.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Notified {
    /// The body of the last request; null if it was not JSON.
    pub body: Value,
    /// How many requests delivered it.
    pub requests: u32,
    /// How often it was accepted; more than once: a repetition, recognizable by its key.
    pub accepted: u32,
}

impl Receiver {
    /// Where it listens on the stack's port.
    pub const PATH: &str = "/_notifications";

    /// Makes it refuse the next request with this status, and `Retry-After` in seconds.
    pub fn refuse_next(&self, status: u16, retry_after: Option<u64>) {
        self.state().refusals.push((status, retry_after));
    }

    /// Delays each answer by this long.
    pub fn set_pace(&self, pace: Duration) {
        self.state().pace = pace;
    }

    /// The notifications so far by their `Idempotency-Key`; at least the last 30,000.
    pub fn notifications(&self) -> BTreeMap<String, Notified> {
        self.state().notifications.all().clone()
    }

    /// The route of [`Receiver::PATH`].
    pub fn router(&self) -> Router {
        Router::new().route(Self::PATH, post(receive)).with_state(self.clone())
    }

    fn state(&self) -> MutexGuard<'_, Received> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn receive(State(receiver): State<Receiver>, headers: HeaderMap, body: Bytes) -> Response {
    let pace = receiver.state().pace;
    tokio::time::sleep(pace).await;
    let key = headers
        .get("idempotency-key")
        .and_then(|key| key.to_str().ok())
        .unwrap_or_default();
    let mut state = receiver.state();
    let refusal = (!state.refusals.is_empty()).then(|| state.refusals.remove(0));
    let notified = state.notifications.entry(key);
    notified.body = serde_json::from_slice(&body).unwrap_or_default();
    notified.requests += 1;
    match refusal {
        None => {
            notified.accepted += 1;
            StatusCode::ACCEPTED.into_response()
        }
        Some((status, retry_after)) => {
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
            let retry_after = retry_after.map(|seconds| ("retry-after", seconds.to_string()));
            (status, AppendHeaders(retry_after)).into_response()
        }
    }
}
