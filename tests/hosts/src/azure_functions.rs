//! A stand-in for the Functions host with a queue trigger and a custom handler
//! ([custom handlers](https://learn.microsoft.com/azure/azure-functions/functions-custom-handlers)).

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::{HeaderMap, HeaderValue};
use serde_json::{Map, Value, json};
use tokio::task::JoinHandle;

use crate::Failed;
use crate::driver::Driver;
use crate::http::Door;
use crate::storage_queue::{Fields, StorageQueue, decoded};

/// The defaults of `host.json`
/// ([queues](https://learn.microsoft.com/azure/azure-functions/functions-bindings-storage-queue#host-json)):
/// messages of one fetch, how few of them are in process at the next fetch, and how often one is tried.
const BATCH_SIZE: usize = 16;
const NEW_BATCH_THRESHOLD: usize = 8;
const MAX_DEQUEUE_COUNT: u32 = 5;

/// How long a fetched message is hidden: ten minutes. The host extends that at half time, which no message here reaches.
const HIDDEN: &str = "visibilitytimeout=600";

/// The shortest delay of its polls.
const POLL: Duration = Duration::from_millis(100);

/// A Storage Queue whose messages the host passes to a process.
pub(crate) struct AzureFunctions {
    queue: StorageQueue,
    host: Host,
    polling: JoinHandle<()>,
}

#[derive(Clone)]
struct Host {
    queue: StorageQueue,
    door: Door,
    in_process: Arc<AtomicUsize>,
    /// What the process or the service did wrong.
    fault: Arc<Mutex<Option<String>>>,
}

impl AzureFunctions {
    pub(crate) async fn new() -> Result<Self, Failed> {
        let queue = StorageQueue::new(0).await?;
        let host = Host {
            queue: queue.clone(),
            door: Door::default(),
            in_process: Arc::default(),
            fault: Arc::default(),
        };
        let polling = tokio::spawn(host.clone().poll());
        Ok(Self { queue, host, polling })
    }
}

impl Host {
    async fn poll(self) {
        loop {
            if self.in_process.load(Ordering::SeqCst) <= NEW_BATCH_THRESHOLD {
                match self.queue.messages("", BATCH_SIZE, HIDDEN).await {
                    Ok(messages) => messages.into_iter().for_each(|message| self.begin(message)),
                    Err(error) => self.note(error.to_string()),
                }
            }
            tokio::time::sleep(POLL).await;
        }
    }

    fn begin(&self, message: Fields) {
        let host = self.clone();
        host.in_process.fetch_add(1, Ordering::SeqCst);
        tokio::spawn(async move {
            if let Err(error) = host.process(message).await {
                host.note(error.to_string());
            }
            host.in_process.fetch_sub(1, Ordering::SeqCst);
        });
    }

    async fn process(&self, message: Fields) -> Result<(), Failed> {
        let body = invocation(&message)?.to_string().into_bytes();
        let headers =
            HeaderMap::from_iter([(http::header::CONTENT_TYPE, HeaderValue::from_static("application/json"))]);
        match self.door.post(&headers, body).await {
            Ok(answer) if answer.status().is_success() => {
                match serde_json::from_slice::<Map<String, Value>>(answer.body()) {
                    Ok(_) => self.queue.delete(&message).await,
                    Err(_) => Err(format!("{} without a JSON object: the host waits for ever", answer.status()).into()),
                }
            }
            _ if message["DequeueCount"].parse::<u32>()? < MAX_DEQUEUE_COUNT => self.queue.show(&message).await,
            _ => {
                self.queue.put("-poison", &message["MessageText"]).await?;
                self.queue.delete(&message).await
            }
        }
    }

    fn note(&self, fault: String) {
        self.fault
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get_or_insert(fault);
    }
}

/// The request of a message. The host adds the properties of a JSON body to the metadata, where they replace others
/// ([`Utility.ApplyBindingData`](https://github.com/Azure/azure-functions-host/blob/dev/src/WebJobs.Script/Utility.cs)).
fn invocation(message: &Fields) -> Result<Value, Failed> {
    let body = decoded(message)?;
    let mut metadata = json!({
        "DequeueCount": message["DequeueCount"],
        "Id": message["MessageId"],
        "PopReceipt": message["PopReceipt"],
        "sys": { "MethodName": "notify", "UtcNow": "2026-01-31T12:00:00Z", "RandGuid": "3bb8a0c4-0c0c-4a5e-9a4f-2f9f3e0b6a35" },
    });
    let properties: Map<String, Value> = serde_json::from_str(&body).unwrap_or_default();
    for (name, value) in properties {
        let mut known = ["DequeueCount", "Id", "PopReceipt"].into_iter();
        let known = known.find(|known| known.eq_ignore_ascii_case(&name));
        metadata[known.unwrap_or(&name)] = value;
    }
    Ok(json!({ "Data": { "notification": body }, "Metadata": metadata }))
}

impl Driver for AzureFunctions {
    fn environment(&self) -> Vec<(&'static str, String)> {
        vec![
            ("PUSH_PLATFORM", "azure-functions".to_owned()),
            ("QUEUE_URL", self.queue.url()),
            self.queue.confirmations_setting(),
        ]
    }

    fn set_addresses(&self, addresses: Vec<String>) {
        self.host.door.set(addresses);
    }

    fn lose_answer(&self) {
        self.host.door.lose();
    }

    fn lost_answers(&self) -> usize {
        self.host.door.lost()
    }

    async fn send(&mut self, id: &str, body: &str) -> Result<String, Failed> {
        self.queue.send(id, body).await
    }

    async fn repeat(&mut self) -> Result<(), Failed> {
        self.queue.repeat().await
    }

    async fn left(&self) -> Result<usize, Failed> {
        let fault = self.host.fault.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match fault {
            Some(fault) => Err(fault.into()),
            None => self.queue.left().await,
        }
    }

    async fn dead_letters(&self) -> Result<Vec<String>, Failed> {
        self.queue.dead_letters().await
    }

    async fn confirmations(&self) -> Result<Vec<(String, String)>, Failed> {
        self.queue.confirmations().await
    }

    async fn close(&self) -> Result<(), Failed> {
        self.polling.abort();
        self.queue.close().await
    }
}
