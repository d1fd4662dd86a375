//! The state of everything at the end.

use std::collections::BTreeMap;
use std::sync::PoisonError;

use emulator::sqs::QueuedMessage;
use emulator::{Notified, Receiver};
use idempotency::Key;
use serde_json::Value;

use crate::run::{RECEIVER, Run};
use crate::sent::Sent;

/// What the receiver got, by idempotency token.
type Notifications = BTreeMap<String, Notified>;

/// The state of one message.
pub(crate) struct Seen<'a> {
    pub(crate) sent: &'a Sent,
    pub(crate) deliveries: u32,
    /// How many of its batches were killed.
    pub(crate) killed: usize,
    /// The record's status, if there is a record.
    pub(crate) status: Option<String>,
    /// Why it was rejected, from its dead letter.
    pub(crate) reason: Option<String>,
    /// How often its effect happened.
    pub(crate) effects: u32,
    pub(crate) place: Place,
}

/// Where a message ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Acknowledged,
    InQueue,
    DeadLettered,
}

/// The state of everything at the end.
pub(crate) struct Snapshot<'a> {
    pub(crate) messages: Vec<Seen<'a>>,
    /// The size of the batch whose function was killed; 0: there was none.
    pub(crate) killed: usize,
    /// Whether the receiver refused a notification.
    pub(crate) refused: bool,
    pub(crate) orders: Vec<Value>,
    pub(crate) customers: Vec<Value>,
    pub(crate) stock: Vec<Value>,
    /// How often each order's confirmation was accepted by the receiver.
    pub(crate) confirmations: BTreeMap<String, u32>,
    /// Deliveries of the confirmations, which a function sent.
    pub(crate) confirmation_deliveries: u64,
    /// Deliveries without an outcome, because their invocation failed as a whole.
    pub(crate) without_outcome: u64,
    pub(crate) counted: BTreeMap<&'static str, u64>,
}

impl Run<'_> {
    pub(crate) fn snapshot(&self) -> Snapshot<'_> {
        let scan = |table| self.stack.dynamodb().scan(table);
        let records = scan("idempotency").into_iter();
        let records: BTreeMap<_, _> = records.map(|item| (attribute(&item, "id"), item)).collect();
        let receiver = self.stack.receiver(RECEIVER);
        let notifications = receiver.map(Receiver::notifications).unwrap_or_default();
        let mut notified = notifications.values();
        Snapshot {
            messages: self
                .sent
                .iter()
                .map(|sent| self.seen(sent, &records, &notifications))
                .collect(),
            killed: self.killed_batch(),
            refused: notified.any(|notified| notified.requests > notified.accepted),
            orders: scan("orders"),
            customers: scan("customers"),
            stock: scan("stock"),
            confirmations: self.confirmations(&notifications),
            confirmation_deliveries: self.confirmation_deliveries(),
            without_outcome: self.without_outcome,
            counted: self.counted.clone(),
        }
    }

    /// The state of a message, given all records by their IDs.
    fn seen<'s>(&self, sent: &'s Sent, records: &BTreeMap<String, Value>, notifications: &Notifications) -> Seen<'s> {
        let key = sent.key();
        let record = key.as_ref().and_then(|key| records.get(key.record_id()));
        let committed = self.commits.lock().unwrap_or_else(PoisonError::into_inner);
        let commits = key.as_ref().and_then(|key| committed.get(key.record_id())).copied();
        let accepted = key.and_then(|key| notifications.get(&key.token()).map(|notified| notified.accepted));
        let dead_letter = self.dead_letter(sent);
        let batches = self.killed_batches.iter();
        Seen {
            sent,
            deliveries: self.stack.sqs().deliveries(&sent.id),
            killed: batches.filter(|batch| batch.contains(&sent.id)).count(),
            status: record.map(|record| attribute(record, "status")),
            reason: dead_letter.and_then(|message| stated(&message, "Consumer.Failure", "reason")),
            effects: commits.or(accepted).unwrap_or_default(),
            place: self.place(sent),
        }
    }

    fn confirmations(&self, notifications: &Notifications) -> BTreeMap<String, u32> {
        let accepted = |order: &Value| {
            let order = attribute(order, "id");
            let key = Key::new("send-notification", &format!("confirmation of order {order}")).ok()?;
            let accepted = notifications.get(&key.token()).map_or(0, |notified| notified.accepted);
            Some((order, accepted))
        };
        let orders = self.stack.dynamodb().scan("orders");
        orders.iter().filter_map(accepted).collect()
    }

    fn confirmation_deliveries(&self) -> u64 {
        let is_sample = |id: &String| self.sent.iter().any(|sent| sent.id == *id);
        let others = self.delivered.iter().filter(|(id, _)| !is_sample(id));
        others.map(|(_, deliveries)| deliveries).sum()
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

    /// Its dead letter: a new message that carries its ID.
    fn dead_letter(&self, sent: &Sent) -> Option<QueuedMessage> {
        let dead_letters = self.stack.sqs().peek(&sent.dead_letter_queue()).into_iter();
        let is_mine =
            |message: &QueuedMessage| stated(message, "Consumer.Original", "messageId").as_ref() == Some(&sent.id);
        dead_letters.into_iter().find(is_mine)
    }
}

/// A field of an attribute whose value is JSON.
fn stated(message: &QueuedMessage, attribute: &str, field: &str) -> Option<String> {
    let value: Value = serde_json::from_str(message.attributes.get(attribute)?).ok()?;
    value[field].as_str().map(str::to_owned)
}

/// A string or number of an item.
pub(crate) fn attribute(item: &Value, name: &str) -> String {
    let value = &item[name];
    value["S"]
        .as_str()
        .or_else(|| value["N"].as_str())
        .unwrap_or_default()
        .to_owned()
}
