//! Once with the API of Cloud Tasks.

use axum::Router;
use axum::body::Bytes;
use cloud_tasks::CloudTasks;
use producer::Producer;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use super::harness::{ADA, Harness, callers, order, post, send};
use crate::app::{App, router};

#[tokio::test]
async fn an_order_becomes_a_task() {
    let (sender, mut tasks) = mpsc::unbounded_channel();
    let create = async move |body: Bytes| {
        sender.send(serde_json::from_slice::<Value>(&body).unwrap()).unwrap();
        json!({"name": "projects/p/locations/l/queues/q/tasks/1"}).to_string()
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let api = format!("http://{}", listener.local_addr().unwrap());
    let router_of_api = Router::new().fallback(create);
    tokio::spawn(async move { axum::serve(listener, router_of_api).await });
    let url = format!("{api}/v2/projects/p/locations/l/queues/q?target=http%3A%2F%2Fa.example%2Forders");
    let router = router(App {
        producer: Producer::new(CloudTasks::new(), url),
        records: Harness::default().store,
        callers: callers(),
    });
    let accepted = send(&router, post(ADA, "k-1", &order("o-1", "eve"))).await;
    assert_eq!(accepted.status, 202, "{accepted:?}");
    let request = &tasks.try_recv().unwrap()["task"]["httpRequest"];
    assert_eq!(request["url"], "http://a.example/orders");
    let headers = &request["headers"];
    assert_eq!(
        (&headers["IdempotencyKey"], &headers["message-group"]),
        (&json!("ada/k-1"), &json!("ada"))
    );
}
