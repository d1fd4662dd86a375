//! A push host in memory, its handler, and requests of each platform.

use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use consumer::{Delivery, Failure, Handler, MemoryQueues, QueueError, Services, Stop};
use idempotency::{Completion, MemoryStore, NoWrites, Timestamp};
use serde_json::{Value, json};
use service::{Metrics, Observed};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::access::Access;
use crate::answer::Platform;
use crate::dialect::{Copies, Dialect};
use crate::push::{Bounds, Push};

pub(super) const ALL: [Platform; 3] = [Platform::PubSub, Platform::CloudTasks, Platform::AzureFunctions];
pub(super) const DEAD_LETTERS: &str = "dead-letters";
pub(super) const DEADLINE: Duration = Duration::from_secs(60);

const BEGAN_AT: Timestamp = Timestamp::from_millis(1_700_000_000_000);

thread_local! {
    static BEGAN: Cell<Option<Instant>> = const { Cell::new(None) };
}

/// The time of day, which passes as the test's time does.
fn now() -> Timestamp {
    BEGAN_AT.plus(BEGAN.get().unwrap().elapsed())
}

/// What the handler is to do: how long it takes, and how it ends at each receive, the last of which counts for later ones.
pub(super) fn script(millis: u64, ends: &[&str]) -> String {
    json!({ "millis": millis, "ends": ends }).to_string()
}

#[derive(serde::Deserialize)]
pub(super) struct Script {
    millis: u64,
    ends: Vec<String>,
}

#[derive(Debug, Default)]
pub(super) struct Scripted {
    /// The message IDs of its runs that ended.
    pub(super) ended: Mutex<Vec<String>>,
    pub(super) begun: AtomicUsize,
    running: AtomicUsize,
    pub(super) most_running: AtomicUsize,
}

/// Counts a run, also one that is cancelled.
struct Running<'a>(&'a Scripted);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Handler for Scripted {
    type Message = Script;
    type Write = NoWrites;
    const NAMESPACE: &'static str = "scripted";
    // Only messages with a group are held.
    const HOLD_GROUP: bool = true;

    async fn handle(&self, script: Script, delivery: &Delivery) -> Result<Completion, Failure> {
        self.begun.fetch_add(1, Ordering::SeqCst);
        let running = self.running.fetch_add(1, Ordering::SeqCst) + 1;
        self.most_running.fetch_max(running, Ordering::SeqCst);
        let _running = Running(self);
        sleep(Duration::from_millis(script.millis)).await;
        self.ended.lock().unwrap().push(delivery.message_id().to_owned());
        let last = script.ends.len() - 1;
        match script.ends[last.min(delivery.receive_count() as usize - 1)].as_str() {
            "done" => Ok(Completion::new()),
            "retry" => Err(Failure::retry("not now")),
            "never" => Err(Failure::permanent("never").code("unusable")),
            other => panic!("{other}"),
        }
    }
}

pub(super) type Memory = Push<Scripted, MemoryStore<NoWrites>, MemoryQueues>;

/// When each copy is to be sent.
type Copied = Arc<Mutex<Vec<Timestamp>>>;

pub(super) struct Bench {
    pub(super) push: Arc<Memory>,
    pub(super) copied: Copied,
    pub(super) metrics: Metrics,
    platform: Platform,
}

pub(super) struct Options {
    pub(super) platform: Platform,
    pub(super) access: Access,
    pub(super) concurrency: usize,
    pub(super) has_dead_letters: bool,
    pub(super) copies_fail: bool,
    pub(super) body: usize,
    pub(super) path: Option<&'static str>,
}

impl Options {
    pub(super) fn of(platform: Platform) -> Self {
        Self {
            platform,
            access: Access::Platform,
            concurrency: 10,
            has_dead_letters: true,
            copies_fail: false,
            body: 100_000,
            path: None,
        }
    }

    pub(super) fn start(self) -> Bench {
        BEGAN.set(Some(Instant::now()));
        let copied = Copied::default();
        let dialect = match self.platform {
            Platform::PubSub => Dialect::PubSub,
            Platform::CloudTasks => Dialect::CloudTasks(copies(Arc::clone(&copied), self.copies_fail)),
            Platform::AzureFunctions => {
                let url = "https://shop.queue.core.windows.net/orders?envelope=none"
                    .parse()
                    .unwrap();
                Dialect::AzureFunctions(url, copies(Arc::clone(&copied), self.copies_fail))
            }
        };
        let metrics = Metrics::new("push");
        let services = Services::new(MemoryStore::new(), MemoryQueues::new());
        let push = Push {
            handler: Arc::default(),
            services: match self.has_dead_letters {
                true => services.with_dead_letter_queue(DEAD_LETTERS),
                false => services,
            },
            access: self.access,
            observed: Observed {
                system: "memory",
                queue: "orders".to_owned(),
                metrics: metrics.of_queue("orders", dialect.operations()),
                logs_messages: false,
            },
            dialect,
            bounds: Bounds {
                deadline: DEADLINE,
                body: self.body,
            },
            path: self.path.map(str::to_owned),
            permits: Arc::new(Semaphore::new(self.concurrency)),
            tasks: TaskTracker::new(),
            stop: Stop::new(),
            stopping: CancellationToken::new(),
            clock: now,
        };
        Bench {
            push: Arc::new(push),
            copied,
            metrics,
            platform: self.platform,
        }
    }
}

fn copies<R: Send + 'static>(copied: Copied, fail: bool) -> Copies<R> {
    Box::new(move |_, at| {
        let copied = Arc::clone(&copied);
        Box::pin(async move {
            sleep(Duration::from_millis(100)).await;
            match fail {
                true => Err(QueueError::refused("orders", "it is paused for this test")),
                false => {
                    copied.lock().unwrap().push(at);
                    Ok(())
                }
            }
        })
    })
}

impl Bench {
    pub(super) fn new(platform: Platform) -> Self {
        Options::of(platform).start()
    }

    /// The status of the answer to a message that is delivered for the nth time.
    pub(super) async fn deliver(&self, id: &str, nth: u32, body: &str) -> StatusCode {
        self.send(request(self.platform, id, nth, body)).await
    }

    /// The same, in a task.
    pub(super) fn delivering(&self, id: &str, nth: u32, body: &str) -> JoinHandle<StatusCode> {
        let request = request(self.platform, id, nth, body);
        let (push, platform) = (Arc::clone(&self.push), self.platform);
        tokio::spawn(async move { status(platform, push.answer(request).await).await })
    }

    pub(super) async fn send(&self, request: Request<Body>) -> StatusCode {
        status(self.platform, Arc::clone(&self.push).answer(request).await).await
    }

    pub(super) fn ended(&self) -> Vec<String> {
        self.push.handler.ended.lock().unwrap().clone()
    }

    pub(super) fn begun(&self) -> usize {
        self.push.handler.begun.load(Ordering::SeqCst)
    }

    /// How long after the start each copy is sent.
    pub(super) fn copies(&self) -> Vec<Duration> {
        let copied = self.copied.lock().unwrap();
        copied.iter().map(|at| BEGAN_AT.until(*at)).collect()
    }

    pub(super) fn dead_letters(&self) -> Vec<consumer::QueueMessage> {
        self.push.services.queues().sent(DEAD_LETTERS)
    }
}

/// The status of an answer. Each has the body that its platform requires.
async fn status(platform: Platform, response: axum::response::Response) -> StatusCode {
    let status = response.status();
    let kind = response.headers().get("content-type").cloned();
    let body = to_bytes(response.into_body(), 1000).await.unwrap();
    match platform {
        Platform::PubSub | Platform::CloudTasks => assert!(body.is_empty()),
        Platform::AzureFunctions => {
            let body: Value = serde_json::from_slice(&body).unwrap();
            assert_eq!(body, json!({ "Outputs": {}, "Logs": [], "ReturnValue": null }));
            assert_eq!(kind.unwrap(), "application/json");
        }
    }
    status
}

/// A message as its platform sends it for the nth time.
pub(super) fn request(platform: Platform, id: &str, nth: u32, body: &str) -> Request<Body> {
    let request = Request::post("/orders").header("content-type", "application/json");
    match platform {
        Platform::PubSub => {
            let message = json!({
                "message": {
                    "attributes": {},
                    "data": BASE64_STANDARD.encode(body),
                    "messageId": id,
                    "publishTime": "2026-01-31T12:00:00.123Z",
                },
                "subscription": "projects/p/subscriptions/orders",
                "deliveryAttempt": nth,
            });
            request.body(message.to_string().into())
        }
        Platform::CloudTasks => request
            .header("x-cloudtasks-queuename", "orders")
            .header("x-cloudtasks-taskname", "5434762842943434")
            .header("x-consumer-message-id", id)
            .header("x-cloudtasks-taskretrycount", (nth - 1).to_string())
            .header("x-cloudtasks-taskexecutioncount", "0")
            .header("x-cloudtasks-tasketa", "1700000000.5")
            .body(body.to_owned().into()),
        Platform::AzureFunctions => {
            let invocation = json!({
                "Data": { "order": body },
                "Metadata": {
                    "DequeueCount": nth.to_string(),
                    "Id": id,
                    "InsertionTime": "2026-01-31T12:00:00+00:00",
                    "PopReceipt": "AgAAAAMAAAAAAAAAAgtnj8x+1QE=",
                },
            });
            request.body(invocation.to_string().into())
        }
    }
    .unwrap()
}
