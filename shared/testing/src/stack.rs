//! The stack of one test.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use emulator::Receiver;
use emulator::dynamodb::{Fault, FaultKind};
use emulator::lambda::Invocation;
use idempotency::Key;
use local::{Binaries, Options, Stack};
use serde_json::Value;
use tokio::sync::mpsc::unbounded_channel;
use uuid::Uuid;

use crate::events::Events;
use crate::{Message, PATIENCE, event, failures, workspace};

/// Enough time on a busy machine, retries soon after a failure, and no redrive.
///
/// On a busy machine a reply may take seconds. A test that counts requests or deliveries must not see a late reply as a lost
/// one, nor get a message again that is still being processed.
const PARAMETERS: [(&str, &str); 5] = [
    ("FunctionTimeout", "20"),
    ("LongestRetryDelay", "1"),
    ("RequestTimeout", "10"),
    ("VisibilityTimeout", "120"),
    ("MaxReceiveCount", "1000"),
];

/// A process that answers later than its deadline is not killed before this much more time: functions end before their
/// deadline on paused time, in the tests of `consumer` and `lambda`; here the machine decides when they run.
const KILL_DELAY: Duration = Duration::from_secs(20);

/// Begins the line that sets the dead-letter queue in the environment of a function.
const DEAD_LETTER_QUEUE: &str = "DEAD_LETTER_QUEUE_URL:";

/// A stack of one test's own: the template's queues and tables, and the functions that the test is about.
pub struct TestStack {
    /// What is running.
    pub stack: Stack,
    pub(crate) events: Mutex<Events>,
}

/// The ledger's record of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// `COMPLETED`, `REJECTED` or `INPROGRESS`.
    pub status: String,
    /// Why it was rejected; else empty.
    pub reason: String,
}

impl Record {
    /// A rejected one, with this reason.
    pub fn rejected(reason: &str) -> Self {
        Self {
            status: "REJECTED".to_owned(),
            reason: reason.to_owned(),
        }
    }
}

impl TestStack {
    /// Starts a stack with these functions, each by its name and the path of its program. Other functions of the template
    /// do not run.
    ///
    /// Unless `parameters` say otherwise, an invocation may take twenty seconds, and a request ten. A message is redelivered at
    /// most one second after it failed, without end.
    pub async fn start(functions: &[(&str, &str)], parameters: &[(&str, &str)]) -> Self {
        Self::start_from(workspace().join("template.yaml"), functions, parameters).await
    }

    /// The same from another template, which has those five parameters as well.
    pub async fn start_from(
        template: impl Into<PathBuf>,
        functions: &[(&str, &str)],
        parameters: &[(&str, &str)],
    ) -> Self {
        Self::launch(template.into(), only(functions), parameters).await
    }

    /// The same, with one piece of the template replaced, such as a line.
    pub async fn start_edited(
        functions: &[(&str, &str)],
        (piece, replacement): (&str, &str),
        parameters: &[(&str, &str)],
    ) -> Self {
        let template = template();
        assert!(template.contains(piece), "the template has no {piece}");
        Self::start_from_text(&template.replace(piece, replacement), functions, parameters).await
    }

    /// The same, with functions that have no dead-letter queue configured.
    pub async fn start_without_dead_letter_queues(functions: &[(&str, &str)], parameters: &[(&str, &str)]) -> Self {
        let template = template();
        let sets_one = |line: &&str| line.trim_start().starts_with(DEAD_LETTER_QUEUE);
        assert!(
            template.lines().any(|line| sets_one(&line)),
            "no line {DEAD_LETTER_QUEUE}"
        );
        let lines: Vec<_> = template.lines().filter(|line| !sets_one(line)).collect();
        Self::start_from_text(&lines.join("\n"), functions, parameters).await
    }

    async fn start_from_text(template: &str, functions: &[(&str, &str)], parameters: &[(&str, &str)]) -> Self {
        let path = std::env::temp_dir().join(format!("{}.yaml", Uuid::new_v4()));
        fs::write(&path, template).expect("a temporary file can be written");
        let stack = Self::launch(path.clone(), only(functions), parameters).await;
        fs::remove_file(path).expect("a temporary file can be removed");
        stack
    }

    /// Starts a stack with all functions of the template, which cargo builds.
    pub async fn start_all(parameters: &[(&str, &str)]) -> Self {
        let template = workspace().join("template.yaml");
        Self::launch(template, Binaries::Build, parameters).await
    }

    async fn launch(template: PathBuf, binaries: Binaries, parameters: &[(&str, &str)]) -> Self {
        let named = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let options = Options {
            parameters: PARAMETERS.iter().chain(parameters).map(named).collect(),
            binaries,
            ..Options::new(template)
        };
        let (observer, new) = unbounded_channel();
        let stack = Stack::start(options, observer).await;
        let stack = stack.unwrap_or_else(|error| panic!("the stack does not start: {error}"));
        stack.lambda().set_init_limit(PATIENCE);
        stack.lambda().set_kill_delay(KILL_DELAY);
        Self {
            stack,
            events: Mutex::new(Events::new(new)),
        }
    }

    /// Invokes a function with a batch, without its queue, and returns the IDs that it reports as failed.
    pub async fn invoke<'a, M>(&self, function: &str, messages: &'a [M]) -> Vec<String>
    where
        Message<'a>: From<&'a M>,
    {
        let event = event(self.queue_of(function), messages);
        failures(&self.invoke_with(function, event).await)
    }

    /// Invokes a function with this event.
    pub async fn invoke_with(&self, function: &str, event: impl Into<Vec<u8>>) -> Invocation {
        let invoked = self.stack.lambda().invoke(function, event.into()).await;
        invoked.unwrap_or_else(|error| panic!("{function} can't be invoked: {error}"))
    }

    /// What functions reach at the URL in this parameter of the template.
    pub fn receiver(&self, parameter: &str) -> &Receiver {
        let urls = &self.stack.template().urls;
        let receiver = self.stack.receiver(parameter);
        receiver.unwrap_or_else(|| panic!("there is no receiver {parameter}, only {urls:?}"))
    }

    pub(crate) fn queue_of(&self, function: &str) -> &str {
        let mut mappings = self.stack.template().mappings.iter();
        let mapping = mappings.find(|mapping| mapping.function == function);
        &mapping
            .unwrap_or_else(|| panic!("the template maps no queue to {function}"))
            .queue
    }

    /// Makes the next `times` requests to DynamoDB for this operation go wrong; with `containing`, only those whose JSON text
    /// contains this.
    pub fn inject(&self, operation: &str, containing: Option<&str>, times: u32, kind: FaultKind) {
        self.stack.dynamodb().inject(Fault {
            operation: operation.to_owned(),
            containing: containing.map(str::to_owned),
            times,
            kind,
        });
    }

    /// Waits until something holds.
    pub async fn until(&self, what: &str, mut holds: impl FnMut() -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !holds() {
            assert!(
                Instant::now() < deadline,
                "waited in vain until {what}; the functions' log: {:#?}",
                self.log()
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until no message is left in these queues: each is acknowledged, or was moved to the dead-letter queue. Those
    /// whose process was killed are [redelivered](Self::redeliver).
    pub async fn until_settled(&self, queues: &[&str]) {
        let settled = || {
            self.redeliver();
            self.is_settled(queues)
        };
        self.until("the queues are empty", settled).await;
    }

    /// Whether no message is left in these queues.
    pub fn is_settled(&self, queues: &[&str]) -> bool {
        queues.iter().all(|queue| self.stack.sqs().peek(queue).is_empty())
    }

    /// The ledger's record of a key, such as a message's ID.
    pub fn record(&self, namespace: &str, key: &str) -> Option<Record> {
        let key = Key::new(namespace, key).expect("a key");
        let records = self.stack.dynamodb().scan("idempotency");
        let record = records.iter().find(|record| text(record, "id") == key.record_id())?;
        Some(Record {
            status: text(record, "status"),
            reason: text(record, "reason"),
        })
    }

    /// Whether the key's record is completed.
    pub fn is_completed(&self, namespace: &str, key: &str) -> bool {
        self.record(namespace, key)
            .is_some_and(|record| record.status == "COMPLETED")
    }

    /// How many requests DynamoDB got for an operation.
    pub fn requests(&self, operation: &str) -> u64 {
        let requests = self.stack.dynamodb().requests();
        let of_operation = requests.into_iter().find(|(name, _)| name == operation);
        of_operation.map_or(0, |(_, count)| count)
    }
}

fn template() -> String {
    fs::read_to_string(workspace().join("template.yaml")).expect("the template can be read")
}

fn only(functions: &[(&str, &str)]) -> Binaries {
    let named = |(name, program): &(&str, &str)| ((*name).to_owned(), PathBuf::from(program));
    Binaries::Only(BTreeMap::from_iter(functions.iter().map(named)))
}

/// A string or number of an item; empty if there is none.
pub fn text(item: &Value, attribute: &str) -> String {
    let value = &item[attribute];
    let text = value["S"].as_str().or_else(|| value["N"].as_str());
    text.unwrap_or_default().to_owned()
}
