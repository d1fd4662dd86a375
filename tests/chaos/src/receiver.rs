//! The receiver of notifications: the external effect, counted.

use std::collections::BTreeMap;
use std::io::{Error, ErrorKind, Result};
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use tokio::net::TcpListener;

use crate::faults::{Faults, Kind, Target};
use crate::scenario::Scenario;

/// Counts effects by idempotency token.
#[derive(Clone)]
pub(crate) struct Receiver {
    pub(crate) url: String,
    faults: Arc<Faults>,
    accepted: Arc<Mutex<BTreeMap<String, Vec<&'static Scenario>>>>,
}

impl Receiver {
    pub(crate) async fn start(faults: Arc<Faults>) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let receiver = Self {
            url: format!("http://{}/", listener.local_addr()?),
            faults,
            accepted: Arc::default(),
        };
        let router = Router::new().route("/", post(receive)).with_state(receiver.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Ok(receiver)
    }

    /// The effects by token: the scenario of each.
    pub(crate) fn accepted(&self) -> BTreeMap<String, Vec<&'static Scenario>> {
        self.accepted.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn accept(&self, token: &str) {
        let mut accepted = self.accepted.lock().unwrap_or_else(PoisonError::into_inner);
        let scenario = self.faults.scenario();
        accepted.entry(token.to_owned()).or_default().push(scenario);
    }
}

async fn receive(State(receiver): State<Receiver>, headers: HeaderMap, _: Bytes) -> Response {
    let token = headers.get("idempotency-key").and_then(|token| token.to_str().ok());
    let fault = receiver.faults.next(Target::Receiver);
    if fault == Some(Kind::ServerError) {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    receiver.accept(token.unwrap_or("none"));
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
