//! What is to be seen in the end.

use std::collections::BTreeMap;
use std::sync::PoisonError;

use idempotency::Key;
use local::Notified;
use local::sqs::QueuedMessage;
use serde_json::Value;

use super::sent::Sent;
use super::stage::Stage;

/// What the receiver was sent, by idempotency token.
type Notifications = BTreeMap<String, Notified>;

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

impl Stage<'_> {
    pub(super) fn look(&self) -> Scene<'_> {
        let scan = |table| self.stack.dynamodb().scan(table);
        let records = scan("idempotency").into_iter();
        let records: BTreeMap<_, _> = records.map(|item| (attribute(&item, "id"), item)).collect();
        let notifications = self.stack.receiver().notifications();
        let mut notified = notifications.values();
        Scene {
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
            counted: self.counted.clone(),
        }
    }

    /// What is to be seen of a message, given all records by their IDs.
    fn seen<'s>(&self, sent: &'s Sent, records: &BTreeMap<String, Value>, notifications: &Notifications) -> Seen<'s> {
        let key = sent.key();
        let record = key.as_ref().and_then(|key| records.get(key.record_id()));
        let committed = self.commits.lock().unwrap_or_else(PoisonError::into_inner);
        let commits = key.as_ref().and_then(|key| committed.get(key.record_id())).copied();
        let accepted = key.and_then(|key| notifications.get(&key.token()).map(|notified| notified.accepted));
        let letter = self.dead_letter(sent);
        let batches = self.killed_batches.iter();
        Seen {
            sent,
            deliveries: self.stack.sqs().deliveries(&sent.id),
            killed: batches.filter(|batch| batch.contains(&sent.id)).count(),
            status: record.map(|record| attribute(record, "status")),
            reason: letter.and_then(|mut letter| letter.attributes.remove("FailureReason")),
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

/// A string or number of an item.
pub(super) fn attribute(item: &Value, name: &str) -> String {
    let value = &item[name];
    value["S"]
        .as_str()
        .or_else(|| value["N"].as_str())
        .unwrap_or_default()
        .to_owned()
}
