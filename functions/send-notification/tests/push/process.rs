//! The process, and the connections to it.

use std::process::Stdio;
use std::time::Duration;

use emulator::Receivers;
use serde_json::json;
use testing::TestStack;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::TcpStream;
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

use crate::copies::Copies;
use crate::platform::Platform;

pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_send-notification-push");

/// More than anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Process {
    platform: Platform,
    child: Child,
    log: Lines<BufReader<ChildStdout>>,
    address: String,
}

/// Who sends messages to it, and where what it does is seen.
pub(crate) struct Surroundings {
    pub(crate) platform: Platform,
    pub(crate) stack: TestStack,
    pub(crate) copies: Copies,
    pub(crate) receiver: String,
    dead_letters: String,
}

impl Surroundings {
    /// With this receiver instead of the stack's.
    pub(crate) async fn new(platform: Platform, receiver: Option<&str>) -> Self {
        let stack = TestStack::start(&[], &[]).await;
        let own = format!("{}{}/NotificationUrl", stack.stack.endpoint(), Receivers::PATH);
        let queue = json!({ "QueueName": "notifications-dlq" });
        let dead_letters = stack.stack.sqs().call("GetQueueUrl", queue).await.unwrap();
        Self {
            dead_letters: dead_letters["QueueUrl"].as_str().unwrap().to_owned(),
            platform,
            receiver: receiver.map_or(own, str::to_owned),
            copies: Copies::start().await,
            stack,
        }
    }

    pub(crate) fn environment(&self) -> Vec<(&'static str, String)> {
        let stack = &self.stack.stack;
        let queue = match self.platform {
            Platform::PubSub => String::new(),
            Platform::CloudTasks => self.copies.tasks(),
            Platform::AzureFunctions => self.copies.storage_queue(),
        };
        let by_platform = if self.platform == Platform::AzureFunctions {
            ""
        } else {
            "true"
        };
        let texts = [
            ("PUSH_PLATFORM", self.platform.name()),
            ("LISTEN_ADDRESS", "127.0.0.1:0"),
            ("AUTHENTICATED_BY_PLATFORM", by_platform),
            ("AWS_ACCESS_KEY_ID", "local"),
            ("AWS_SECRET_ACCESS_KEY", "local"),
            ("AWS_ENDPOINT_URL", stack.endpoint()),
            ("AZURE_STORAGE_CONNECTION_STRING", "UseDevelopmentStorage=true"),
            ("IDEMPOTENCY_TABLE", "idempotency"),
            ("REQUEST_TIMEOUT_SECONDS", "10"),
            ("LOG_MESSAGES", "true"),
            ("NOTIFICATION_URL", &self.receiver),
        ];
        let mut environment: Vec<_> = texts.map(|(name, value)| (name, value.to_owned())).into();
        environment.push(("AWS_REGION", stack.region()));
        environment.push(("QUEUE_URL", queue));
        environment.push(("DEAD_LETTER_QUEUE_URL", self.dead_letters.clone()));
        environment
    }

    pub(crate) async fn start(&self) -> Process {
        self.start_with(&[]).await
    }

    /// With these settings instead of, or besides, those of the surroundings.
    pub(crate) async fn start_with(&self, settings: &[(&str, &str)]) -> Process {
        let mut child = Command::new(PROGRAM)
            .env_clear()
            .envs(self.environment())
            .envs(settings.iter().copied())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut log = BufReader::new(child.stdout.take().unwrap()).lines();
        let address = loop {
            let line = timeout(PATIENCE, log.next_line()).await.unwrap().unwrap();
            let line = line.unwrap_or_else(|| panic!("{:?} ended", self.platform));
            if let Some((_, rest)) = line.split_once("messages are taken at http://") {
                break rest.split('/').next().unwrap().to_owned();
            }
        };
        Process {
            platform: self.platform,
            child,
            log,
            address,
        }
    }
}

impl Process {
    /// The status of the answer to a message. `None`: the connection ended without one.
    pub(crate) async fn deliver(&self, id: &str, nth: u32, body: &str) -> Option<u16> {
        self.begin(id, nth, body).await.answer().await
    }

    /// Sends a message, whose answer is awaited later.
    pub(crate) async fn begin(&self, id: &str, nth: u32, body: &str) -> Delivery {
        let (headers, body) = self.platform.request(id, nth, body);
        let mut connection = timeout(PATIENCE, TcpStream::connect(&self.address))
            .await
            .unwrap()
            .unwrap();
        let headers: String = headers
            .iter()
            .map(|(name, value)| format!("{name}: {value}\r\n"))
            .collect();
        let (address, length) = (&self.address, body.len());
        let request = format!(
            "POST /notify HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n{headers}content-length: {length}\r\n\r\n{body}"
        );
        connection.write_all(request.as_bytes()).await.unwrap();
        Delivery(connection)
    }

    /// SIGKILL.
    pub(crate) async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }

    /// SIGTERM.
    pub(crate) async fn terminate(&self) {
        let id = self.child.id().unwrap().to_string();
        let sent = Command::new("kill").args(["-TERM", &id]).status().await.unwrap();
        assert!(sent.success());
    }

    /// The exit code, and what was logged until then.
    pub(crate) async fn ends(mut self) -> (Option<i32>, String) {
        let mut log = String::new();
        while let Some(line) = timeout(PATIENCE, self.log.next_line()).await.unwrap().unwrap() {
            log += &line;
            log += "\n";
        }
        (timeout(PATIENCE, self.child.wait()).await.unwrap().unwrap().code(), log)
    }
}

pub(crate) struct Delivery(TcpStream);

impl Delivery {
    pub(crate) async fn answer(mut self) -> Option<u16> {
        let mut answer = String::new();
        let read = timeout(PATIENCE, self.0.read_to_string(&mut answer)).await.unwrap();
        if read.is_err() || answer.is_empty() {
            return None;
        }
        answer.strip_prefix("HTTP/1.1 ").unwrap()[..3].parse().ok()
    }
}
