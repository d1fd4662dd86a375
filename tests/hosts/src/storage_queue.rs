//! Storage Queue: a queue of its own for each case, in the Azurite of `AZURITE_TEST_URL`.

use std::collections::BTreeMap;
use std::sync::Arc;

use azure_queue::{AzureQueueUrl, AzureQueues, Credentials};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use consumer::{Incoming, MessageId, Queues, from_cloud_event};
use http::{HeaderMap, Method};
use workers::{Loss, Proxy};

use crate::driver::{CONFIRMATIONS, Driver};
use crate::http::call;
use crate::rabbitmq::message;
use crate::{Failed, key_of, reason_in, variable};

/// A queue and its queue for dead letters. Clones are the same ones.
#[derive(Clone)]
pub(crate) struct StorageQueue {
    /// Its URL, and that of the account's token.
    url: String,
    sas: String,
    /// ID and body of the last message.
    sent: (String, String),
    /// Between the processes and the service.
    proxy: Arc<Proxy>,
    /// How many seconds a message stays hidden whose process was killed, and how long a lease lasts.
    window: u32,
}

/// A message as the service returns it.
pub(crate) type Fields = BTreeMap<&'static str, String>;

const FIELDS: [&str; 4] = ["MessageId", "PopReceipt", "DequeueCount", "MessageText"];

/// The ends of the names of its queues: that of the messages, that of dead letters, that of confirmations.
const SUFFIXES: [&str; 3] = ["", POISON, OUTGOING];
const POISON: &str = "-poison";
const OUTGOING: &str = "-out";

impl StorageQueue {
    pub(crate) async fn new(window: u32) -> Result<Self, Failed> {
        let account = variable("AZURITE_TEST_URL")?;
        let queue = Self {
            url: format!("{account}/hosts-{:016x}", fastrand::u64(..)),
            sas: variable("AZURITE_TEST_SAS")?,
            sent: <(String, String)>::default(),
            proxy: Arc::new(Proxy::start(address(&account)).await?),
            window,
        };
        for suffix in SUFFIXES {
            queue.request(Method::PUT, suffix, "", "").await?;
        }
        Ok(queue)
    }

    /// Through the proxy.
    pub(crate) fn url(&self) -> String {
        self.url.replace(address(&self.url), &self.proxy.address.to_string())
    }

    pub(crate) fn confirmations_setting(&self) -> (&'static str, String) {
        (CONFIRMATIONS, format!("{}{OUTGOING}", self.url()))
    }

    /// The text of an answer, and the number of messages if its head states one.
    ///
    /// # Errors
    ///
    /// Also another status than 2xx.
    async fn request(&self, method: Method, path: &str, query: &str, text: &str) -> Result<(String, String), Failed> {
        let url = format!("{}{path}?{query}&{}", self.url, self.sas);
        let body = match text {
            "" => String::new(),
            text => format!("<QueueMessage><MessageText>{text}</MessageText></QueueMessage>"),
        };
        let answer = call(method, &url, &HeaderMap::new(), body.into_bytes()).await?;
        let text = String::from_utf8_lossy(answer.body()).into_owned();
        let head = |name: &str| {
            answer
                .headers()
                .get(name)
                .and_then(|value| value.to_str().ok())
                .unwrap_or_default()
        };
        match answer.status().is_success() {
            true => Ok((text, head("x-ms-approximate-messages-count").to_owned())),
            false => Err(format!("{path}?{query}: {} {text}", answer.status()).into()),
        }
    }

    /// Up to so many messages of a queue with this suffix. `how`: hidden for so long, or only looked at.
    pub(crate) async fn messages(&self, suffix: &str, count: usize, how: &str) -> Result<Vec<Fields>, Failed> {
        let query = format!("numofmessages={count}&{how}");
        let (list, _) = self
            .request(Method::GET, &format!("{suffix}/messages"), &query, "")
            .await?;
        let message = |message: &str| {
            let field = |name: &&'static str| {
                let (_, rest) = message.split_once(&format!("<{name}>"))?;
                Some((*name, rest.split('<').next()?.to_owned()))
            };
            FIELDS.iter().filter_map(field).collect()
        };
        Ok(list.split("<QueueMessage>").skip(1).map(message).collect())
    }

    /// Puts a text into the queue with this suffix.
    pub(crate) async fn put(&self, suffix: &str, text: &str) -> Result<(), Failed> {
        // Without an end.
        self.request(Method::POST, &format!("{suffix}/messages"), "messagettl=-1", text)
            .await
            .map(drop)
    }

    pub(crate) async fn delete(&self, message: &Fields) -> Result<(), Failed> {
        let (path, receipt) = path_and_receipt(message);
        self.request(Method::DELETE, &path, &receipt, "").await.map(drop)
    }

    /// Makes a received message visible.
    pub(crate) async fn show(&self, message: &Fields) -> Result<(), Failed> {
        let (path, receipt) = path_and_receipt(message);
        self.request(Method::PUT, &path, &format!("{receipt}&visibilitytimeout=0"), "")
            .await
            .map(drop)
    }
}

fn path_and_receipt(message: &Fields) -> (String, String) {
    let receipt = message["PopReceipt"]
        .replace('+', "%2B")
        .replace('/', "%2F")
        .replace('=', "%3D");
    (
        format!("/messages/{}", message["MessageId"]),
        format!("popreceipt={receipt}"),
    )
}

/// The text of a message, as the Functions host decodes it.
pub(crate) fn decoded(message: &Fields) -> Result<String, Failed> {
    Ok(String::from_utf8(BASE64_STANDARD.decode(&message["MessageText"])?)?)
}

/// The message in an envelope.
fn event(message: &Fields) -> Result<Incoming, Failed> {
    let id = MessageId::new(message["MessageId"].clone()).ok_or("a message without an ID")?;
    Ok(from_cloud_event(&Incoming::new(id, decoded(message)?))?)
}

/// Host and port in a URL.
fn address(url: &str) -> &str {
    url.split('/').nth(2).unwrap_or_default()
}

impl Driver for StorageQueue {
    fn environment(&self) -> Vec<(&'static str, String)> {
        let url = ("QUEUE_URL", format!("{}?window={}", self.url(), self.window));
        vec![url, self.confirmations_setting()]
    }

    async fn send(&mut self, id: &str, body: &str) -> Result<String, Failed> {
        self.sent = (id.to_owned(), body.to_owned());
        self.repeat().await?;
        Ok(id.to_owned())
    }

    fn lose_answer(&self) {
        let (request, done) = ("DELETE /", "HTTP/1.1 2");
        self.proxy.lose(Loss { request, done });
    }

    fn lost_answers(&self) -> usize {
        self.proxy.lost()
    }

    /// As a producer does whose reply was lost.
    async fn repeat(&mut self) -> Result<(), Failed> {
        let url: AzureQueueUrl = self.url.parse()?;
        let queues = AzureQueues::new(&url, Credentials::from_env(&url)?);
        Ok(queues.send(&self.url, &[message(&self.sent.0, &self.sent.1)]).await?)
    }

    async fn left(&self) -> Result<usize, Failed> {
        let (_, count) = self.request(Method::GET, "", "comp=metadata", "").await?;
        Ok(count.parse()?)
    }

    async fn dead_letters(&self) -> Result<Vec<String>, Failed> {
        let mut reasons = Vec::new();
        for message in self.messages(POISON, 32, "peekonly=true").await? {
            reasons.push(reason_in(event(&message)?.attributes));
        }
        Ok(reasons)
    }

    async fn confirmations(&self) -> Result<Vec<(String, String)>, Failed> {
        let mut confirmations = Vec::new();
        // Hidden until the queue is deleted, so that each request returns others.
        loop {
            let messages = self.messages(OUTGOING, 32, "visibilitytimeout=600").await?;
            for message in &messages {
                let event = event(message)?;
                confirmations.push((key_of(&event), event.body));
            }
            if messages.is_empty() {
                return Ok(confirmations);
            }
        }
    }

    async fn close(&self) -> Result<(), Failed> {
        for suffix in SUFFIXES {
            self.request(Method::DELETE, suffix, "", "").await?;
        }
        Ok(())
    }
}
