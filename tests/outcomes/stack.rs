//! A test stack with the scripted function, messages for it, and what it did.

use emulator::lambda::Event;
use emulator::sqs::QueuedMessage;
use scripted::{Action, Script};
use serde_json::{Value, json};
use testing::{TestStack, text};

const TEMPLATE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/scripted.yaml");
const SCRIPTED: (&str, &str) = ("scripted", env!("CARGO_BIN_EXE_scripted"));

/// Enough time on a busy machine, and a visibility timeout longer than any test, so that only delays redeliver messages.
const UNHURRIED: [(&str, &str); 2] = [("FunctionTimeout", "20"), ("VisibilityTimeout", "60")];

/// For messages that are redelivered by the visibility timeout, without a delay of their own.
pub(super) const VISIBLE_SOON: [(&str, &str); 2] = [("FunctionTimeout", "6"), ("VisibilityTimeout", "6")];

/// One message per batch, so that copies are in different invocations.
pub(super) const ONE_BY_ONE: (&str, &str) = ("BatchSize", "1");

/// Starts a stack with this kind of handler, with the times of `UNHURRIED` unless the parameters differ.
pub(super) async fn start(handler: &str, parameters: &[(&str, &str)]) -> TestStack {
    let parameters = [&[("Handler", handler)], &UNHURRIED[..], parameters].concat();
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

/// Waits until a message has the outcome "in progress". Then lets the holder of its key finish.
pub(super) async fn release_after_another_is_in_progress(stack: &TestStack) {
    let in_progress = || stack.metrics().iter().any(|batch| batch["InProgress"] == 1);
    stack.until("another is in progress", in_progress).await;
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

/// The end of the lease of a claimed key, in milliseconds since 1970.
pub(super) fn lease_end(stack: &TestStack, key: &str) -> u64 {
    let records = stack.stack.dynamodb().scan("idempotency");
    let id = format!("scripted#{key}");
    let record = records.iter().find(|record| text(record, "id") == id).unwrap();
    assert_eq!(text(record, "status"), "INPROGRESS");
    text(record, "in_progress_expiration").parse().unwrap()
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
