//! Batches of messages for a scripted handler, and what their processing results in.

mod in_memory;

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use consumer::dead_letter::{FAILURE, ORIGINAL, Original, Rejection};
use consumer::{
    Attribute, Budget, Handler, Incoming, MemoryQueues, MessageId, QueueFault, QueueMessage, Report, Services, Verdict,
    process_batch,
};
use idempotency::{Fault, Key, MemoryStore, Status, Timestamp};
use tokio::time::Instant;

pub(crate) use in_memory::{Claiming, Effect, InMemory, LABELS, MAIL, Natural, OneStep, Scripted, perform};
pub(crate) use scripted::{Action, Kind, Panicking, Script, kind};

/// The bodies of the messages sent to a queue, in order.
pub(crate) fn bodies(services: &Memory, queue: &str) -> Vec<String> {
    services
        .queues()
        .sent(queue)
        .into_iter()
        .map(|message| message.body)
        .collect()
}

/// The text of a message's attribute.
pub(crate) fn text<'a>(message: &'a QueueMessage, attribute: &str) -> &'a str {
    message.attributes[attribute].string_value.as_deref().unwrap()
}

/// Why a dead letter was rejected.
pub(crate) fn rejection(dead_letter: &QueueMessage) -> Rejection {
    Rejection::from_json(text(dead_letter, FAILURE)).unwrap()
}

/// What a dead letter was before.
pub(crate) fn original(dead_letter: &QueueMessage) -> Original {
    Original::from_json(text(dead_letter, ORIGINAL)).unwrap()
}

/// A message of a batch.
#[derive(Debug, Clone)]
pub(crate) struct Message(pub(crate) Incoming);

impl Message {
    pub(crate) fn new(id: &str, body: impl Into<String>) -> Self {
        Self(Incoming::new(MessageId::new(id).unwrap(), body))
    }

    pub(crate) fn receives(mut self, count: u32) -> Self {
        self.0.receive_count = count;
        self
    }

    pub(crate) fn sent_at(mut self, at: Timestamp) -> Self {
        self.0.sent_at = Some(at);
        self
    }

    pub(crate) fn trace(mut self, header: &str) -> Self {
        self.0.trace_header = Some(header.to_owned());
        self
    }

    pub(crate) fn deduplication_id(mut self, id: &str) -> Self {
        self.0.deduplication_id = Some(id.to_owned());
        self
    }

    pub(crate) fn queue(mut self, arn: &str) -> Self {
        self.0.queue = Some(arn.to_owned());
        self
    }

    /// The dead letter of a message, as a queue delivers it after a redrive, with all its attributes.
    pub(crate) fn redriven(id: &str, dead_letter: QueueMessage) -> Self {
        let mut message = Self::new(id, dead_letter.body);
        message.0.attributes = dead_letter.attributes;
        message.0.group = dead_letter.group;
        message.0.deduplication_id = dead_letter.deduplication_id;
        message
    }

    pub(crate) fn group(mut self, group: &str) -> Self {
        self.0.group = Some(group.to_owned());
        self
    }

    pub(crate) fn attribute(self, name: &str, value: &str) -> Self {
        let value = Attribute {
            data_type: Some("String".to_owned()),
            string_value: Some(value.to_owned()),
            binary_value: None,
        };
        self.typed_attribute(name, value)
    }

    pub(crate) fn typed_attribute(mut self, name: &str, value: Attribute) -> Self {
        self.0.attributes.insert(name.to_owned(), value);
        self
    }
}

/// A batch as a host receives it.
#[derive(Debug, Clone)]
pub(crate) struct Batch {
    pub(crate) ordered: bool,
    pub(crate) messages: Vec<Incoming>,
}

pub(crate) fn batch_of(queue: Queue, messages: impl IntoIterator<Item = Message>) -> Batch {
    Batch {
        ordered: queue == FIFO,
        messages: messages.into_iter().map(|Message(message)| message).collect(),
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Queue {
    Standard,
    Fifo,
}

pub(crate) const STANDARD: Queue = Queue::Standard;
pub(crate) const FIFO: Queue = Queue::Fifo;

/// A batch of messages, each with ID, group and body.
pub(crate) fn batch<'a>(queue: Queue, messages: impl IntoIterator<Item = (&'a str, &'a str, String)>) -> Batch {
    let message = |(id, group, body): (&str, &str, String)| Message::new(id, body).group(group);
    batch_of(queue, messages.into_iter().map(message))
}

/// A batch of a standard queue, one action per message.
pub(crate) fn actions<'a>(messages: impl IntoIterator<Item = (&'a str, Action)>) -> Batch {
    batch(
        STANDARD,
        messages.into_iter().map(|(id, action)| (id, id, body(action))),
    )
}

pub(crate) fn body(action: Action) -> String {
    serde_json::to_string(&Script::new([action])).unwrap()
}

pub(crate) const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

/// Ten seconds, one of them reserved: handlers have seven, and leases last eleven.
pub(crate) fn ten_seconds() -> Budget {
    within(Duration::from_secs(10))
}

/// A budget of this time, a tenth of it reserved.
pub(crate) fn within(total: Duration) -> Budget {
    Budget::new(NOW, NOW.plus(total)).with_reserved(total / 10)
}

pub(crate) fn key(message_id: &str) -> Key {
    Key::new("scripted", message_id).unwrap()
}

/// Later than anything here is answered.
pub(crate) fn later() -> Instant {
    Instant::now() + Duration::from_secs(60)
}

/// Lets the ledger fail in this way, and answer no repetition: what happened stays unknown until the deadline.
pub(crate) fn ledger_fails(services: &Memory, fault: Fault<()>) {
    services.store().inject(fault.clone());
    if let Fault::Unreachable(status) | Fault::ReplyLost(status) = fault {
        services.store().inject(Fault::Hangs(status));
    }
}

/// The same of the queues.
pub(crate) fn queues_fail(services: &Memory, fault: QueueFault) {
    services.queues().inject(fault);
    if matches!(fault, QueueFault::NotSent | QueueFault::ReplyLost) {
        services.queues().inject(QueueFault::SendHangs);
    }
}

/// The dead-letter queue.
pub(crate) const DLQ: &str = "https://sqs.eu-west-1.amazonaws.com/000000000000/work-dlq";

pub(crate) fn with_dead_letter_queue() -> Memory {
    let store = MemoryStore::new().with_max_record_bytes(400 * 1024);
    Services::new(store, MemoryQueues::new()).with_dead_letter_queue(DLQ)
}

pub(crate) fn status(services: &Memory, id: &str) -> Option<Status> {
    services.store().record(&key(id)).map(|record| record.status)
}

pub(crate) fn reason(services: &Memory, id: &str) -> Option<String> {
    services.store().record(&key(id))?.reason
}

pub(crate) type Memory = Services<MemoryStore<Effect>, MemoryQueues>;

/// Processes the batch and returns the IDs of messages that stay in the queue, each once.
pub(crate) async fn failed<H: Handler<Write = Effect>>(
    handler: &Arc<H>,
    services: &Memory,
    batch: Batch,
) -> Vec<String> {
    failed_within(&ten_seconds(), handler, services, batch).await
}

pub(crate) async fn failed_within<H: Handler<Write = Effect>>(
    budget: &Budget,
    handler: &Arc<H>,
    services: &Memory,
    batch: Batch,
) -> Vec<String> {
    processed(budget, handler, services, batch).await.failed
}

/// The result of a batch.
pub(crate) struct Processed {
    /// The IDs of messages that stay in the queue, each once.
    pub(crate) failed: Vec<String>,
    /// For each of them, the delay in seconds. Without one, the queue's visibility timeout applies.
    pub(crate) hidden: BTreeMap<String, u64>,
}

pub(crate) async fn processed<H: Handler<Write = Effect>>(
    budget: &Budget,
    handler: &Arc<H>,
    services: &Memory,
    batch: Batch,
) -> Processed {
    let ids: Vec<_> = batch
        .messages
        .iter()
        .map(|message| message.id.as_str().to_owned())
        .collect();
    let started = Instant::now();
    let Report { verdicts, .. } = process_batch(handler, services, batch.messages, batch.ordered, budget).await;
    let now = NOW.plus(started.elapsed());
    assert_eq!(ids.len(), verdicts.len());
    let (mut failed, mut hidden, mut listed) = (Vec::new(), BTreeMap::new(), HashSet::new());
    for (id, verdict) in ids.into_iter().zip(verdicts) {
        let Verdict::Retry { at } = verdict else { continue };
        if let Some(at) = at {
            let seconds = u64::try_from(now.until(at).as_millis().div_ceil(1000)).unwrap();
            assert_eq!(
                *hidden.entry(id.clone()).or_insert(seconds),
                seconds,
                "copies have the same delay"
            );
        }
        if listed.insert(id.clone()) {
            failed.push(id);
        }
    }
    Processed { failed, hidden }
}
