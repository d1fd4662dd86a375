//! A stack of its own for each test, with this function in it.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use idempotency::Key;
use local::lambda::{Event, Invocation};
use local::{Binaries, Options, Stack};
use serde_json::{Value, json};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

/// Much longer than anything here takes on a busy machine; who waits so long waits in vain.
const PATIENCE: Duration = Duration::from_secs(30);

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
    events: Mutex<(UnboundedReceiver<Event>, Vec<Event>)>,
}

impl Stage {
    /// The template's stack, with other parameters than [`PARAMETERS`] where stated.
    pub(super) async fn set(parameters: &[(&str, &str)]) -> Self {
        Self::of(workspace().join("template.yaml"), parameters).await
    }

    /// The same, one line of the template written otherwise.
    pub(super) async fn with_template(line: &str, instead: &str, parameters: &[(&str, &str)]) -> Self {
        let template = std::fs::read_to_string(workspace().join("template.yaml")).unwrap();
        assert!(template.contains(line), "the template has no {line}");
        let name = format!("{}.yaml", std::thread::current().name().unwrap().replace("::", "-"));
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        std::fs::write(&path, template.replace(line, instead)).unwrap();
        Self::of(path, parameters).await
    }

    async fn of(template: PathBuf, parameters: &[(&str, &str)]) -> Self {
        let named = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let options = Options {
            template,
            parameters: PARAMETERS.iter().chain(parameters).map(named).collect(),
            port: 0,
            elsewhere: None,
            binaries: Binaries::Only(BTreeMap::from([("place-order".to_owned(), BINARY.into())])),
        };
        let (observer, events) = unbounded_channel();
        Self {
            stack: Stack::start(options, observer).await.unwrap(),
            events: Mutex::new((events, Vec::new())),
        }
    }

    /// Sends a message and gives back its ID.
    pub(super) async fn send(&self, body: &Value) -> String {
        let request = json!({ "QueueUrl": "orders", "MessageBody": body.to_string() });
        let sent = self.stack.sqs().call("SendMessage", request).await.unwrap();
        sent["MessageId"].as_str().unwrap().to_owned()
    }

    /// Hands a batch to the function, past the queue, and gives back the IDs that it says failed.
    pub(super) async fn invoke(&self, messages: &[(&str, Value)]) -> Vec<String> {
        let invocation = self.invoke_with(event(messages)).await;
        failures(&invocation)
    }

    pub(super) async fn invoke_with(&self, event: impl Into<Vec<u8>>) -> Invocation {
        self.stack.lambda().invoke("place-order", event.into()).await.unwrap()
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
        self.until("the queue is empty", || self.stack.sqs().peek("orders").is_empty())
            .await;
    }

    /// IDs of the messages in the dead-letter queue.
    pub(super) fn dead_letters(&self) -> Vec<String> {
        let messages = self.stack.sqs().peek("orders-dlq");
        messages.into_iter().map(|message| message.message_id).collect()
    }

    /// Everything that happened so far.
    pub(super) fn events(&self) -> Vec<Event> {
        let (news, events) = &mut *self.events.lock().unwrap();
        events.extend(std::iter::from_fn(|| news.try_recv().ok()));
        events.clone()
    }

    /// Lines that the function's processes wrote.
    pub(super) fn log(&self) -> Vec<String> {
        let line = |event| match event {
            Event::Log { line, .. } => Some(line),
            _ => None,
        };
        self.events().into_iter().filter_map(line).collect()
    }

    /// The ledger's record of a message: status, and the reason if it was rejected.
    pub(super) fn record(&self, message: &str) -> Option<(String, String)> {
        let key = Key::new("place-order", message).unwrap();
        let records = self.stack.dynamodb().scan("idempotency");
        let record = records.iter().find(|record| text(record, "id") == key.record_id())?;
        Some((text(record, "status"), text(record, "reason")))
    }

    /// Whether the ledger says that a message's work is done.
    pub(super) fn is_completed(&self, message: &str) -> bool {
        self.record(message).is_some_and(|(status, _)| status == "COMPLETED")
    }

    /// IDs of the orders that were stored, sorted.
    pub(super) fn orders(&self) -> Vec<String> {
        let orders = self.stack.dynamodb().scan("orders");
        orders.iter().map(|order| text(order, "id")).collect()
    }

    /// Each customer's total.
    pub(super) fn totals(&self) -> BTreeMap<String, i64> {
        let customers = self.stack.dynamodb().scan("customers");
        let total = |customer: &Value| (text(customer, "id"), text(customer, "total").parse().unwrap());
        customers.iter().map(total).collect()
    }

    /// What each customer's total should be: the sum of the stored orders.
    pub(super) fn sums(&self) -> BTreeMap<String, i64> {
        let mut sums = BTreeMap::new();
        for order in self.stack.dynamodb().scan("orders") {
            *sums.entry(text(&order, "customer")).or_default() += text(&order, "amount").parse::<i64>().unwrap();
        }
        sums
    }

    /// How many requests the table service got for an operation.
    pub(super) fn requests(&self, operation: &str) -> u64 {
        let requests = self.stack.dynamodb().requests();
        let of_operation = requests.into_iter().find(|(name, _)| name == operation);
        of_operation.map_or(0, |(_, count)| count)
    }
}

/// The function's program.
pub(super) const BINARY: &str = env!("CARGO_BIN_EXE_place-order");

pub(super) fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// An order of one line that adds up.
pub(super) fn order(id: &str, customer: &str, amount: i64) -> Value {
    let items = json!([{ "sku": "tea", "quantity": 1, "price": amount }]);
    json!({ "id": id, "customer": customer, "items": items, "amount": amount })
}

/// An event of these messages, as Lambda hands it to a function.
pub(super) fn event(messages: &[(&str, Value)]) -> String {
    let record = |(id, body): &(&str, Value)| {
        json!({
            "messageId": id,
            "receiptHandle": "not read",
            "body": body.to_string(),
            "attributes": { "ApproximateReceiveCount": "1", "SentTimestamp": "1700000000000" },
            "messageAttributes": {},
            "md5OfBody": "not read",
            "eventSource": "aws:sqs",
            "eventSourceARN": "arn:aws:sqs:us-east-1:000000000000:orders",
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
    let ids: Vec<_> = failures.iter().map(|failure| &failure["itemIdentifier"]).collect();
    ids.into_iter().map(|id| id.as_str().unwrap().to_owned()).collect()
}

/// A string or number of an item; empty if it is not there.
pub(super) fn text(item: &Value, attribute: &str) -> String {
    let value = &item[attribute];
    let text = value["S"].as_str().or_else(|| value["N"].as_str());
    text.unwrap_or_default().to_owned()
}

/// Both hold the same, in whatever order.
#[track_caller]
pub(super) fn assert_same<T: Ord + Debug>(left: impl IntoIterator<Item = T>, right: impl IntoIterator<Item = T>) {
    let sorted = |items: &mut Vec<T>| items.sort();
    let (mut left, mut right): (Vec<_>, Vec<_>) = (left.into_iter().collect(), right.into_iter().collect());
    sorted(&mut left);
    sorted(&mut right);
    assert_eq!(left, right);
}
