//! An application in process, and its requests.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode};
use consumer::{Limits, MemoryQueues, QueueError, QueueFault, QueueMessage, Queues};
use http_body_util::BodyExt;
use idempotency::{Answer, Change, Key, MemoryStore, NoWrites, Record, Store, StoreError, TooLarge};
use producer::Producer;
use serde_json::{Value, json};
use tower_service::Service;

use crate::app::{App, router};
use crate::callers::Callers;
use crate::records::Records;

pub(super) const QUEUE: &str = "orders";
pub(super) const ADA: &str = "Bearer token-of-ada";
pub(super) const BOB: &str = "Bearer token-of-bob";

/// What application, consumer and test share.
#[derive(Debug, Default)]
pub(super) struct Shared<T>(pub(super) Arc<T>);

impl<T> Clone for Shared<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<Q: Queues> Queues for Shared<Q> {
    async fn send(&self, queue: &str, messages: &[QueueMessage]) -> Result<(), QueueError> {
        self.0.send(queue, messages).await
    }

    fn limits(&self, queue: &str) -> Limits {
        self.0.limits(queue)
    }
}

impl<S: Store<Write = NoWrites>> Store for Shared<S> {
    type Write = NoWrites;

    async fn change(&self, change: Change<'_, NoWrites>) -> Result<Answer, StoreError> {
        self.0.change(change).await
    }

    fn check(&self, key: &Key, record: &Record, writes: &[NoWrites]) -> Result<(), TooLarge> {
        self.0.check(key, record, writes)
    }
}

impl Records for Shared<MemoryStore<NoWrites>> {
    async fn read(&self, key: &Key) -> Result<Option<Record>, StoreError> {
        Ok(self.0.record(key))
    }
}

/// An application on queues and a ledger in memory.
#[derive(Default)]
pub(super) struct Harness {
    pub(super) queues: Shared<MemoryQueues>,
    pub(super) store: Shared<MemoryStore<NoWrites>>,
}

/// What the application answered.
#[derive(Debug)]
pub(super) struct Answered {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Value,
}

impl Answered {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// The problem's detail. The status is stated twice.
    #[track_caller]
    pub(super) fn problem(&self, status: u16) -> &str {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(self.header("content-type"), Some("application/problem+json"));
        assert_eq!(self.body["status"], status);
        self.body["detail"].as_str().unwrap()
    }
}

impl Harness {
    /// One whose queue fails in these ways, one request after the other.
    pub(super) fn failing(faults: &[QueueFault]) -> Self {
        let harness = Self::default();
        faults.iter().for_each(|fault| harness.queues.0.inject(*fault));
        harness
    }

    pub(super) fn router(&self) -> Router {
        application(self.queues.clone(), self.store.clone())
    }

    pub(super) async fn send(&self, request: Request<Body>) -> Answered {
        send(&self.router(), request).await
    }

    /// Posts an order with this key.
    pub(super) async fn post(&self, caller: &str, key: &str, order: &Value) -> Answered {
        self.send(post(caller, key, order)).await
    }

    /// The location of an order that is accepted.
    pub(super) async fn accepted(&self, caller: &str, key: &str, order: &Value) -> String {
        let accepted = self.post(caller, key, order).await;
        assert_eq!(accepted.status, 202, "{accepted:?}");
        accepted.header("location").unwrap().to_owned()
    }

    pub(super) async fn get(&self, caller: &str, path: &str) -> Answered {
        self.send(get(caller, path)).await
    }

    pub(super) fn sent(&self) -> Vec<QueueMessage> {
        self.queues.0.sent(QUEUE)
    }
}

/// The application on any queues and ledger.
pub(super) fn application<Q: Queues, R: Records>(queues: Q, records: R) -> Router {
    router(App {
        producer: Producer::new(queues, QUEUE),
        records,
        callers: callers(),
    })
}

pub(super) fn callers() -> Callers {
    Callers::parse("ada=token-of-ada,bob=token-of-bob").unwrap()
}

pub(super) async fn send(router: &Router, request: Request<Body>) -> Answered {
    let (head, body) = router.clone().call(request).await.unwrap().into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    Answered {
        status: head.status,
        headers: head.headers,
        body: serde_json::from_slice(&body).unwrap_or(Value::Null),
    }
}

/// A request to place this order.
pub(super) fn post(caller: &str, key: &str, order: &Value) -> Request<Body> {
    let request = Request::post("/orders")
        .header("authorization", caller)
        .header("idempotency-key", key)
        .header("content-type", "application/json");
    request.body(Body::from(order.to_string())).unwrap()
}

pub(super) fn get(caller: &str, path: &str) -> Request<Body> {
    let request = Request::get(path).header("authorization", caller);
    request.body(Body::empty()).unwrap()
}

pub(super) fn order(id: &str, customer: &str) -> Value {
    let items = json!([{"sku": "tea", "quantity": 2, "price": 350}]);
    json!({"id": id, "customer": customer, "items": items, "amount": 700})
}
