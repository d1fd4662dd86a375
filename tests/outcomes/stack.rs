//! A stage with the scripted function on it, messages for it, and what it did.

use emulator::lambda::Event;
use emulator::sqs::QueuedMessage;
use serde_json::{Value, json};
use testing::{TestStack, text};

const TEMPLATE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/scripted.yaml");
const SCRIPTED: (&str, &str) = ("scripted", env!("CARGO_BIN_EXE_scripted"));

/// Time enough, however busy the machine; and hidden for longer than any test: what comes again comes by its own delay.
const UNHURRIED: [(&str, &str); 2] = [("FunctionTimeout", "20"), ("VisibilityTimeout", "60")];

/// For messages that come again because nobody has said when.
pub(super) const VISIBLE_SOON: [(&str, &str); 2] = [("FunctionTimeout", "6"), ("VisibilityTimeout", "6")];

/// One message a batch, so that copies meet in different invocations.
pub(super) const ONE_BY_ONE: (&str, &str) = ("BatchSize", "1");

/// A stage of a test's own, with the handler of this kind, unhurried unless the parameters say otherwise.
pub(super) async fn set(handler: &str, parameters: &[(&str, &str)]) -> TestStack {
    let parameters = [&[("Handler", handler)], &UNHURRIED[..], parameters].concat();
    TestStack::start_from(TEMPLATE, &[SCRIPTED], &parameters).await
}

/// The body of a message that asks for this, delivery by delivery.
pub(super) fn script(deeds: impl Into<Value>) -> Value {
    json!({ "deeds": deeds.into() })
}

/// Sends a message to a group of the FIFO queue, where this text tells it from others, and gives back its ID.
pub(super) async fn send_in_order(stage: &TestStack, group: &str, deduplication_id: &str, body: &Value) -> String {
    let request = json!({
        "QueueUrl": "work.fifo",
        "MessageBody": body.to_string(),
        "MessageGroupId": group,
        "MessageDeduplicationId": deduplication_id,
    });
    let sent = stage.stack.sqs().call("SendMessage", request).await.unwrap();
    sent["MessageId"].as_str().unwrap().to_owned()
}

/// One start of the handler.
#[derive(Debug, Clone)]
pub(super) struct Run {
    pub(super) message: String,
    /// Milliseconds since 1970.
    pub(super) started: u64,
    /// What the message's envelope said.
    pub(super) origin: String,
}

/// All starts of the handler, the first first.
pub(super) fn runs(stage: &TestStack) -> Vec<Run> {
    let run = |item: &Value| Run {
        message: text(item, "message"),
        started: text(item, "started").parse().unwrap(),
        origin: text(item, "origin"),
    };
    let mut runs: Vec<_> = stage.stack.dynamodb().scan("runs").iter().map(run).collect();
    runs.sort_by_key(|run| run.started);
    runs
}

/// When the handler was started for a message, the first time first.
pub(super) fn starts(stage: &TestStack, message: &str) -> Vec<u64> {
    let of_message = runs(stage).into_iter().filter(|run| run.message == message);
    of_message.map(|run| run.started).collect()
}

/// Waits until a message was turned away because its work is in progress, and then lets that work end.
pub(super) async fn release_once_another_is_turned_away(stage: &TestStack) {
    let turned_away = || stage.metrics().iter().any(|batch| batch["InProgress"] == 1);
    stage.until("another is turned away", turned_away).await;
    let released = json!({ "TableName": "counts", "Item": { "id": { "S": "released" } } });
    stage.stack.dynamodb().call("PutItem", released);
}

/// How often each effect happened.
pub(super) fn counts(stage: &TestStack) -> Vec<String> {
    let counts = stage.stack.dynamodb().scan("counts");
    counts.iter().map(|count| text(count, "times")).collect()
}

/// What is in the standard queue's dead-letter queue.
pub(super) fn dead_letters(stage: &TestStack) -> Vec<QueuedMessage> {
    stage.stack.sqs().peek("work-dlq")
}

/// The IDs that these dead letters had before they were sent there.
pub(super) fn original_ids(letters: &[QueuedMessage]) -> Vec<&str> {
    let originals = letters
        .iter()
        .map(|letter| letter.attributes["OriginalMessageId"].as_str());
    originals.collect()
}

/// When the lease of a key in work ends, milliseconds since 1970.
pub(super) fn lease_end(stage: &TestStack, key: &str) -> u64 {
    let records = stage.stack.dynamodb().scan("idempotency");
    let id = format!("scripted#{key}");
    let record = records.iter().find(|record| text(record, "id") == id).unwrap();
    assert_eq!(text(record, "status"), "INPROGRESS");
    text(record, "in_progress_expiration").parse().unwrap()
}

/// How often a message was received.
pub(super) fn receives(stage: &TestStack, message: &str) -> u32 {
    stage.stack.sqs().deliveries(message)
}

/// A batch that was answered, or not.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) messages: Vec<String>,
    /// Why all of it came back, if it did.
    pub(super) whole_batch: Option<String>,
}

/// The batches that ended so far.
pub(super) fn batches(stage: &TestStack) -> Vec<Batch> {
    let batch = |event| match event {
        Event::BatchFinished {
            messages, whole_batch, ..
        } => Some(Batch { messages, whole_batch }),
        _ => None,
    };
    stage.events().into_iter().filter_map(batch).collect()
}
