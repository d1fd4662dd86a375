//! The demo as it runs: what was sent, what is made to go wrong, and what is to be seen.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use idempotency::Key;
use local::Stack;
use local::dynamodb::{Fault, FaultKind};
use local::lambda::Event;
use local::sqs::QueuedMessage;
use serde_json::Value;

use super::cast::{Fate, KILLED_AT, SAMPLES, Sample};
use crate::send::{self, Message};

/// How often the transaction of each record was committed, by the record's ID.
type Commits = Arc<Mutex<BTreeMap<String, u32>>>;

pub(super) struct Stage<'a> {
    stack: &'a Stack,
    sent: Vec<Sent>,
    commits: Commits,
    kills: usize,
}

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
    /// The record's status, if there is a record.
    pub(super) status: Option<String>,
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
    /// How often a process was killed in the middle of a batch.
    pub(super) kills: usize,
    /// How often a request for one notification was refused, at most.
    pub(super) notified_again: bool,
    pub(super) orders: Vec<Value>,
    pub(super) customers: Vec<Value>,
}

impl<'a> Stage<'a> {
    /// Makes things go wrong before they begin.
    pub(super) fn set(stack: &'a Stack) -> Self {
        stack.receiver().refuse_next(503, Some(1));
        Self {
            stack,
            sent: Vec::new(),
            commits: Commits::default(),
            kills: 0,
        }
    }

    /// Sends all samples.
    pub(super) async fn send(&mut self, events: &Path) -> Result<(), Box<dyn std::error::Error>> {
        let client = local::sqs_client(self.stack.endpoint()).await;
        let samples: Vec<_> = SAMPLES
            .iter()
            .map(|sample| Ok((sample, send::read(&events.join(sample.file))?)))
            .collect::<Result<_, String>>()?;
        let victim = samples
            .iter()
            .find(|(sample, _)| sample.file == KILLED_AT)
            .and_then(|(_, found)| found.last());
        self.watch_commits(victim.map(|message| text(&body(message), "id")).unwrap_or_default());
        for (sample, messages) in samples {
            let url = format!("{}/000000000000/{}", self.stack.endpoint(), sample.queue);
            for message in messages {
                if sample.doubled {
                    self.stack.sqs().deliver_twice(sample.queue, 1);
                }
                let id = send::send(&client, &url, &message).await.map_err(Box::new)?;
                self.sent.push(Sent::new(id, sample, &message));
            }
        }
        Ok(())
    }

    /// Counts committed transactions; when `victim`'s is, its process is killed between the commit and its reply.
    fn watch_commits(&self, victim: String) {
        let (commits, lambda) = (Arc::clone(&self.commits), Arc::clone(self.stack.lambda()));
        let mut victim = Some(victim);
        let count = move |request: &Value, answer: &Result<Value, local::ApiError>| {
            let Some(record) = request["TransactItems"][0]["Put"]["Item"]["id"]["S"]
                .as_str()
                .filter(|_| answer.is_ok())
            else {
                return;
            };
            *commits
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .entry(record.to_owned())
                .or_default() += 1;
            let order = request["TransactItems"][1]["Put"]["Item"]["id"]["S"].as_str();
            if order.is_some() && order == victim.as_deref() {
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
        if matches!(event, Event::InvocationKilled { .. }) {
            self.kills += 1;
        }
    }

    /// Whether every message has come to its end.
    pub(super) fn is_settled(&self) -> bool {
        let queues: std::collections::BTreeSet<_> = self.sent.iter().map(|sent| sent.queue).collect();
        queues.iter().all(|queue| self.stack.sqs().peek(queue).is_empty())
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
            Seen {
                sent,
                deliveries: self.stack.sqs().deliveries(&sent.id),
                status: record.map(|record| attribute(record, "status")),
                reason: record
                    .map(|record| attribute(record, "reason"))
                    .filter(|reason| !reason.is_empty()),
                effects: commits.or(accepted).unwrap_or_default(),
                place: self.place(sent),
            }
        });
        Scene {
            messages: messages.collect(),
            kills: self.kills,
            notified_again: notifications
                .values()
                .any(|notified| notified.requests > notified.accepted),
            orders: self.stack.dynamodb().scan("orders"),
            customers: self.stack.dynamodb().scan("customers"),
        }
    }

    fn place(&self, sent: &Sent) -> Place {
        let holds = |queue: &str| {
            self.stack
                .sqs()
                .peek(queue)
                .iter()
                .any(|message: &QueuedMessage| message.message_id == sent.id)
        };
        if holds(sent.queue) {
            Place::InQueue
        } else if holds(&format!("{}-dlq", sent.queue)) {
            Place::DeadLettered
        } else {
            Place::Acknowledged
        }
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
        Key::new(namespace, &self.id).ok()
    }

    /// What the message is about, in a word.
    pub(super) fn subject(&self) -> String {
        let named = |name| Some(text(&self.body, name)).filter(|value| !value.is_empty());
        named("id").or_else(|| named("to")).unwrap_or_else(|| "?".to_owned())
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
