//! Azurite, and what tests do to it beside the code under test.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "all of this is tests"
)]
#![allow(dead_code, unused_imports, reason = "each test file uses a part")]

mod proxy;

use std::process::Command;
use std::time::{Duration, Instant};

use azure_queue::{AzureQueueReceipt, AzureQueueSource, AzureQueueUrl, AzureQueues, Credentials};
use consumer::{Incoming, QueueMessage, Source, Verdict};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

pub(crate) use proxy::Proxy;

/// A queue that no other test uses, with its queue for dead letters.
pub(crate) struct Azurite {
    /// The URL of the account.
    account: String,
    sas: String,
    pub(crate) queue: String,
}

/// The server of `AZURITE_TEST_URL` with a new queue, unless the test is to be skipped because there is no server.
pub(crate) async fn azurite() -> Option<Azurite> {
    let Ok(account) = std::env::var("AZURITE_TEST_URL") else {
        println!("skipped: AZURITE_TEST_URL is not set");
        return None;
    };
    let azurite = Azurite {
        account,
        sas: std::env::var("AZURITE_TEST_SAS").unwrap(),
        queue: format!("t-{:016x}", fastrand::u64(..)),
    };
    for queue in [azurite.queue.clone(), format!("{}-poison", azurite.queue)] {
        assert!(azurite.request("PUT", &queue, "").await.starts_with("HTTP/1.1 201"));
    }
    Some(azurite)
}

impl Azurite {
    /// The URL with further settings, such as `?window=3`.
    pub(crate) fn url(&self, settings: &str) -> String {
        format!("{}/{}{settings}", self.account, self.queue)
    }

    pub(crate) fn sas(&self) -> &str {
        &self.sas
    }

    /// The URL of a queue with this suffix.
    pub(crate) fn queue_with(&self, suffix: &str) -> String {
        self.url(suffix)
    }

    pub(crate) fn address(&self) -> &str {
        self.account.trim_start_matches("http://").split('/').next().unwrap()
    }

    pub(crate) fn queues(&self) -> AzureQueues {
        queues(&self.url(""))
    }

    pub(crate) async fn source(&self, settings: &str) -> AzureQueueSource {
        open(&self.url(settings)).await.unwrap()
    }

    /// How many messages a queue with this suffix holds, hidden ones included.
    pub(crate) async fn left(&self, suffix: &str) -> usize {
        let answer = self
            .request("GET", &format!("{}{suffix}", self.queue), "comp=metadata")
            .await;
        let count = answer.to_ascii_lowercase();
        let (_, count) = count.split_once("x-ms-approximate-messages-count: ").expect(&answer);
        count.lines().next().unwrap().trim().parse().unwrap()
    }

    /// Puts a text as it is, whatever it is.
    pub(crate) async fn put_raw(&self, text: &str) {
        let queue = format!("{}/messages", self.queue);
        let body = format!("<QueueMessage><MessageText>{text}</MessageText></QueueMessage>");
        let answer = self.request_with("POST", &queue, "", &body).await;
        assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
    }

    async fn request(&self, method: &str, path: &str, query: &str) -> String {
        self.request_with(method, path, query, "").await
    }

    async fn request_with(&self, method: &str, path: &str, query: &str, body: &str) -> String {
        let mut stream = TcpStream::connect(self.address()).await.unwrap();
        let (sas, length) = (&self.sas, body.len());
        let head = format!(
            "{method} /devstoreaccount1/{path}?{query}&{sas} HTTP/1.1\r\nhost: {}",
            self.address()
        );
        let request = format!("{head}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }
}

pub(crate) fn queues(url: &str) -> AzureQueues {
    let url: AzureQueueUrl = url.parse().unwrap();
    let credentials = Credentials::from_env(&url).unwrap();
    AzureQueues::new(&url, credentials)
}

pub(crate) async fn open(url: &str) -> Result<AzureQueueSource, consumer::SourceError> {
    let parsed: AzureQueueUrl = url.parse().unwrap();
    let dead_letters = parsed.dead_letter_queue();
    AzureQueueSource::open(&queues(url), parsed, dead_letters).await
}

/// `stop`s or `start`s the server.
pub(crate) fn server(action: &str) {
    let program = std::env::var("AZURITE_TEST_SERVER").unwrap();
    assert!(
        Command::new(program).arg(action).status().unwrap().success(),
        "{action}"
    );
}

pub(crate) fn message(body: &str, id: &str) -> QueueMessage {
    QueueMessage {
        body: body.to_owned(),
        attributes: [].into(),
        group: None,
        deduplication_id: Some(id.to_owned()),
        trace_header: None,
    }
}

pub(crate) type Received = Vec<(Incoming, AzureQueueReceipt)>;

/// Receives until there are this many messages. A receive may fail.
pub(crate) async fn receive(source: &AzureQueueSource, count: usize) -> Received {
    let end = Instant::now() + Duration::from_secs(60);
    let mut received = Vec::new();
    while received.len() < count {
        received.extend(source.receive(count - received.len()).await.unwrap_or_default());
        assert!(Instant::now() < end, "{} messages instead of {count}", received.len());
    }
    received
}

pub(crate) async fn settle(
    source: &AzureQueueSource,
    receipt: AzureQueueReceipt,
    verdict: Verdict,
) -> Result<(), consumer::SourceError> {
    source.settle(&mut [(receipt, verdict)]).await.remove(0)
}

/// An error with its cause.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {}", chain(source)),
        None => error.to_string(),
    }
}
