//! The receiver of notifications: the external effect, counted.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Error, ErrorKind, Result};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use tokio::net::TcpListener;

use crate::faults::{Faults, Kind, Target};
use crate::history::millis;
use crate::scenario::Scenario;

/// Counts effects by idempotency token.
#[derive(Clone)]
pub(crate) struct Receiver {
    pub(crate) url: String,
    faults: Arc<Faults>,
    arrived: Arc<Mutex<BTreeMap<String, Arrived>>>,
}

/// What arrived under a token.
#[derive(Clone, Default)]
pub(crate) struct Arrived {
    /// In milliseconds since 1970, also of what was refused: its handler ran, too.
    pub(crate) at: Vec<u64>,
    /// The scenario of each effect.
    pub(crate) accepted: Vec<&'static Scenario>,
    /// Each once.
    pub(crate) contents: BTreeSet<Bytes>,
}

impl Receiver {
    pub(crate) async fn start(faults: Arc<Faults>) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let receiver = Self {
            url: format!("http://{}/", listener.local_addr()?),
            faults,
            arrived: Arc::default(),
        };
        let router = Router::new().route("/", post(receive)).with_state(receiver.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Ok(receiver)
    }

    /// By token.
    pub(crate) fn arrived(&self) -> BTreeMap<String, Arrived> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Arrived>> {
        self.arrived.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn receive(State(receiver): State<Receiver>, headers: HeaderMap, content: Bytes) -> Response {
    let token = headers.get("idempotency-key").and_then(|token| token.to_str().ok());
    let token = token.unwrap_or("none").to_owned();
    let (fault, scenario) = (receiver.faults.next(Target::Receiver), receiver.faults.scenario());
    {
        let mut arrived = receiver.lock();
        let arrived = arrived.entry(token).or_default();
        arrived.at.push(millis(SystemTime::now()));
        if fault != Some(Kind::ServerError) {
            arrived.accepted.push(scenario);
            arrived.contents.insert(content);
        }
    }
    if fault == Some(Kind::ServerError) {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    // Time between the effect and its answer, in which a process can be killed or stopped.
    let pace = match fault {
        Some(Kind::Delayed) => receiver.faults.between(200, 600),
        _ => receiver.faults.between(1, 30),
    };
    tokio::time::sleep(pace).await;
    if fault == Some(Kind::ReplyLost) {
        // An answer whose connection breaks before it is whole.
        let broken = Error::from(ErrorKind::ConnectionReset);
        return Body::from_stream(futures_util::stream::once(async { Err::<Bytes, _>(broken) })).into_response();
    }
    StatusCode::ACCEPTED.into_response()
}
