//! A stand-in for the API of Cloud Tasks that follows its documented rules for creating tasks, and fails on demand.

#![allow(clippy::unwrap_used, clippy::panic, reason = "all of this is tests")]
#![allow(dead_code, reason = "each test file uses a part")]

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use consumer::{Attribute, QueueMessage};
use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// How the next request fails.
#[derive(Debug, Clone)]
pub(crate) enum Fault {
    /// This status and code, and no task.
    Status(u16, &'static str),
    /// The task is created, but the connection is cut in the middle of the reply.
    ReplyLost,
    /// No task, and no reply.
    Hangs,
    /// 200 of something that is not Cloud Tasks.
    Html,
}

#[derive(Debug, Default)]
struct Tasks {
    faults: VecDeque<Fault>,
    tasks: Vec<Value>,
    names: u32,
    requests: Vec<HeaderMap>,
}

/// The server.
#[derive(Debug, Clone)]
pub(crate) struct StandIn {
    address: String,
    tasks: Arc<Mutex<Tasks>>,
}

impl StandIn {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let tasks = Arc::new(Mutex::default());
        let stand_in = Self {
            address: format!("http://{}", listener.local_addr().unwrap()),
            tasks: Arc::clone(&tasks),
        };
        let router = axum::Router::new().fallback(create).with_state(tasks);
        tokio::spawn(async move { axum::serve(listener, router).await });
        stand_in
    }

    /// The URL of a queue.
    pub(crate) fn queue(&self) -> String {
        format!(
            "{}/v2/projects/p/locations/l/queues/orders?target=http%3A%2F%2Fshop.example%2Ftasks",
            self.address
        )
    }

    pub(crate) fn inject(&self, faults: impl IntoIterator<Item = Fault>) {
        self.tasks.lock().unwrap().faults.extend(faults);
    }

    /// The tasks that exist, in order.
    pub(crate) fn tasks(&self) -> Vec<Value> {
        self.tasks.lock().unwrap().tasks.clone()
    }

    /// The headers of all requests.
    pub(crate) fn requests(&self) -> Vec<HeaderMap> {
        self.tasks.lock().unwrap().requests.clone()
    }
}

async fn create(State(tasks): State<Arc<Mutex<Tasks>>>, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let parent = uri
        .path()
        .trim_start_matches("/v2/")
        .trim_end_matches("/tasks")
        .to_owned();
    let request: Value = serde_json::from_slice(&body).unwrap();
    let fault = {
        let mut tasks = tasks.lock().unwrap();
        tasks.requests.push(headers);
        tasks.faults.pop_front()
    };
    match fault {
        Some(Fault::Status(status, code)) => return failed(status, code).into_response(),
        Some(Fault::Hangs) => std::future::pending().await,
        Some(Fault::Html) => return "<html>".into_response(),
        Some(Fault::ReplyLost) | None => {}
    }
    let created = tasks.lock().unwrap().create(&parent, request);
    match fault {
        Some(_) => {
            let cut = futures_util::stream::once(async { Err::<Bytes, _>(std::io::Error::other("cut")) });
            Body::from_stream(cut).into_response()
        }
        None => created.into_response(),
    }
}

impl Tasks {
    fn create(&mut self, parent: &str, mut request: Value) -> (StatusCode, String) {
        let mut task = request["task"].take();
        if task["name"].is_null() {
            self.names += 1;
            task["name"] = json!(format!("{parent}/tasks/{}", self.names));
        }
        let name = task["name"].as_str().unwrap();
        assert!(name.starts_with(&format!("{parent}/tasks/")), "{name} in {parent}");
        if self.tasks.iter().any(|other| other["name"] == name) {
            return failed(409, "ALREADY_EXISTS");
        }
        let created = json!({"name": name}).to_string();
        self.tasks.push(task);
        (StatusCode::OK, created)
    }
}

fn failed(status: u16, code: &str) -> (StatusCode, String) {
    let body = json!({"error": {"code": status, "message": "injected", "status": code}});
    (StatusCode::from_u16(status).unwrap(), body.to_string())
}

/// The request by which Cloud Tasks sends a task for this time, counted from 0.
pub(crate) fn dispatched(task: &Value, retries: u32) -> (HeaderMap, Vec<u8>) {
    let request = &task["httpRequest"];
    let stated: BTreeMap<String, String> = serde_json::from_value(request["headers"].clone()).unwrap();
    let (queue, name) = task["name"].as_str().unwrap().rsplit_once("/tasks/").unwrap();
    let added = [
        ("X-CloudTasks-QueueName", queue.rsplit_once('/').unwrap().1.to_owned()),
        ("X-CloudTasks-TaskName", name.to_owned()),
        ("X-CloudTasks-TaskRetryCount", retries.to_string()),
        ("X-CloudTasks-TaskExecutionCount", "0".to_owned()),
        ("X-CloudTasks-TaskETA", "1602727873.950779".to_owned()),
    ];
    let added = added.map(|(name, value)| (name.to_owned(), value));
    let headers = stated.into_iter().chain(added);
    let headers = headers.map(|(name, value)| {
        let name: HeaderName = name.parse().unwrap();
        (name, HeaderValue::try_from(value).unwrap())
    });
    let body = BASE64_STANDARD.decode(request["body"].as_str().unwrap()).unwrap();
    (headers.collect(), body)
}

pub(crate) fn string(value: &str) -> Attribute {
    Attribute {
        data_type: Some("String".to_owned()),
        string_value: Some(value.to_owned()),
        binary_value: None,
    }
}

/// A message with this deduplication ID.
pub(crate) fn message(id: &str, body: &str) -> QueueMessage {
    QueueMessage {
        body: body.to_owned(),
        attributes: BTreeMap::new(),
        group: None,
        deduplication_id: Some(id.to_owned()),
        trace_header: None,
    }
}
