//! Whether the process works, for an orchestrator, for its supervisor, and for Prometheus.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

use service::{Metrics, supervisor};

/// How often the loop of a queue turns at least, whatever it waits for.
pub(crate) const TURN: Duration = Duration::from_secs(1);

/// A loop that has not turned for this long is stuck: a handler blocks the thread, for example.
const STUCK: Duration = Duration::from_secs(30);

/// How long a receive that has begun may take.
const OUTSTANDING: Duration = Duration::from_secs(60);

/// The last verdicts, the close of the queue, and traces take 23 seconds at most. Twice that is a hang.
const LAST_REQUESTS: Duration = Duration::from_secs(46);

/// The state of a process, which the loops of its queues report.
///
/// It states that the loops turn, not that a queue answers: another process would not reach the queue either.
#[derive(Debug, Clone)]
pub(crate) struct Health(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    loops: BTreeMap<usize, Loop>,
    is_stopping: bool,
    watchdog: supervisor::Watchdog,
}

#[derive(Debug)]
struct Loop {
    /// `None`: it has not begun, because the process still connects. That has time limits of its own.
    turned: Option<Instant>,
    /// Why its queue is not polled; `None`: it has answered, the last time that it was.
    unready: Option<Cow<'static, str>>,
}

impl Health {
    /// Of a process with this many queues.
    pub(crate) fn new(queues: usize) -> Self {
        let state = |queue| {
            let state = Loop {
                turned: Some(Instant::now()),
                unready: Some("a queue is not polled yet".into()),
            };
            (queue, state)
        };
        Self(Arc::new(Mutex::new(State {
            loops: (0..queues).map(state).collect(),
            is_stopping: false,
            watchdog: supervisor::Watchdog::from_env(),
        })))
    }

    /// The process connects to what the loop of a queue needs. States what it waits for.
    pub(crate) fn connecting(&self, queue: usize, to: impl Into<Cow<'static, str>>) {
        if let Some(connecting) = self.state().loops.get_mut(&queue) {
            connecting.turned = None;
            connecting.unready = Some(to.into());
        }
    }

    /// The loop of a queue has turned.
    pub(crate) fn turned(&self, queue: usize) {
        let now = Instant::now();
        let mut state = self.state();
        if let Some(turning) = state.loops.get_mut(&queue) {
            turning.turned = Some(now);
        }
        if state.is_live(now) {
            state.watchdog.feed(now);
        }
    }

    /// A queue has answered its poll, or not.
    pub(crate) fn answered(&self, queue: usize, is_answered: bool) {
        let mut state = self.state();
        let was_ready = state.is_ready();
        if let Some(polling) = state.loops.get_mut(&queue) {
            polling.unready = (!is_answered).then(|| "a queue does not answer; the log states why".into());
        }
        if !was_ready && state.is_ready() {
            supervisor::ready();
        }
    }

    /// The loop of a queue has ended, as it should: it no longer turns.
    pub(crate) fn ended(&self, queue: usize) {
        self.state().loops.remove(&queue);
    }

    /// The process takes no more messages, and what is in process has this long.
    pub(crate) fn stops(&self, drain: Duration) {
        self.state().is_stopping = true;
        supervisor::stopping(drain.max(OUTSTANDING).saturating_add(LAST_REQUESTS));
    }

    pub(crate) fn is_live(&self) -> bool {
        self.state().is_live(Instant::now())
    }

    #[cfg(test)]
    pub(crate) fn is_ready(&self) -> bool {
        self.state().is_ready()
    }

    /// Why the process is not ready; `None`: it is.
    fn unready(&self) -> Option<String> {
        self.state().unready().map(str::to_owned)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn is_live(&self, now: Instant) -> bool {
        let mut loops = self.loops.values();
        let is_stuck = |turned| now.saturating_duration_since(turned) >= STUCK;
        !loops.any(|turning| turning.turned.is_some_and(is_stuck))
    }

    fn is_ready(&self) -> bool {
        self.unready().is_none()
    }

    fn unready(&self) -> Option<&str> {
        match self.is_stopping {
            true => Some("the process stops"),
            false => self.loops.values().find_map(|polling| polling.unready.as_deref()),
        }
    }
}

/// Health and metrics of a process. Dropped, they are no longer served.
pub(crate) struct Serving {
    pub(crate) health: Health,
    pub(crate) metrics: Metrics,
    _server: Option<AbortOnDropHandle<()>>,
}

impl Serving {
    /// Of a process with this many queues, at an address if it has one.
    pub(crate) async fn start(address: Option<SocketAddr>, queues: usize) -> Result<Self, ServeError> {
        let (health, metrics) = (Health::new(queues), Metrics::new("worker"));
        let server = match address {
            Some(address) => {
                let server = serve(bind(address).await?, health.clone(), metrics.clone());
                Some(AbortOnDropHandle::new(tokio::spawn(server)))
            }
            None => None,
        };
        Ok(Self {
            health,
            metrics,
            _server: server,
        })
    }
}

/// Listens at the address for health and metrics.
pub(crate) async fn bind(address: SocketAddr) -> Result<TcpListener, ServeError> {
    let failed = |why| ServeError { address, why };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    tracing::info!("health and metrics are at http://{address}/live, /ready and /metrics");
    Ok(listener)
}

/// Serves `/live`, `/ready` and `/metrics`, until it is dropped.
pub(crate) async fn serve(listener: TcpListener, health: Health, metrics: Metrics) {
    // It ends only with the task: errors of single connections are not errors of the server.
    let _ = axum::serve(listener, router(health, metrics)).await;
}

/// The address for health and metrics can't be served.
#[derive(Debug, thiserror::Error)]
#[error("address {address} for health and metrics can't be used")]
pub struct ServeError {
    address: SocketAddr,
    #[source]
    why: std::io::Error,
}

fn router(health: Health, metrics: Metrics) -> Router {
    let (live, ready) = (health.clone(), health);
    let live = move || async move {
        match live.is_live() {
            true => (StatusCode::OK, "live\n"),
            false => (
                StatusCode::SERVICE_UNAVAILABLE,
                "stuck: a loop has not turned for 30 seconds\n",
            ),
        }
    };
    let ready = move || async move {
        match ready.unready() {
            None => (StatusCode::OK, "ready\n".to_owned()),
            Some(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {why}\n")),
        }
    };
    let text = [(
        header::CONTENT_TYPE,
        "application/openmetrics-text; version=1.0.0; charset=utf-8",
    )];
    let metrics = move || async move { (text, metrics.text()).into_response() };
    Router::new()
        .route("/live", get(live))
        .route("/ready", get(ready))
        .route("/metrics", get(metrics))
}

#[cfg(test)]
mod tests;
