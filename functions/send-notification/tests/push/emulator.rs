//! Tasks and tokens of the crate cloud-tasks-emulator, at `CLOUD_TASKS_TEST_URL`.

use std::net::TcpListener;

use axum::body::Bytes;
use cloud_tasks::CloudTasks;
use consumer::{QueueMessage, Queues};
use idempotency::Key;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::platform::Platform;
use crate::process::{Process, Surroundings};

const ACCOUNT: &str = "push@p.iam.gserviceaccount.com";

/// A queue of the emulator, whose tasks are sent to a process.
struct Emulated {
    surroundings: Surroundings,
    /// Its URL, without the account whose tokens tasks have.
    queue: String,
    _process: Process,
}

/// `None`: the test is to be skipped.
async fn emulated() -> Option<Emulated> {
    let Ok(api) = std::env::var("CLOUD_TASKS_TEST_URL") else {
        println!("skipped: CLOUD_TASKS_TEST_URL is not set; .ci/servers sets it");
        return None;
    };
    let surroundings = Surroundings::new(Platform::CloudTasks, None).await;
    // Its URL is a setting of the process that listens there.
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let target = format!("http://{address}/");
    let name = format!("projects/p/locations/l/queues/push-{}", address.port());
    let retries = json!({ "minBackoff": "0.1s", "maxBackoff": "0.2s", "maxAttempts": 100 });
    create(&api, &json!({ "name": name, "retryConfig": retries }).to_string()).await;
    let queue = format!("{api}/v2/{name}?target={target}");
    let process = surroundings
        .start_with(&[
            ("LISTEN_ADDRESS", &address.to_string()),
            ("QUEUE_URL", &format!("{queue}&account={ACCOUNT}")),
            ("AUTHENTICATED_BY_PLATFORM", ""),
            ("OIDC_AUDIENCE", &target),
            ("OIDC_SERVICE_ACCOUNT", ACCOUNT),
            ("OIDC_ISSUER", &api),
            ("OIDC_KEYS_URL", &format!("{api}/jwks")),
            ("RETRY_DELAY_SECONDS", "1"),
        ])
        .await;
    Some(Emulated {
        surroundings,
        queue,
        _process: process,
    })
}

/// Creates a queue.
async fn create(api: &str, config: &str) {
    let host = api.trim_start_matches("http://");
    let mut connection = TcpStream::connect(host).await.unwrap();
    let length = config.len();
    let request = format!(
        "POST /v2/projects/p/locations/l/queues HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\
         content-type: application/json\r\ncontent-length: {length}\r\n\r\n{config}"
    );
    connection.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    connection.read_to_end(&mut answer).await.unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 200"), "{:?}", Bytes::from(answer));
}

impl Emulated {
    /// Sends a notification as a task with tokens of this account.
    async fn send(&self, id: &str, to: &str, account: &str) {
        let message = QueueMessage {
            body: json!({ "to": to, "subject": "Your order", "text": "It is on its way." }).to_string(),
            attributes: [].into(),
            group: None,
            deduplication_id: Some(id.to_owned()),
            trace_header: None,
        };
        let url = format!("{}&account={account}", self.queue);
        CloudTasks::new().send(&url, &[message]).await.unwrap();
    }

    /// How often the notification of a message was posted, and how often it was accepted.
    fn posted(&self, id: &str) -> (u32, u32) {
        let token = Key::new("send-notification", id).unwrap().token();
        let receiver = self.surroundings.stack.receiver("NotificationUrl");
        let notified = receiver.notifications().remove(&token).unwrap_or_default();
        (notified.requests, notified.accepted)
    }

    async fn until(&self, what: &str, holds: impl FnMut() -> bool) {
        self.surroundings.stack.until(what, holds).await;
    }
}

#[tokio::test]
async fn tasks_of_an_emulator_are_processed() {
    let Some(emulated) = emulated().await else {
        return;
    };
    let stack = &emulated.surroundings.stack;
    // The second post is accepted: the copy of the task carries the same message.
    stack.receiver("NotificationUrl").refuse_next(503, None);
    emulated.send("m-1", "ada", ACCOUNT).await;
    emulated
        .until("the second post", || emulated.posted("m-1") == (2, 1))
        .await;
    emulated.send("m-2", "ben", ACCOUNT).await;
    emulated.send("m-2", "ben", ACCOUNT).await;
    emulated.send("m-3", "", ACCOUNT).await;
    let is_dead = || stack.dead_letter("notifications", "m-3").is_some();
    emulated.until("the dead letter", is_dead).await;
    emulated.until("the post", || emulated.posted("m-2") == (1, 1)).await;
    // Tokens of another account open nothing. A task that was sent later is done before.
    emulated.send("m-4", "eve", "eve@p.iam.gserviceaccount.com").await;
    emulated.send("m-5", "ada", ACCOUNT).await;
    emulated
        .until("the last post", || emulated.posted("m-5") == (1, 1))
        .await;
    assert_eq!(emulated.posted("m-4"), (0, 0));
    assert_eq!(emulated.posted("m-2"), (1, 1), "both tasks were one message");
}
