//! Cloud Tasks: queues of its own for each case, in the emulator of `CLOUD_TASKS_TEST_URL`.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use cloud_tasks::{CloudTasks as Api, task};
use consumer::Queues;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri};
use serde_json::{Map, Value, json};
use tokio::net::TcpListener;

use crate::driver::{CONFIRMATIONS, Driver};
use crate::http::{Door, succeed};
use crate::rabbitmq::message;
use crate::{Failed, key_of, reason_in, until, variable};

/// The path of tasks that are confirmations.
const OUTGOING: &str = "confirmations";

/// A new queue, and its URL.
async fn create(retries: Value) -> Result<String, Failed> {
    let api = variable("CLOUD_TASKS_TEST_URL")?;
    let parent = "projects/p/locations/l/queues";
    let name = format!("{parent}/t-{:016x}", fastrand::u64(..));
    let queue = json!({ "name": name, "retryConfig": retries });
    succeed(Method::POST, &format!("{api}/v2/{parent}"), Some(&queue)).await?;
    Ok(format!("{api}/v2/{name}"))
}

/// The tasks of a queue, with their content.
async fn tasks(queue: &str) -> Result<Vec<Value>, Failed> {
    let tasks = succeed(Method::GET, &format!("{queue}/tasks?responseView=FULL"), None).await?;
    Ok(tasks["tasks"].as_array().cloned().unwrap_or_default())
}

/// Dead letters in a paused queue, which sends none of them.
pub(crate) struct DeadLetters(String);

impl DeadLetters {
    pub(crate) async fn new() -> Result<Self, Failed> {
        let queue = create(json!({})).await?;
        succeed(Method::POST, &format!("{queue}:pause"), Some(&json!({}))).await?;
        Ok(Self(queue))
    }

    pub(crate) fn setting(&self) -> (&'static str, String) {
        let url = format!("{}?target=http%3A%2F%2F127.0.0.1%3A1%2F", self.0);
        ("DEAD_LETTER_QUEUE_URL", url)
    }

    /// As the target reads them after the queue is resumed.
    pub(crate) async fn reasons(&self) -> Result<Vec<String>, Failed> {
        tasks(&self.0).await?.iter().map(reason).collect()
    }
}

fn reason(dead_letter: &Value) -> Result<String, Failed> {
    let (request, name) = (&dead_letter["httpRequest"], dead_letter["name"].as_str());
    let (queue, name) = name.and_then(|name| name.rsplit_once("/tasks/")).ok_or("no name")?;
    let none = Map::new();
    let stated = request["headers"].as_object().unwrap_or(&none).iter();
    let stated = stated.filter_map(|(name, value)| Some((name.as_str(), value.as_str()?)));
    let added = [
        ("X-CloudTasks-QueueName", queue.rsplit('/').next().unwrap_or_default()),
        ("X-CloudTasks-TaskName", name),
        ("X-CloudTasks-TaskRetryCount", "0"),
    ];
    let mut headers = HeaderMap::new();
    for (name, value) in stated.chain(added) {
        headers.insert(HeaderName::try_from(name)?, HeaderValue::try_from(value)?);
    }
    let body = BASE64_STANDARD.decode(request["body"].as_str().unwrap_or_default())?;
    let (message, _) = task(&headers, &body).map_err(|why| why.to_string())?;
    Ok(reason_in(message.attributes))
}

/// A queue of the emulator, whose tasks have a target that outlives the processes of the handler.
pub(crate) struct CloudTasks {
    /// The URL of the queue.
    queue: String,
    dead_letters: DeadLetters,
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
    pub(crate) async fn new() -> Result<Self, Failed> {
        // Without an end of attempts, as the page of `push` requires.
        let queue = create(json!({ "minBackoff": "0.1s", "maxBackoff": "1s", "maxAttempts": -1 })).await?;
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let target = format!("http://{}/", listener.local_addr()?);
        let relay = Relay::default();
        let router = Router::new().fallback(dispatch).with_state(relay.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Ok(Self {
            queue,
            dead_letters: DeadLetters::new().await?,
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
            self.dead_letters.setting(),
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
        Ok(repeating + tasks(&self.queue).await?.len())
    }

    async fn confirmations(&self) -> Result<Vec<(String, String)>, Failed> {
        let confirmations = self.relay.confirmations.lock();
        Ok(confirmations.unwrap_or_else(PoisonError::into_inner).clone())
    }

    async fn dead_letters(&self) -> Result<Vec<String>, Failed> {
        self.dead_letters.reasons().await
    }
}
