//! The interfaces of Cloud Tasks and of Storage Queues, as far as delayed copies need them.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::http::StatusCode;
use axum::routing::{get, post};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;
use tokio::net::TcpListener;

const TASKS: &str = "/v2/projects/p/locations/l/queues/notifications";
const STORAGE_QUEUE: &str = "/devstoreaccount1/notifications";

/// Both queues, and the copies that they got.
pub(crate) struct Copies {
    address: String,
    received: Arc<Mutex<usize>>,
}

impl Copies {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let received = Arc::<Mutex<usize>>::default();
        let (tasks, messages) = (Arc::clone(&received), Arc::clone(&received));
        let create = move |body: String| async move {
            let request: Value = serde_json::from_str(&body).unwrap();
            assert!(request["task"]["scheduleTime"].is_string(), "{request}");
            *tasks.lock().unwrap() += 1;
            request["task"].to_string()
        };
        let put = move |body: String| async move {
            let (_, text) = body.split_once("<MessageText>").unwrap();
            let (text, _) = text.split_once("</MessageText>").unwrap();
            let event: Value = serde_json::from_slice(&BASE64_STANDARD.decode(text).unwrap()).unwrap();
            assert_eq!(event["id"], "m-1", "{event}");
            *messages.lock().unwrap() += 1;
            StatusCode::CREATED
        };
        let router = Router::new()
            .route(&format!("{TASKS}/tasks"), post(create))
            // The check at start: the queue exists.
            .route(STORAGE_QUEUE, get(|| async {}))
            .route(&format!("{STORAGE_QUEUE}/messages"), post(put));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { address, received }
    }

    pub(crate) fn tasks(&self) -> String {
        format!("{}{TASKS}?target=https%3A%2F%2Fexample.com%2F", self.address)
    }

    pub(crate) fn storage_queue(&self) -> String {
        format!("{}{STORAGE_QUEUE}", self.address)
    }

    pub(crate) fn received(&self) -> usize {
        *self.received.lock().unwrap()
    }
}
