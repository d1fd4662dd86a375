//! A handler that does what the message's body says, and events to feed it.
#![allow(dead_code, unreachable_pub, reason = "each test file uses its part")]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_sdk_dynamodb::types::{AttributeValue, Put};
use batch::{Budget, Delivery, Failure, Handler, MemoryQueues, Mode, Services, SqsEvent};
use idempotency::{Completion, Key, MemoryLedger, Refusal, Timestamp, Write};
use serde::{Deserialize, Serialize};
use serde_json::json;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Deed {
    Succeed,
    /// Succeeds with a write, whose refusal means that the effect is there already.
    Write,
    /// Succeeds with a write, whose refusal is permanent.
    WriteOnce,
    /// Succeeds with a write, whose refusal is read by a closure that panics.
    WriteBadly,
    Retry,
    Permanent,
    Panic,
    /// Panics while its body is decoded.
    PanicInDecoding(Bomb),
    Hang,
    TakeASecond,
}

/// Goes off when it is decoded, as a careless `Deserialize` may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Bomb;

impl<'de> Deserialize<'de> for Bomb {
    fn deserialize<D: serde::Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        panic!("while decoding")
    }
}

/// Does the deed; `ONE_STEP` says in which mode.
#[derive(Default)]
pub struct Scripted<const ONE_STEP: bool> {
    /// IDs of the messages that were handled, in order of their start.
    pub handled: Mutex<Vec<String>>,
    pub running: AtomicUsize,
    pub most_running: AtomicUsize,
}

impl<const ONE_STEP: bool> Scripted<ONE_STEP> {
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    pub fn handled(&self) -> Vec<String> {
        self.handled.lock().unwrap().clone()
    }
}

impl<const ONE_STEP: bool> Handler for Scripted<ONE_STEP> {
    type Message = Deed;
    const NAMESPACE: &'static str = "scripted";
    const MODE: Mode = if ONE_STEP {
        Mode::OneStep
    } else {
        Mode::ClaimThenComplete
    };

    async fn handle(&self, deed: Deed, delivery: &Delivery) -> Result<Completion, Failure> {
        self.handled.lock().unwrap().push(delivery.message_id().to_owned());
        let running = self.running.fetch_add(1, Ordering::SeqCst) + 1;
        self.most_running.fetch_max(running, Ordering::SeqCst);
        let done = perform(deed).await;
        self.running.fetch_sub(1, Ordering::SeqCst);
        done
    }
}

async fn perform(deed: Deed) -> Result<Completion, Failure> {
    match deed {
        Deed::Succeed => {}
        Deed::Write => return Ok(Completion::new().write(write(Refusal::AlreadyDone))),
        Deed::WriteOnce => return Ok(Completion::new().write(write(Refusal::Permanent("there is another".to_owned())))),
        Deed::WriteBadly => {
            return Ok(Completion::new().write(put().if_refused(|there| panic!("while reading {there:?}"))));
        }
        Deed::PanicInDecoding(_) => unreachable!("it went off before"),
        Deed::Retry => return Err(Failure::retry("not today")),
        Deed::Permanent => return Err(Failure::permanent("not ever")),
        Deed::Panic => panic!("at the disco"),
        Deed::Hang => std::future::pending().await,
        Deed::TakeASecond => tokio::time::sleep(Duration::from_secs(1)).await,
    }
    Ok(Completion::new())
}

fn write(refused: Refusal) -> Write {
    put().if_refused(move |_| refused.clone())
}

fn put() -> Write {
    let put = Put::builder()
        .table_name("effects")
        .item("id", AttributeValue::S("effect".to_owned()))
        .build()
        .unwrap();
    Write::put(put)
}

pub const STANDARD: &str = "arn:aws:sqs:eu-west-1:000000000000:work";
pub const FIFO: &str = "arn:aws:sqs:eu-west-1:000000000000:work.fifo";

/// An event of messages that are each an ID, a group and a body.
pub fn event<'a>(queue: &str, messages: impl IntoIterator<Item = (&'a str, &'a str, String)>) -> SqsEvent {
    let records: Vec<_> = messages
        .into_iter()
        .map(|(id, group, body)| {
            json!({
                "messageId": id,
                "body": body,
                "attributes": {"ApproximateReceiveCount": "1", "MessageGroupId": group},
                "eventSourceARN": queue,
            })
        })
        .collect();
    serde_json::from_value(json!({ "Records": records })).unwrap()
}

/// An event of a standard queue, a deed a message.
pub fn deeds<'a>(messages: impl IntoIterator<Item = (&'a str, Deed)>) -> SqsEvent {
    event(STANDARD, messages.into_iter().map(|(id, deed)| (id, id, body(deed))))
}

pub fn body(deed: Deed) -> String {
    serde_json::to_string(&deed).unwrap()
}

pub const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

/// Ten seconds: handlers have 7.5 of them, and leases last eleven.
pub fn ten_seconds() -> Budget {
    Budget::new(NOW, NOW.plus(Duration::from_secs(10)))
}

pub fn key(message_id: &str) -> Key {
    Key::new("scripted", message_id).unwrap()
}

pub type Memory = Services<MemoryLedger, MemoryQueues>;

/// Runs the event and gives back the IDs in the response.
pub async fn failed<H: Handler>(handler: &Arc<H>, services: &Memory, event: SqsEvent) -> Vec<String> {
    failed_within(&ten_seconds(), handler, services, event).await
}

pub async fn failed_within<H: Handler>(
    budget: &Budget,
    handler: &Arc<H>,
    services: &Memory,
    event: SqsEvent,
) -> Vec<String> {
    let report = batch::run(handler, services, event, budget).await.unwrap();
    let failures = report.response.batch_item_failures.into_iter();
    failures.map(|failure| failure.item_identifier).collect()
}
