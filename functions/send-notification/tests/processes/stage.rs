//! A stack of its own for each test, with this function in it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use idempotency::Key;
use local::dynamodb::{Fault, FaultKind};
use local::lambda::{Event, Invocation};
use local::{Binaries, Notified, Options, Stack};
use serde_json::{Value, json};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

/// Much longer than anything here takes on a busy machine; who waits so long waits in vain.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// Redelivery after a second, and never the dead-letter queue unless a test says so.
const PARAMETERS: [(&str, &str); 3] = [
    ("FunctionTimeout", "1"),
    ("VisibilityTimeout", "1"),
    ("MaxReceiveCount", "1000"),
];

/// For events that a test hands to the function itself: time enough, however busy the machine.
pub(super) const UNHURRIED: [(&str, &str); 2] = [("FunctionTimeout", "20"), ("VisibilityTimeout", "20")];

pub(super) struct Stage {
    pub(super) stack: Stack,
    events: Mutex<(UnboundedReceiver<Event>, Vec<String>)>,
}

impl Stage {
    /// The template's stack, with other parameters than [`PARAMETERS`] where stated.
    pub(super) async fn set(parameters: &[(&str, &str)]) -> Self {
        let named = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let options = Options {
            template: workspace().join("template.yaml"),
            parameters: PARAMETERS.iter().chain(parameters).map(named).collect(),
            port: 0,
            elsewhere: None,
            binaries: Binaries::Only(BTreeMap::from([("send-notification".to_owned(), BINARY.into())])),
        };
        let (observer, events) = unbounded_channel();
        Self {
            stack: Stack::start(options, observer).await.unwrap(),
            events: Mutex::new((events, Vec::new())),
        }
    }

    /// Sends a message and gives back its ID.
    pub(super) async fn send(&self, body: &Value) -> String {
        let request = json!({ "QueueUrl": "notifications", "MessageBody": body.to_string() });
        let sent = self.stack.sqs().call("SendMessage", request).await.unwrap();
        sent["MessageId"].as_str().unwrap().to_owned()
    }

    /// Hands a batch to the function, past the queue, and gives back the IDs that it says failed.
    pub(super) async fn invoke(&self, messages: &[(&str, Value)]) -> Vec<String> {
        failures(&self.invoke_with(event(messages)).await)
    }

    pub(super) async fn invoke_with(&self, event: impl Into<Vec<u8>>) -> Invocation {
        let invoked = self.stack.lambda().invoke("send-notification", event.into()).await;
        invoked.unwrap()
    }

    /// Lets something go wrong with those puts to the ledger's table whose request contains this text.
    pub(super) fn inject(&self, containing: &str, times: u32, kind: FaultKind) {
        self.stack.dynamodb().inject(Fault {
            operation: "PutItem".to_owned(),
            containing: Some(containing.to_owned()),
            times,
            kind,
        });
    }

    /// Waits until something holds.
    pub(super) async fn until(&self, what: &str, mut holds: impl FnMut() -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !holds() {
            assert!(
                Instant::now() < deadline,
                "waited in vain until {what}; the function's log: {:#?}",
                self.log()
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until no message is left in the queue: each is acknowledged, or in the dead-letter queue.
    pub(super) async fn until_settled(&self) {
        let queue = || self.stack.sqs().peek("notifications");
        self.until("the queue is empty", || queue().is_empty()).await;
    }

    /// IDs of the messages in the dead-letter queue.
    pub(super) fn dead_letters(&self) -> Vec<String> {
        let messages = self.stack.sqs().peek("notifications-dlq");
        messages.into_iter().map(|message| message.message_id).collect()
    }

    /// Lines that the function's processes wrote.
    pub(super) fn log(&self) -> Vec<String> {
        let (news, log) = &mut *self.events.lock().unwrap();
        while let Ok(event) = news.try_recv() {
            if let Event::Log { line, .. } = event {
                log.push(line);
            }
        }
        log.clone()
    }

    /// The ledger's record of a message.
    pub(super) fn record(&self, message: &str) -> Option<Record> {
        let key = Key::new("send-notification", message).unwrap();
        let records = self.stack.dynamodb().scan("idempotency");
        let record = records.iter().find(|record| record["id"]["S"] == key.record_id())?;
        let text = |attribute: &str| record[attribute]["S"].as_str().unwrap_or_default().to_owned();
        Some(Record {
            status: text("status"),
            reason: text("reason"),
        })
    }

    pub(super) fn is_completed(&self, message: &str) -> bool {
        self.record(message).is_some_and(|record| record.status == "COMPLETED")
    }

    /// What the stack's own receiver got for a message, and under its key.
    pub(super) fn notified(&self, message: &str) -> Option<Notified> {
        self.stack.receiver().notifications().remove(&token(message))
    }
}

/// What the ledger knows of a message.
#[derive(Debug, PartialEq)]
pub(super) struct Record {
    pub(super) status: String,
    pub(super) reason: String,
}

/// The function's program.
pub(super) const BINARY: &str = env!("CARGO_BIN_EXE_send-notification");

pub(super) fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The `Idempotency-Key` of a message at every attempt.
pub(super) fn token(message: &str) -> String {
    Key::new("send-notification", message).unwrap().token()
}

pub(super) fn notification(to: &str) -> Value {
    json!({ "to": to, "subject": "Your order", "text": "Grüße! It is on its way." })
}

/// An event of these messages, as Lambda hands it to a function.
fn event(messages: &[(&str, Value)]) -> String {
    let record = |(id, body): &(&str, Value)| {
        json!({
            "messageId": id,
            "receiptHandle": "not read",
            "body": body.to_string(),
            "attributes": { "ApproximateReceiveCount": "1", "SentTimestamp": "1700000000000" },
            "messageAttributes": {},
            "md5OfBody": "not read",
            "eventSource": "aws:sqs",
            "eventSourceARN": "arn:aws:sqs:us-east-1:000000000000:notifications",
            "awsRegion": "us-east-1",
        })
    };
    json!({ "Records": messages.iter().map(record).collect::<Vec<_>>() }).to_string()
}

/// The IDs of an answer, which has to be of the very shape that Lambda reads.
pub(super) fn failures(invocation: &Invocation) -> Vec<String> {
    assert!(!invocation.failed, "{:?}", invocation.reason());
    let answer: Value = serde_json::from_slice(&invocation.payload).unwrap();
    let failures = answer["batchItemFailures"].as_array().unwrap();
    let ids = failures
        .iter()
        .map(|failure| failure["itemIdentifier"].as_str().unwrap());
    ids.map(str::to_owned).collect()
}
