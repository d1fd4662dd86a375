//! A test stack with the scripted function, messages for it, and what it did.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use emulator::ApiError;
use emulator::lambda::Event;
use emulator::sqs::{Fault, FaultKind, QueuedMessage};
use scripted::{Action, Script};
use serde_json::{Value, json};
use testing::{TestStack, text};

const TEMPLATE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/scripted.yaml");
const SCRIPTED: (&str, &str) = ("scripted", env!("CARGO_BIN_EXE_scripted"));

/// One message per batch, so that copies are in different invocations.
pub(super) const ONE_BY_ONE: (&str, &str) = ("BatchSize", "1");

/// Starts a stack with this kind of handler.
pub(super) async fn start(handler: &str, parameters: &[(&str, &str)]) -> TestStack {
    let parameters = [&[("Handler", handler)], parameters].concat();
    TestStack::start_from(TEMPLATE, &[SCRIPTED], &parameters).await
}

/// The body of a message with these actions, one per delivery.
pub(super) fn script(actions: impl IntoIterator<Item = Action>) -> Value {
    json!(Script::new(actions))
}

/// The body of a message with this business key and this action at every delivery.
pub(super) fn keyed(key: &str, action: Action) -> Value {
    json!(Script::new([action]).with_key(key))
}

/// Sends a message to a group of the FIFO queue. Returns its ID.
pub(super) async fn send_in_order(stack: &TestStack, group: &str, deduplication_id: &str, body: &Value) -> String {
    let request = json!({
        "QueueUrl": "work.fifo",
        "MessageBody": body.to_string(),
        "MessageGroupId": group,
        "MessageDeduplicationId": deduplication_id,
    });
    let sent = stack.stack.sqs().call("SendMessage", request).await.unwrap();
    sent["MessageId"].as_str().unwrap().to_owned()
}

/// One start of the handler.
#[derive(Debug, Clone)]
pub(super) struct Run {
    pub(super) message: String,
    /// Milliseconds since 1970.
    pub(super) started: u64,
    /// What the envelope of the message stated.
    pub(super) origin: String,
}

/// All starts of the handler, in order.
pub(super) fn runs(stack: &TestStack) -> Vec<Run> {
    let run = |item: &Value| Run {
        message: text(item, "message"),
        started: text(item, "started").parse().unwrap(),
        origin: text(item, "origin"),
    };
    let mut runs: Vec<_> = stack.stack.dynamodb().scan("runs").iter().map(run).collect();
    runs.sort_by_key(|run| run.started);
    runs
}

/// The times at which the handler started for a message, in order.
pub(super) fn starts(stack: &TestStack, message: &str) -> Vec<u64> {
    let of_message = runs(stack).into_iter().filter(|run| run.message == message);
    of_message.map(|run| run.started).collect()
}

/// Waits until messages had the outcome "in progress" so many times, each in a batch of its own.
pub(super) async fn until_in_progress(stack: &TestStack, times: usize) {
    let is_in_progress = |batch: &&Value| batch["InProgress"] == 1;
    let holds = || stack.metrics().iter().filter(is_in_progress).count() >= times;
    stack.until("others are in progress", holds).await;
}

/// Waits until a message has the outcome "in progress". Then lets the holder of its key finish.
pub(super) async fn release_after_another_is_in_progress(stack: &TestStack) {
    until_in_progress(stack, 1).await;
    release(stack);
}

/// Lets handlers finish that wait for it.
pub(super) fn release(stack: &TestStack) {
    let released = json!({ "TableName": "counts", "Item": { "id": { "S": "released" } } });
    stack.stack.dynamodb().call("PutItem", released);
}

/// How often each effect happened.
pub(super) fn counts(stack: &TestStack) -> Vec<String> {
    let counts = stack.stack.dynamodb().scan("counts");
    counts.iter().map(|count| text(count, "times")).collect()
}

/// The dead letters of the standard queue.
pub(super) fn dead_letters(stack: &TestStack) -> Vec<QueuedMessage> {
    stack.stack.sqs().peek("work-dlq")
}

/// The message IDs that these dead letters had before.
pub(super) fn original_ids(dead_letters: &[QueuedMessage]) -> Vec<String> {
    let id = |dead_letter| {
        stated(dead_letter, "Consumer.Original")["messageId"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    dead_letters.iter().map(id).collect()
}

/// The reason of a dead letter.
pub(super) fn reason(dead_letter: &QueuedMessage) -> String {
    stated(dead_letter, "Consumer.Failure")["reason"]
        .as_str()
        .unwrap()
        .to_owned()
}

/// What an attribute whose value is JSON states.
pub(super) fn stated(message: &QueuedMessage, attribute: &str) -> Value {
    serde_json::from_str(&message.attributes[attribute]).unwrap()
}

/// The visibility timeout that was set for each message, in seconds, by receipt handle.
pub(super) fn watch_delays(stack: &TestStack) -> Arc<Mutex<BTreeMap<String, u64>>> {
    let delays = Arc::new(Mutex::new(BTreeMap::new()));
    let recorded = Arc::clone(&delays);
    let hook = move |request: &Value, _: &Result<Value, ApiError>| {
        for entry in request["Entries"].as_array().unwrap() {
            let receipt = entry["ReceiptHandle"].as_str().unwrap().to_owned();
            let seconds = entry["VisibilityTimeout"].as_u64().unwrap();
            recorded.lock().unwrap().insert(receipt, seconds);
        }
    };
    stack.stack.sqs().inject(Fault {
        operation: "ChangeMessageVisibilityBatch".to_owned(),
        containing: None,
        times: u32::MAX,
        kind: FaultKind::AfterApply(Box::new(hook)),
    });
    delays
}

/// The end of the lease of a claimed key, in milliseconds since 1970.
pub(super) fn lease_end(stack: &TestStack, key: &str) -> u64 {
    lease_ends(stack)[&format!("scripted#{key}")]
}

/// The ends of the leases of all claimed keys, by the IDs of their records.
pub(super) fn lease_ends(stack: &TestStack) -> BTreeMap<String, u64> {
    let records = stack.stack.dynamodb().scan("idempotency");
    let claimed = records.iter().filter(|record| text(record, "status") == "INPROGRESS");
    let end = |record: &Value| text(record, "in_progress_expiration").parse().unwrap();
    claimed.map(|record| (text(record, "id"), end(record))).collect()
}

/// The receive count of a message.
pub(super) fn receives(stack: &TestStack, message: &str) -> u32 {
    stack.stack.sqs().deliveries(message)
}

/// A batch that ended.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) messages: Vec<String>,
    /// Why the whole batch failed, if it did.
    pub(super) whole_batch: Option<String>,
}

/// The batches that ended so far.
pub(super) fn batches(stack: &TestStack) -> Vec<Batch> {
    let batch = |event| match event {
        Event::BatchFinished {
            messages, whole_batch, ..
        } => Some(Batch { messages, whole_batch }),
        _ => None,
    };
    stack.events().into_iter().filter_map(batch).collect()
}
