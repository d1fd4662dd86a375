//! The receiver of notifications: the external effect, counted.

use std::io::Result;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio_util::task::AbortOnDropHandle;

/// One of so many notifications is slow, where a scenario has slow ones.
const SLOW: u64 = 12;

/// A request that arrived.
#[derive(Debug, Clone)]
pub(crate) struct Arrival {
    /// Of the process that sent it.
    pub(crate) instance: usize,
    pub(crate) subject: String,
    /// The idempotency token.
    pub(crate) token: String,
    pub(crate) at: Instant,
    /// The client was still there when the answer was sent.
    pub(crate) answered: Option<Instant>,
}

/// How long an answer takes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    /// In milliseconds, from and to.
    pub(crate) usual: (u64, u64),
    /// Of one in twelve.
    pub(crate) slow: Option<Duration>,
}

/// Remembers each request.
#[derive(Clone)]
pub(crate) struct Receiver {
    url: String,
    pace: Pace,
    arrivals: Arc<Mutex<Vec<Arrival>>>,
    _serving: Arc<Option<AbortOnDropHandle<()>>>,
}

impl Receiver {
    pub(crate) async fn start(pace: Pace) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let receiver = Self {
            url: format!("http://{}", listener.local_addr()?),
            pace,
            arrivals: Arc::default(),
            _serving: Arc::new(None),
        };
        let router = Router::new()
            .route("/{instance}", post(receive))
            .with_state(receiver.clone());
        let serving = tokio::spawn(async move {
            // Errors of single connections are not errors of the server.
            let _ = axum::serve(listener, router).await;
        });
        Ok(Self {
            _serving: Arc::new(Some(AbortOnDropHandle::new(serving))),
            ..receiver
        })
    }

    /// The URL for one process.
    pub(crate) fn url(&self, instance: usize) -> String {
        format!("{}/{instance}", self.url)
    }

    /// In the order in which they arrived.
    pub(crate) fn arrivals(&self) -> Vec<Arrival> {
        self.lock().clone()
    }

    /// Whether a process waits for an answer now.
    pub(crate) fn is_waiting(&self, instance: usize) -> bool {
        let arrivals = self.lock();
        arrivals
            .iter()
            .any(|arrival| arrival.instance == instance && arrival.answered.is_none())
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Arrival>> {
        self.arrivals.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn receive(
    State(receiver): State<Receiver>,
    Path(instance): Path<usize>,
    headers: HeaderMap,
    body: Bytes,
) -> StatusCode {
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    let token = headers.get("idempotency-key").and_then(|token| token.to_str().ok());
    let subject = body["subject"].as_str().unwrap_or_default().to_owned();
    let pace = receiver.pace.of(&body, &subject);
    let index = {
        let mut arrivals = receiver.lock();
        arrivals.push(Arrival {
            instance,
            subject,
            token: token.unwrap_or("none").to_owned(),
            at: Instant::now(),
            answered: None,
        });
        arrivals.len() - 1
    };
    // Time between the effect and its answer, in which a process can be killed or stopped. If its connection breaks, this ends here.
    tokio::time::sleep(pace).await;
    if let Some(arrival) = receiver.lock().get_mut(index) {
        arrival.answered = Some(Instant::now());
    }
    StatusCode::ACCEPTED
}

impl Pace {
    fn of(&self, body: &Value, subject: &str) -> Duration {
        let number = subject.rsplit('-').next().and_then(|number| number.parse::<u64>().ok());
        match (body["wait"].as_u64(), self.slow) {
            (Some(wait), _) => Duration::from_millis(wait),
            (None, Some(slow)) if number.is_some_and(|number| number % SLOW == 0) => slow,
            (None, _) => Duration::from_millis(fastrand::u64(self.usual.0..=self.usual.1)),
        }
    }
}
