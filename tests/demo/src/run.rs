//! One run: the messages sent, and the faults injected.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use emulator::dynamodb::{Fault, FaultKind, Reply};
use emulator::lambda::Event;
use local::Stack;
use serde_json::{Value, json};

use crate::cases::{KILLED_AT, SAMPLES, STOCK, Sample};
use crate::sent::{Sent, body, text};
use local::messages::{self, Message, Queue};
use local::watch::plural;

/// How often the transaction of each record was committed, by the record's ID.
type Commits = Arc<Mutex<BTreeMap<String, u32>>>;

pub(crate) struct Run<'a> {
    pub(crate) stack: &'a Stack,
    samples: Vec<(&'static Sample, Vec<Message>)>,
    /// The order at whose commit the function is killed.
    pub(crate) victim: String,
    pub(crate) sent: Vec<Sent>,
    pub(crate) commits: Commits,
    /// The message IDs of each batch whose process was killed.
    pub(crate) killed_batches: Vec<Vec<String>>,
    /// How often each message was in a batch, by its ID; the functions' own messages are among them.
    pub(crate) delivered: BTreeMap<String, u64>,
    /// How many of these deliveries have no outcome, because their invocation failed as a whole.
    pub(crate) without_outcome: u64,
    /// The sums of the functions' metrics.
    pub(crate) counted: BTreeMap<&'static str, u64>,
}

/// The outcomes of deliveries, as the functions count them.
const OUTCOMES: [&str; 6] = ["Done", "Duplicate", "InProgress", "Failed", "Rejected", "NotStarted"];

/// The parameter with the URL that notifications are sent to.
pub(crate) const RECEIVER: &str = "NotificationUrl";

impl<'a> Run<'a> {
    /// Reads the samples and injects the faults.
    pub(crate) fn new(stack: &'a Stack, events: &Path) -> Result<Self, String> {
        let receiver = stack
            .receiver(RECEIVER)
            .ok_or_else(|| format!("the stack has no receiver {RECEIVER}"))?;
        receiver.refuse_next(503, Some(1));
        // So that a message's second delivery finds the first one in progress.
        receiver.set_pace(Duration::from_millis(200));
        let read = |sample: &'static Sample| Ok((sample, messages::read(&events.join(sample.file))?));
        let samples = SAMPLES.iter().map(read).collect::<Result<Vec<_>, String>>()?;
        // One from the middle: of its batch, some messages are done by then, and others are not.
        let killed = samples.iter().find(|(sample, _)| sample.file == KILLED_AT);
        let victim = killed.and_then(|(_, messages)| messages.get(messages.len() / 2));
        let run = Self {
            stack,
            victim: victim.map(|message| text(&body(message), "id")).unwrap_or_default(),
            samples,
            sent: Vec::new(),
            commits: Commits::default(),
            killed_batches: Vec::new(),
            delivered: BTreeMap::new(),
            without_outcome: 0,
            counted: BTreeMap::new(),
        };
        run.fill_stock()?;
        run.watch_commits();
        Ok(run)
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

    /// Sends all samples, each file as one batch. Orders are the last: their confirmations go to the queue of notifications, and
    /// the first message there is the one that is delivered twice.
    pub(crate) async fn send(&mut self) -> Result<(), String> {
        let (orders, others): (Vec<_>, Vec<_>) = self.samples.iter().partition(|(sample, _)| sample.queue == "orders");
        for (sample, messages) in others.into_iter().chain(orders) {
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
        let place = |sent: &Sent| self.samples.iter().position(|(sample, _)| sample.file == sent.file);
        self.sent.sort_by_key(place);
        Ok(())
    }

    /// Counts committed transactions; when the victim's is, its process is killed between the commit and its reply.
    fn watch_commits(&self) {
        let (commits, lambda) = (Arc::clone(&self.commits), Arc::clone(self.stack.lambda()));
        let mut victim = Some(self.victim.clone());
        let count = move |request: &Value, answer: &Result<Value, emulator::ApiError>| {
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

    pub(crate) fn note(&mut self, event: &Event) {
        if let Event::BatchFinished {
            messages, whole_batch, ..
        } = event
        {
            for message in messages {
                *self.delivered.entry(message.clone()).or_default() += 1;
            }
            if whole_batch.is_some() {
                self.without_outcome += messages.len() as u64;
            }
            if whole_batch
                .as_deref()
                .is_some_and(|reason| reason.ends_with("signal: killed"))
            {
                self.killed_batches.push(messages.clone());
            }
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

    /// Whether no message is left in its queue.
    pub(crate) fn is_settled(&self) -> bool {
        self.left().is_empty()
    }

    /// Whether every delivery has been reported, and its outcome: both come a little after the message is gone.
    pub(crate) fn is_counted(&self) -> bool {
        let reported = |sent: &Sent| self.delivered.get(&sent.id).copied().unwrap_or_default();
        let all_reported = self
            .sent
            .iter()
            .all(|sent| reported(sent) == u64::from(self.stack.sqs().deliveries(&sent.id)));
        let deliveries: u64 = self.delivered.values().sum();
        all_reported && self.counted.values().sum::<u64>() + self.without_outcome == deliveries
    }

    /// What is left, for a reader who waits.
    pub(crate) fn waiting(&self) -> String {
        let left = self.left();
        let hidden = left.values().min().copied().unwrap_or_default();
        let count = plural(left.len(), "message");
        match hidden.is_zero() {
            true => format!("... {count} left"),
            false => format!(
                "... {count} left, hidden for another {:.0} s, until the visibility timeout or the retry delay ends",
                hidden.as_secs_f32().ceil()
            ),
        }
    }

    /// The messages that are in their queues, by ID, and how much longer each is hidden.
    fn left(&self) -> BTreeMap<String, Duration> {
        let queues: BTreeSet<_> = self.samples.iter().map(|(sample, _)| sample.queue).collect();
        let messages = queues.iter().flat_map(|queue| self.stack.sqs().peek(queue));
        messages
            .map(|message| (message.message_id, message.hidden_for))
            .collect()
    }
}
