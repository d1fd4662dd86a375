//! The demo as it runs: what was sent, what is made to go wrong, and what is to be seen.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use idempotency::Key;
use local::Stack;
use local::dynamodb::{Fault, FaultKind, Reply};
use local::lambda::Event;
use local::sqs::QueuedMessage;
use serde_json::{Value, json};

use super::cast::{Fate, KILLED_AT, SAMPLES, STOCK, Sample};
use crate::send::{self, Message, Queue};

/// How often the transaction of each record was committed, by the record's ID.
type Commits = Arc<Mutex<BTreeMap<String, u32>>>;

pub(super) struct Stage<'a> {
    stack: &'a Stack,
    samples: Vec<(&'static Sample, Vec<Message>)>,
    /// The order at whose commit the function is killed.
    victim: String,
    sent: Vec<Sent>,
    commits: Commits,
    /// The message IDs of each batch whose process was killed.
    killed_batches: Vec<Vec<String>>,
    /// What the functions' lines of metrics add up to.
    counted: BTreeMap<&'static str, u64>,
}

/// The outcomes of deliveries, as the functions count them.
const OUTCOMES: [&str; 6] = ["Done", "Duplicate", "InProgress", "Failed", "Rejected", "NotStarted"];

/// A message that was sent.
pub(super) struct Sent {
    pub(super) id: String,
    pub(super) queue: &'static str,
    pub(super) file: &'static str,
    pub(super) fate: Fate,
    pub(super) doubled: bool,
    pub(super) body: Value,
}

/// What is to be seen of a message.
pub(super) struct Seen<'a> {
    pub(super) sent: &'a Sent,
    pub(super) deliveries: u32,
    /// How many of its batches were killed.
    pub(super) killed: usize,
    /// The record's status, if there is a record.
    pub(super) status: Option<String>,
    /// Why it was rejected, as its dead letter says.
    pub(super) reason: Option<String>,
    /// How often its effect happened.
    pub(super) effects: u32,
    pub(super) place: Place,
}

/// Where a message ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Acknowledged,
    InQueue,
    DeadLettered,
}

/// All that is to be seen in the end.
pub(super) struct Scene<'a> {
    pub(super) messages: Vec<Seen<'a>>,
    /// Of how many messages the batch was whose function was killed in its middle; 0 if there was none.
    pub(super) killed: usize,
    /// Whether the receiver refused a notification.
    pub(super) refused: bool,
    pub(super) orders: Vec<Value>,
    pub(super) customers: Vec<Value>,
    pub(super) stock: Vec<Value>,
    /// How often each order's confirmation was accepted by the receiver.
    pub(super) confirmations: BTreeMap<String, u32>,
    pub(super) counted: BTreeMap<&'static str, u64>,
}

impl<'a> Stage<'a> {
    /// Reads the samples, and makes things go wrong before they begin.
    pub(super) fn set(stack: &'a Stack, events: &Path) -> Result<Self, String> {
        stack.receiver().refuse_next(503, Some(1));
        // So that a message's second delivery meets the first one at work.
        stack.receiver().set_pace(Duration::from_millis(200));
        let read = |sample: &'static Sample| Ok((sample, send::read(&events.join(sample.file))?));
        let samples = SAMPLES.iter().map(read).collect::<Result<Vec<_>, String>>()?;
        // One from the middle: of its batch, some messages are done by then, and others are not.
        let killed = samples.iter().find(|(sample, _)| sample.file == KILLED_AT);
        let victim = killed.and_then(|(_, messages)| messages.get(messages.len() / 2));
        let stage = Self {
            stack,
            victim: victim.map(|message| text(&body(message), "id")).unwrap_or_default(),
            samples,
            sent: Vec::new(),
            commits: Commits::default(),
            killed_batches: Vec::new(),
            counted: BTreeMap::new(),
        };
        stage.fill_stock()?;
        stage.watch_commits();
        Ok(stage)
    }

    fn fill_stock(&self) -> Result<(), String> {
        for (sku, stock) in STOCK {
            let item = json!({ "id": { "S": sku }, "stock": { "N": stock.to_string() } });
            let put = json!({ "TableName": "stock", "Item": item });
            if let Reply::Answer(Err(error)) = self.stack.dynamodb().call("PutItem", put) {
                return Err(format!("the stock can't be filled: {error:?}"));
            }
        }
        Ok(())
    }

    /// Sends all samples, each file as one batch.
    pub(super) async fn send(&mut self) -> Result<(), String> {
        for (sample, messages) in &self.samples {
            let queue = Queue::find(self.stack.endpoint(), sample.queue).await?;
            if sample.doubled {
                let count = messages.len().try_into().unwrap_or(u32::MAX);
                self.stack.sqs().deliver_twice(sample.queue, count);
            }
            let ids = queue.send(messages).await?;
            let sent = ids.into_iter().zip(messages);
            self.sent
                .extend(sent.map(|(id, message)| Sent::new(id, sample, message)));
        }
        Ok(())
    }

    /// Counts committed transactions; when the victim's is, its process is killed between the commit and its reply.
    fn watch_commits(&self) {
        let (commits, lambda) = (Arc::clone(&self.commits), Arc::clone(self.stack.lambda()));
        let mut victim = Some(self.victim.clone());
        let count = move |request: &Value, answer: &Result<Value, local::ApiError>| {
            let id = |at: usize| request["TransactItems"][at]["Put"]["Item"]["id"]["S"].as_str();
            let Some(record) = id(0).filter(|_| answer.is_ok()) else {
                return;
            };
            let mut commits = commits.lock().unwrap_or_else(PoisonError::into_inner);
            *commits.entry(record.to_owned()).or_default() += 1;
            if id(1).is_some() && id(1) == victim.as_deref() {
                victim = None;
                lambda.kill("place-order");
            }
        };
        self.stack.dynamodb().inject(Fault {
            operation: "TransactWriteItems".to_owned(),
            containing: None,
            times: u32::MAX,
            kind: FaultKind::AfterApply(Box::new(count)),
        });
    }

    pub(super) fn note(&mut self, event: &Event) {
        if let Event::BatchFinished {
            messages,
            whole_batch: Some(reason),
            ..
        } = event
            && reason.ends_with("signal: killed")
        {
            self.killed_batches.push(messages.clone());
        }
        if let Event::Log { line, .. } = event
            && let Ok(metrics) = serde_json::from_str::<Value>(line)
            && metrics.get("_aws").is_some()
        {
            for outcome in OUTCOMES {
                *self.counted.entry(outcome).or_default() += metrics[outcome].as_u64().unwrap_or_default();
            }
        }
    }

    /// Whether every message has come to its end.
    pub(super) fn is_settled(&self) -> bool {
        self.left().is_empty()
    }

    /// The IDs of the messages that are in their queues.
    pub(super) fn left(&self) -> BTreeSet<String> {
        let queues: BTreeSet<_> = self.samples.iter().map(|(sample, _)| sample.queue).collect();
        let messages = queues.iter().flat_map(|queue| self.stack.sqs().peek(queue));
        messages.map(|message| message.message_id).collect()
    }

    pub(super) fn look(&self) -> Scene<'_> {
        let records: BTreeMap<_, _> = self
            .stack
            .dynamodb()
            .scan("idempotency")
            .into_iter()
            .map(|item| (attribute(&item, "id"), item))
            .collect();
        let notifications = self.stack.receiver().notifications();
        let messages = self.sent.iter().map(|sent| {
            let key = sent.key();
            let record = key.as_ref().and_then(|key| records.get(key.record_id()));
            let committed = self.commits.lock().unwrap_or_else(PoisonError::into_inner);
            let commits = key.as_ref().and_then(|key| committed.get(key.record_id())).copied();
            let accepted = key.and_then(|key| notifications.get(&key.token()).map(|notified| notified.accepted));
            let letter = self.dead_letter(sent);
            Seen {
                sent,
                deliveries: self.stack.sqs().deliveries(&sent.id),
                killed: self
                    .killed_batches
                    .iter()
                    .filter(|batch| batch.contains(&sent.id))
                    .count(),
                status: record.map(|record| attribute(record, "status")),
                reason: letter.and_then(|mut letter| letter.attributes.remove("FailureReason")),
                effects: commits.or(accepted).unwrap_or_default(),
                place: self.place(sent),
            }
        });
        Scene {
            messages: messages.collect(),
            killed: self.killed_batch(),
            refused: notifications
                .values()
                .any(|notified| notified.requests > notified.accepted),
            orders: self.stack.dynamodb().scan("orders"),
            customers: self.stack.dynamodb().scan("customers"),
            stock: self.stack.dynamodb().scan("stock"),
            confirmations: self.confirmations(),
            counted: self.counted.clone(),
        }
    }

    fn confirmations(&self) -> BTreeMap<String, u32> {
        let notifications = self.stack.receiver().notifications();
        let accepted = |order: &Value| {
            let order = attribute(order, "id");
            let key = Key::new("send-notification", &format!("confirmation of order {order}")).ok()?;
            let accepted = notifications.get(&key.token()).map_or(0, |notified| notified.accepted);
            Some((order, accepted))
        };
        let orders = self.stack.dynamodb().scan("orders");
        orders.iter().filter_map(accepted).collect()
    }

    fn killed_batch(&self) -> usize {
        let victim = self.sent.iter().find(|sent| sent.subject() == self.victim);
        let with_victim = |batch: &&Vec<String>| victim.is_some_and(|victim| batch.contains(&victim.id));
        self.killed_batches.iter().find(with_victim).map_or(0, Vec::len)
    }

    fn place(&self, sent: &Sent) -> Place {
        let queue = self.stack.sqs().peek(sent.queue);
        if queue.iter().any(|message| message.message_id == sent.id) {
            Place::InQueue
        } else if self.dead_letter(sent).is_some() {
            Place::DeadLettered
        } else {
            Place::Acknowledged
        }
    }

    /// What became of it in the dead-letter queue: there it is a new message, and tells its ID.
    fn dead_letter(&self, sent: &Sent) -> Option<QueuedMessage> {
        let letters = self.stack.sqs().peek(&sent.dead_letter_queue()).into_iter();
        let mut mine = letters.filter(|letter| letter.attributes.get("OriginalMessageId") == Some(&sent.id));
        mine.next()
    }
}

impl Sent {
    fn new(id: String, sample: &Sample, message: &Message) -> Self {
        let Sample {
            queue,
            file,
            fate,
            doubled,
        } = *sample;
        Self {
            id,
            queue,
            file,
            fate,
            doubled,
            body: body(message),
        }
    }

    /// The key under which its function records it.
    fn key(&self) -> Option<Key> {
        let namespace = self.file.split('/').next().unwrap_or_default();
        let key = match namespace {
            // A reservation is known by what it is for.
            "reserve-stock" => format!(
                "{:?} for order {:?}",
                text(&self.body, "sku"),
                text(&self.body, "order")
            ),
            _ => self.id.clone(),
        };
        Key::new(namespace, &key).ok()
    }

    pub(super) fn dead_letter_queue(&self) -> String {
        match self.queue.strip_suffix(".fifo") {
            Some(name) => format!("{name}-dlq.fifo"),
            None => format!("{}-dlq", self.queue),
        }
    }

    /// What the message is about, in a word.
    pub(super) fn subject(&self) -> String {
        let named = |name| Some(text(&self.body, name)).filter(|value| !value.is_empty());
        named("id")
            .or_else(|| named("to"))
            .or_else(|| named("order"))
            .unwrap_or_else(|| "?".to_owned())
    }
}

fn body(message: &Message) -> Value {
    serde_json::from_str(&message.body).unwrap_or_default()
}

pub(super) fn text(value: &Value, name: &str) -> String {
    value[name].as_str().unwrap_or_default().to_owned()
}

/// A string or number of an item.
pub(super) fn attribute(item: &Value, name: &str) -> String {
    let value = &item[name];
    value["S"]
        .as_str()
        .or_else(|| value["N"].as_str())
        .unwrap_or_default()
        .to_owned()
}
