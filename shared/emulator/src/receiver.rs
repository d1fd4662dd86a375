//! Services that functions call by HTTP.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::http::StatusCode;
use serde_json::Value;
use tokio::sync::watch;

use crate::recent::Recent;

mod routes;

pub use routes::Receivers;

/// The newest requests that are kept.
const REQUESTS: usize = 1000;

/// Stands in for a service that functions call by HTTP. It accepts every request, unless it has other [answers](Answer).
#[derive(Debug, Clone, Default)]
pub struct Receiver {
    state: Arc<Mutex<State>>,
    /// Whether answers are held.
    held: watch::Sender<bool>,
}

#[derive(Debug, Default)]
struct State {
    /// How long each answer takes at least.
    pace: Duration,
    /// The answers to the next requests.
    answers: VecDeque<Answer>,
    requests: VecDeque<Received>,
    /// By `Idempotency-Key`.
    notifications: Recent<Notified>,
}

/// How a receiver answers a request.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// From 200 to 599.
    pub status: StatusCode,
    /// The header `Retry-After`, in seconds.
    pub retry_after: Option<u64>,
    /// How long the answer takes.
    pub delay: Duration,
    /// The body, as JSON if it is JSON.
    pub body: String,
}

impl Default for Answer {
    /// 202, at once, without a body.
    fn default() -> Self {
        Self {
            status: StatusCode::ACCEPTED,
            retry_after: None,
            delay: Duration::ZERO,
            body: String::new(),
        }
    }
}

/// A request as it arrived.
#[derive(Debug, Clone, PartialEq)]
pub struct Received {
    /// Such as `POST`.
    pub method: String,
    /// Path and query below the receiver's URL; empty for the URL itself.
    pub path: String,
    /// By name, in lower case; the last one of each name.
    pub headers: BTreeMap<String, String>,
    /// The body: JSON, or else a string; null if it is empty.
    pub body: Value,
    /// The status of its answer.
    pub status: u16,
}

/// The requests with one `Idempotency-Key`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Notified {
    /// The body of the last one; null if it was not JSON.
    pub body: Value,
    /// How many there were.
    pub requests: u32,
    /// How many were accepted; more than one: a repetition, recognizable by its key.
    pub accepted: u32,
}

impl Receiver {
    /// Answers the next `times` requests like this; later calls add to them.
    pub fn answer_next(&self, times: usize, answer: &Answer) {
        self.state().answers.extend(std::iter::repeat_n(answer.clone(), times));
    }

    /// Refuses the next request with this status, and `Retry-After` in seconds.
    pub fn refuse_next(&self, status: u16, retry_after: Option<u64>) {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
        self.answer_next(
            1,
            &Answer {
                status,
                retry_after,
                ..Answer::default()
            },
        );
    }

    /// Delays each answer by this long.
    pub fn set_pace(&self, pace: Duration) {
        self.state().pace = pace;
    }

    /// Leaves requests unanswered until [`release`](Self::release).
    pub fn hold(&self) {
        self.held.send_replace(true);
    }

    /// Answers what was held.
    pub fn release(&self) {
        self.held.send_replace(false);
    }

    /// The last 1,000 requests, oldest first.
    pub fn requests(&self) -> Vec<Received> {
        self.state().requests.iter().cloned().collect()
    }

    /// The requests by their `Idempotency-Key`; at least the last 30,000 keys.
    pub fn notifications(&self) -> BTreeMap<String, Notified> {
        self.state().notifications.all().clone()
    }

    /// The answer to a request. The request is kept before, so also if its client does not wait for the answer.
    async fn answer(&self, received: Received) -> Answer {
        let (answer, pace) = {
            let mut state = self.state();
            let answer = state.answers.pop_front().unwrap_or_default();
            state.keep(received, answer.status);
            (answer, state.pace)
        };
        tokio::time::sleep(pace.max(answer.delay)).await;
        // It can't fail: this has a sender.
        let _ = self.held.subscribe().wait_for(|held| !held).await;
        answer
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Keeps a request that is answered with this status.
    fn keep(&mut self, mut received: Received, status: StatusCode) {
        received.status = status.as_u16();
        let key = received.headers.get("idempotency-key").map_or("", String::as_str);
        let notified = self.notifications.entry(key);
        notified.body = received.body.clone();
        notified.requests += 1;
        notified.accepted += u32::from(status.is_success());
        if self.requests.len() == REQUESTS {
            self.requests.pop_front();
        }
        self.requests.push_back(received);
    }
}

#[cfg(test)]
mod tests;
