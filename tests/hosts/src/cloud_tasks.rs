//! Cloud Tasks: a queue of its own for each case, in the emulator of `CLOUD_TASKS_TEST_URL`.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use cloud_tasks::CloudTasks as Api;
use consumer::Queues;
use http::{HeaderMap, Method, StatusCode, Uri};
use serde_json::json;
use testing::TestStack;
use tokio::net::TcpListener;

use crate::driver::{CONFIRMATIONS, Driver, dead_letter_setting, dead_letters};
use crate::http::{Door, succeed};
use crate::rabbitmq::message;
use crate::{Failed, key_of, until, variable};

/// The path of tasks that are confirmations.
const OUTGOING: &str = "confirmations";

/// A queue of the emulator, whose tasks have a target that outlives the processes of the handler.
pub(crate) struct CloudTasks {
    stack: Arc<TestStack>,
    /// The URL of the queue.
    queue: String,
    target: String,
    relay: Relay,
    repeating: Arc<AtomicUsize>,
}

/// Passes tasks on to the process.
#[derive(Clone, Default)]
struct Relay {
    door: Door,
    /// The task that was dispatched last.
    last: Arc<Mutex<Option<(HeaderMap, Bytes)>>>,
    /// Tasks of the handler, by key and body.
    confirmations: Arc<Mutex<Vec<(String, String)>>>,
}

impl CloudTasks {
    pub(crate) async fn new(stack: Arc<TestStack>) -> Result<Self, Failed> {
        let api = variable("CLOUD_TASKS_TEST_URL")?;
        let parent = "projects/p/locations/l/queues";
        let name = format!("{parent}/t-{:016x}", fastrand::u64(..));
        // Without an end of attempts, as the page of `push` requires.
        let retries = json!({ "minBackoff": "0.1s", "maxBackoff": "1s", "maxAttempts": -1 });
        let queue = json!({ "name": name, "retryConfig": retries });
        succeed(Method::POST, &format!("{api}/v2/{parent}"), Some(&queue)).await?;
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let target = format!("http://{}/", listener.local_addr()?);
        let relay = Relay::default();
        let router = Router::new().fallback(dispatch).with_state(relay.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Ok(Self {
            stack,
            queue: format!("{api}/v2/{name}"),
            target,
            relay,
            repeating: Arc::default(),
        })
    }

    /// With the target of tasks: a path of the relay.
    fn url(&self, path: &str) -> String {
        let target = format!("{}{path}", self.target).replace(':', "%3A").replace('/', "%2F");
        format!("{}?target={target}", self.queue)
    }
}

async fn dispatch(State(relay): State<Relay>, uri: Uri, headers: HeaderMap, body: Bytes) -> StatusCode {
    if uri.path().ends_with(OUTGOING) {
        return relay.confirm(&headers, &body);
    }
    *relay.last.lock().unwrap_or_else(PoisonError::into_inner) = Some((headers.clone(), body.clone()));
    let answer = relay.door.post(&passed_on(headers), body.to_vec()).await;
    // Without an answer, Cloud Tasks has none either.
    answer.map_or(StatusCode::BAD_GATEWAY, |answer| answer.status())
}

impl Relay {
    /// Takes a confirmation, as the function does that sends it to the customer.
    fn confirm(&self, headers: &HeaderMap, body: &[u8]) -> StatusCode {
        let Ok((message, _)) = cloud_tasks::task(headers, body) else {
            return StatusCode::BAD_REQUEST;
        };
        let mut confirmations = self.confirmations.lock().unwrap_or_else(PoisonError::into_inner);
        confirmations.push((key_of(&message), message.body));
        StatusCode::OK
    }
}

/// Without those that belong to a connection.
fn passed_on(mut headers: HeaderMap) -> HeaderMap {
    for name in ["host", "content-length", "transfer-encoding", "connection"] {
        headers.remove(name);
    }
    headers
}

impl Driver for CloudTasks {
    fn environment(&self) -> Vec<(&'static str, String)> {
        vec![
            ("PUSH_PLATFORM", "cloud-tasks".to_owned()),
            ("AUTHENTICATED_BY_PLATFORM", "true".to_owned()),
            ("QUEUE_URL", self.url("")),
            dead_letter_setting(&self.stack),
            (CONFIRMATIONS, self.url(OUTGOING)),
        ]
    }

    fn set_addresses(&self, addresses: Vec<String>) {
        self.relay.door.set(addresses);
    }

    fn lose_answer(&self) {
        self.relay.door.lose();
    }

    fn lost_answers(&self) -> usize {
        self.relay.door.lost()
    }

    async fn send(&mut self, id: &str, body: &str) -> Result<String, Failed> {
        Api::new().send(&self.url(""), &[message(id, body)]).await?;
        Ok(id.to_owned())
    }

    /// Cloud Tasks may execute a task twice
    /// ([execution](https://cloud.google.com/tasks/docs/common-pitfalls#duplicate_execution)).
    async fn repeat(&mut self) -> Result<(), Failed> {
        let last = || self.relay.last.lock().unwrap_or_else(PoisonError::into_inner).clone();
        until("a task is dispatched", async || Ok(last().is_some())).await?;
        let (headers, body) = last().unwrap_or_default();
        let (door, repeating) = (self.relay.door.clone(), Arc::clone(&self.repeating));
        repeating.fetch_add(1, Ordering::SeqCst);
        tokio::spawn(async move {
            let is_done = |status: u16| (200..300).contains(&status);
            door.post_until(&passed_on(headers), body.to_vec(), is_done).await;
            repeating.fetch_sub(1, Ordering::SeqCst);
        });
        Ok(())
    }

    async fn left(&self) -> Result<usize, Failed> {
        // First: an execution makes its copy before it ends.
        let repeating = self.repeating.load(Ordering::SeqCst);
        let tasks = succeed(Method::GET, &format!("{}/tasks", self.queue), None).await?;
        Ok(repeating + tasks["tasks"].as_array().map_or(0, Vec::len))
    }

    async fn confirmations(&self) -> Result<Vec<(String, String)>, Failed> {
        let confirmations = self.relay.confirmations.lock();
        Ok(confirmations.unwrap_or_else(PoisonError::into_inner).clone())
    }

    async fn dead_letters(&self) -> Result<Vec<String>, Failed> {
        Ok(dead_letters(&self.stack))
    }
}
