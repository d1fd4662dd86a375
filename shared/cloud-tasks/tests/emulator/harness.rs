//! The emulator, and a service that it sends tasks to.

use std::env;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use aws::https_client;
use aws_smithy_types::body::SdkBody;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};
use cloud_tasks::CloudTasks;
use consumer::{QueueMessage, Queues};
use http::Request;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

pub(crate) const ACCOUNT: &str = "push@p-1.iam.gserviceaccount.com";

/// A queue of the emulator, and the service that it sends tasks to.
pub(crate) struct Emulator {
    pub(crate) api: String,
    pub(crate) queue: String,
    pub(crate) target: String,
    pub(crate) requests: mpsc::UnboundedReceiver<(HeaderMap, Bytes)>,
    /// How the service answers.
    status: Arc<AtomicU16>,
}

/// The emulator, unless the test is to be skipped because there is none.
pub(crate) async fn emulator() -> Option<Emulator> {
    let Ok(api) = env::var("CLOUD_TASKS_TEST_URL") else {
        println!("skipped: CLOUD_TASKS_TEST_URL is not set");
        return None;
    };
    let queue = format!("projects/p/locations/l/queues/t-{}", uuid::Uuid::new_v4());
    let config =
        json!({"name": queue, "retryConfig": {"minBackoff": "0.1s", "maxBackoff": "0.2s", "maxAttempts": 100}});
    call(&format!("{api}/v2/projects/p/locations/l/queues"), Some(&config)).await;
    let (sender, requests) = mpsc::unbounded_channel();
    let status = Arc::new(AtomicU16::new(200));
    let answer = Arc::clone(&status);
    let service = async move |headers: HeaderMap, body: Bytes| {
        sender.send((headers, body)).unwrap();
        StatusCode::from_u16(answer.load(Ordering::SeqCst)).unwrap()
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let target = format!("http://{}/tasks", listener.local_addr().unwrap());
    let router = axum::Router::new().fallback(service);
    tokio::spawn(async move { axum::serve(listener, router).await });
    Some(Emulator {
        api,
        queue,
        target,
        requests,
        status,
    })
}

/// The reply of the emulator. Without a body, `GET`.
pub(crate) async fn call(url: &str, body: Option<&Value>) -> Value {
    let request = match body {
        Some(body) => Request::post(url)
            .header("content-type", "application/json")
            .body(SdkBody::from(body.to_string())),
        None => Request::get(url).body(SdkBody::empty()),
    };
    let reply = https_client().request(request.unwrap()).await.unwrap();
    let status = reply.status();
    let body = reply.into_body().collect().await.unwrap().to_bytes();
    assert!(
        status.is_success(),
        "{url}: {status} {}",
        String::from_utf8_lossy(&body)
    );
    serde_json::from_slice(&body).unwrap_or_default()
}

impl Emulator {
    pub(crate) fn url(&self) -> String {
        self.url_by(&self.api)
    }

    /// By the API at another address.
    pub(crate) fn url_by(&self, api: &str) -> String {
        format!("{api}/v2/{}?target={}&account={ACCOUNT}", self.queue, self.target)
    }

    pub(crate) async fn send(&self, messages: &[QueueMessage]) {
        CloudTasks::new().send(&self.url(), messages).await.unwrap();
    }

    /// The next request to the service.
    pub(crate) async fn next(&mut self) -> (HeaderMap, Bytes) {
        let next = tokio::time::timeout(Duration::from_secs(30), self.requests.recv()).await;
        next.expect("a request within 30 s").unwrap()
    }

    /// Waits until the queue has no task.
    pub(crate) async fn idle(&self) {
        call(&format!("{}/emulator/{}:waitIdle", self.api, self.queue), None).await;
    }

    pub(crate) fn answer(&self, status: u16) {
        self.status.store(status, Ordering::SeqCst);
    }
}
