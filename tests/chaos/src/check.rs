//! What has to hold once no message is left in a queue. Each failure names its promise by number.

use std::collections::{BTreeMap, BTreeSet};

use idempotency::Key;
use local::Stack;
use serde_json::Value;

use crate::causes::{Cause, Causes};
use crate::history::History;
use crate::ledger::{Deliveries, May, without_lease};
use crate::receiver::Receiver;
use crate::workload::{End, QUEUES, SKUS, STOCK, Sent, Workload};

/// The state of a run, when nothing is going on.
pub(crate) struct State<'a> {
    pub(crate) stack: &'a Stack,
    pub(crate) workload: &'a Workload,
    pub(crate) history: &'a History,
    pub(crate) receiver: &'a Receiver,
    pub(crate) deliveries: &'a Deliveries,
}

/// What is wrong, and in how many messages or records.
#[derive(Default)]
pub(crate) struct Found {
    pub(crate) broken: Vec<String>,
    pub(crate) lost: usize,
    pub(crate) commits_repeated: usize,
}

/// Everything but what explains repeated effects.
pub(crate) fn check(state: &State<'_>) -> Found {
    let records = records(state.stack);
    let mut found = Found::default();
    let dead_letters = dead_letters(state.stack);
    let lost = lost(state, &records, &dead_letters);
    found.lost = lost.len();
    found.broken.extend(lost);
    let (broken, repeated) = state.history.broken();
    found.commits_repeated = repeated;
    found.broken.extend(broken);
    found.broken.extend(totals(state));
    found.broken.extend(stock(state));
    found.broken.extend(unsent(state, &records));
    found.broken.extend(leaseless(state));
    found.broken.extend(unrecorded(state, &dead_letters));
    found.broken.extend(two_contents(state, &dead_letters));
    found
}

fn text(item: &Value, attribute: &str) -> String {
    let value = &item[attribute];
    let text = value["S"].as_str().or_else(|| value["N"].as_str());
    text.unwrap_or_default().to_owned()
}

/// The status of each record.
fn records(stack: &Stack) -> BTreeMap<String, String> {
    let records = stack.dynamodb().scan("idempotency");
    records
        .iter()
        .map(|record| (text(record, "id"), text(record, "status")))
        .collect()
}

/// The IDs that dead letters had in their own queues.
fn dead_letters(stack: &Stack) -> BTreeSet<String> {
    let names = QUEUES.map(|queue| match queue.strip_suffix(".fifo") {
        Some(name) => format!("{name}-dlq.fifo"),
        None => format!("{queue}-dlq"),
    });
    let messages = names.iter().flat_map(|name| stack.sqs().peek(name));
    let original = |message: emulator::sqs::QueuedMessage| {
        let original = message.attributes.get("Consumer.Original").map(String::as_str);
        let original: Value = serde_json::from_str(original.unwrap_or_default()).unwrap_or_default();
        original["messageId"].as_str().unwrap_or(&message.message_id).to_owned()
    };
    messages.map(original).collect()
}

fn lost(state: &State<'_>, records: &BTreeMap<String, String>, dead_letters: &BTreeSet<String>) -> Vec<String> {
    let mut lost = Vec::new();
    for (message, sent) in &state.workload.sent {
        let status = records.get(&sent.record).map_or("absent", String::as_str);
        let is_dead = dead_letters.contains(message);
        let (expected, may_be_dead) = match sent.end {
            End::Done => ("COMPLETED", !is_dead),
            End::DeadLetter => ("REJECTED", is_dead),
            End::OneOfTwo => ("COMPLETED", true),
        };
        if status != expected || !may_be_dead {
            lost.push(format!(
                "promise 5: message {message} is gone from {}: its record {} is {status}, not {expected}, and there is {} dead letter",
                sent.queue,
                sent.record,
                if is_dead { "a" } else { "no" },
            ));
        }
    }
    lost
}

/// A customer's total counts each order once.
fn totals(state: &State<'_>) -> Vec<String> {
    let mut expected = BTreeMap::<_, i64>::new();
    for (customer, amount) in state.workload.orders.values() {
        *expected.entry(customer.clone()).or_default() += amount;
    }
    let customers = state.stack.dynamodb().scan("customers");
    let total = |item: &Value| (text(item, "id"), text(item, "total").parse().unwrap_or_default());
    let totals: BTreeMap<_, i64> = customers.iter().map(total).collect();
    let different = expected
        .iter()
        .filter(|(customer, sum)| totals.get(*customer) != Some(sum));
    different
        .map(|(customer, sum)| {
            let total = totals.get(customer);
            format!("promise 6: the total of {customer} is {total:?}, and its orders make {sum}")
        })
        .collect()
}

fn stock(state: &State<'_>) -> Vec<String> {
    let items = state.stack.dynamodb().scan("stock");
    let wrong = |sku: &str| {
        let expected = STOCK - state.workload.reserved.get(sku).copied().unwrap_or_default();
        let item = items.iter().find(|item| text(item, "id") == sku);
        let left = item.map(|item| text(item, "stock"));
        (left.as_deref() != Some(&expected.to_string()))
            .then(|| format!("promise 6: the stock of {sku} is {left:?}, and its reservations leave {expected}"))
    };
    SKUS.into_iter().filter_map(wrong).collect()
}

/// The key of each notification that has to arrive.
fn keys(workload: &Workload) -> impl Iterator<Item = String> {
    let confirmations = workload
        .orders
        .keys()
        .map(|order| format!("confirmation of order {order}"));
    confirmations.chain(workload.notifications.iter().cloned())
}

fn record(key: &str) -> Option<Key> {
    Key::new("send-notification", key).ok()
}

/// Each accepted order is confirmed under its key, each notification arrives, and nothing else does.
fn unsent(state: &State<'_>, records: &BTreeMap<String, String>) -> Vec<String> {
    let arrived = state.receiver.arrived();
    let mut broken = Vec::new();
    let mut known = BTreeSet::new();
    for key in keys(state.workload).filter_map(|key| record(&key)) {
        let status = records.get(key.record_id()).map_or("absent", String::as_str);
        let is_accepted = |token: &str| arrived.get(token).is_some_and(|arrived| !arrived.accepted.is_empty());
        if !is_accepted(&key.token()) || status != "COMPLETED" {
            let id = key.record_id();
            broken.push(format!("promise 5: {id} was never sent, and its record is {status}"));
        }
        known.insert(key.token());
    }
    let unknown = arrived.keys().filter(|token| !known.contains(*token));
    broken.extend(unknown.map(|token| format!("promise 5: a notification has a key that no message has: {token}")));
    broken
}

/// A lease was granted before each effect, and has one at most.
fn leaseless(state: &State<'_>) -> Vec<String> {
    let arrived = state.receiver.arrived();
    let check = |key: Key| {
        let arrived = arrived.get(&key.token())?;
        let leases = state.history.leases(key.record_id());
        let granted: Vec<_> = leases.iter().map(|lease| lease.granted).collect();
        without_lease(key.record_id(), &arrived.at, &granted)
    };
    keys(state.workload).filter_map(|key| check(record(&key)?)).collect()
}

/// A message is acknowledged only when its record is completed or rejected.
fn unrecorded(state: &State<'_>, dead_letters: &BTreeSet<String>) -> Vec<String> {
    let confirmations = state.history.sent();
    let may = |message: &str| {
        let record = match (state.workload.sent.get(message), confirmations.get(message)) {
            (Some(Sent { end: End::OneOfTwo, .. }), _) if dead_letters.contains(message) => return May::Always,
            (Some(sent), _) => sent.record.clone(),
            (None, Some(key)) => format!("send-notification#{key}"),
            // Sent by a request whose reply did not arrive.
            (None, None) => return May::Always,
        };
        state.history.finished(&record).map_or(May::Never, May::From)
    };
    state.deliveries.too_early(may)
}

/// Of two contents under one key, one takes effect, and the other message is a dead letter.
fn two_contents(state: &State<'_>, dead_letters: &BTreeSet<String>) -> Vec<String> {
    let arrived = state.receiver.arrived();
    let pairs = state.workload.two_contents.iter().filter_map(|messages| {
        let id = &state.workload.sent.get(&messages[0])?.record;
        let key = record(id.strip_prefix("send-notification#")?)?;
        let sent = arrived.get(&key.token()).map_or(0, |arrived| arrived.contents.len());
        let refused = messages.iter().filter(|message| dead_letters.contains(*message)).count();
        (sent != 1 || refused != 1).then(|| {
            format!("promise 8: of two contents under {id}, {sent} were sent and {refused} are dead letters, not one and one")
        })
    });
    pairs.collect()
}

/// How often an effect was repeated in a scenario, by what explains it.
pub(crate) type Repeated = BTreeMap<(&'static str, Explanation), usize>;

/// What explains a repeated effect.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Explanation {
    Crash(Cause),
    /// Nothing does: the record, and why its deliveries failed.
    Nothing(String),
}

/// What explains each repeated effect, after all processes have ended.
pub(crate) fn repeated(state: &State<'_>, causes: &Causes, stopped: &[String]) -> Repeated {
    let mut messages = BTreeMap::<String, Vec<String>>::new();
    for (message, key) in state.history.sent() {
        messages
            .entry(format!("send-notification#{key}"))
            .or_default()
            .push(message);
    }
    for (message, sent) in &state.workload.sent {
        messages.entry(sent.record.clone()).or_default().push(message.clone());
    }
    let arrived = state.receiver.arrived();
    let mut repeated = Repeated::new();
    for key in keys(state.workload).filter_map(|key| record(&key)) {
        let effects = arrived
            .get(&key.token())
            .into_iter()
            .flat_map(|arrived| &arrived.accepted)
            .skip(1);
        let messages = messages.get(key.record_id()).map(Vec::as_slice).unwrap_or_default();
        let failed = causes.of(&state.history.leases(key.record_id()), messages, stopped);
        // A lease has one effect at most, so each lease that failed explains one repetition.
        let mut unused = failed.clone();
        for scenario in effects {
            let position = unused.iter().position(|cause| cause.is_possible(scenario));
            let explanation = match position {
                Some(position) => Explanation::Crash(unused.remove(position)),
                None => Explanation::Nothing(format!("{}: {failed:?}", key.record_id())),
            };
            *repeated.entry((scenario.name, explanation)).or_default() += 1;
        }
    }
    repeated
}
