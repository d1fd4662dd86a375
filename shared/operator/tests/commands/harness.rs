//! A local stack without functions: queues and a ledger that only the commands change.

use std::collections::BTreeMap;
use std::process::Stdio;

use emulator::dynamodb::Reply;
use emulator::sqs::{MessageState, QueuedMessage};
use local::{Binaries, Options, Stack};
use serde_json::{Value, json};
use tokio::process::{Child, Command};

pub(crate) const ORDERS: &str = "orders";
pub(crate) const DEAD: &str = "orders-dlq";

pub(crate) struct Harness {
    pub(crate) stack: Stack,
}

/// The output and the exit status of a command.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// The program, without a terminal and without this machine's configuration.
pub(crate) fn operator(arguments: &[&str]) -> Command {
    let mut operator = Command::new(env!("CARGO_BIN_EXE_operator"));
    operator.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped());
    operator.stderr(Stdio::piped()).kill_on_drop(true);
    for (variable, _) in std::env::vars_os() {
        if variable.to_string_lossy().starts_with("AWS_") {
            operator.env_remove(variable);
        }
    }
    let no_home = concat!(env!("CARGO_TARGET_TMPDIR"), "/no-home");
    operator
        .env_remove("SSL_CERT_FILE")
        .env_remove("IDEMPOTENCY_TABLE")
        .env_remove("DATABASE_URL");
    operator.env("HOME", no_home);
    operator.env("AWS_EC2_METADATA_DISABLED", "true");
    operator
}

pub(crate) async fn done(child: Child) -> Done {
    let output = child.wait_with_output().await.unwrap();
    Done {
        code: output.status.code(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

impl Harness {
    pub(crate) async fn start() -> Self {
        let options = Options {
            binaries: Binaries::Only(BTreeMap::new()),
            ..Options::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/commands/template.yaml"))
        };
        let observer = tokio::sync::mpsc::unbounded_channel().0;
        Self {
            stack: Stack::start(options, observer).await.unwrap(),
        }
    }

    pub(crate) async fn operator(&self, arguments: &[&str]) -> Done {
        let mut operator = operator(arguments);
        operator.env("AWS_ENDPOINT_URL", self.stack.endpoint());
        done(operator.spawn().unwrap()).await
    }

    /// Runs a command that must succeed. Returns its output.
    pub(crate) async fn succeed(&self, arguments: &[&str]) -> String {
        let done = self.operator(arguments).await;
        assert_eq!(done.code, Some(0), "{done:?}");
        done.out
    }

    pub(crate) async fn sqs(&self, operation: &str, mut request: Value, queue: &str) -> Value {
        request["QueueUrl"] = self.url(queue).into();
        self.stack.sqs().call(operation, request).await.unwrap()
    }

    pub(crate) fn url(&self, queue: &str) -> String {
        format!("{}/000000000000/{queue}", self.stack.endpoint())
    }

    /// A FIFO queue and its dead-letter queue: `line.fifo` and `line-dlq.fifo`.
    pub(crate) async fn fifo_queues(&self) {
        let region = self.stack.region();
        let policy = json!({
            "deadLetterTargetArn": format!("arn:aws:sqs:{region}:000000000000:line-dlq.fifo"), "maxReceiveCount": 1,
        });
        for (name, more) in [
            ("line-dlq.fifo", json!({})),
            ("line.fifo", json!({"RedrivePolicy": policy.to_string()})),
        ] {
            let mut attributes = more;
            attributes["FifoQueue"] = "true".into();
            let request = json!({"QueueName": name, "Attributes": attributes});
            self.stack.sqs().call("CreateQueue", request).await.unwrap();
        }
    }

    /// Sends a dead letter as functions do. Returns its message ID.
    pub(crate) async fn dead(&self, key: &str, reason: &str) -> String {
        self.send(DEAD, &dead("place-order", key, reason)).await
    }

    pub(crate) async fn send(&self, queue: &str, message: &Value) -> String {
        let sent = self.sqs("SendMessage", message.clone(), queue).await;
        sent["MessageId"].as_str().unwrap().to_owned()
    }

    /// Has SQS itself move a message to the dead-letter queue. Returns its message ID.
    pub(crate) async fn moved(&self, body: &str) -> String {
        let id = self.send(ORDERS, &json!({"MessageBody": body})).await;
        self.moves(ORDERS).await;
        assert!(self.ids(DEAD).contains(&id), "{id} was not moved");
        id
    }

    /// Has SQS move all messages of a queue to its dead-letter queue.
    pub(crate) async fn moves(&self, queue: &str) {
        for _ in 0..2 {
            let request = json!({"VisibilityTimeout": 0, "MaxNumberOfMessages": 10});
            self.sqs("ReceiveMessage", request, queue).await;
        }
        assert!(self.ids(queue).is_empty());
    }

    pub(crate) fn ids(&self, queue: &str) -> Vec<String> {
        let messages = self.stack.sqs().peek(queue).into_iter();
        messages.map(|message| message.message_id).collect()
    }

    pub(crate) fn all_visible(&self, queue: &str) -> bool {
        let visible = |message: &QueuedMessage| message.state == MessageState::Visible;
        self.stack.sqs().peek(queue).iter().all(visible)
    }

    /// Receives up to ten messages with all attributes. Each is returned with its `IdempotencyKey`, or else its original
    /// message ID.
    pub(crate) async fn arrived(&self, queue: &str) -> Vec<(String, Value)> {
        let request = json!({
            "MaxNumberOfMessages": 10, "MessageAttributeNames": ["All"], "MessageSystemAttributeNames": ["All"],
        });
        let received = self.sqs("ReceiveMessage", request, queue).await;
        let messages = received["Messages"].as_array().cloned().unwrap_or_default();
        let key = |message: &Value| {
            let key = message["MessageAttributes"]["IdempotencyKey"]["StringValue"].as_str();
            let original = original(message);
            (key.or(original["messageId"].as_str())).unwrap().to_owned()
        };
        messages.into_iter().map(|message| (key(&message), message)).collect()
    }

    /// Puts a record of place-order with these attributes in DynamoDB's JSON.
    pub(crate) fn record(&self, key: &str, status: &str, more: Value) {
        put(self.stack.dynamodb(), &record(key, status, more));
    }

    /// The statuses of all records, by ID.
    pub(crate) fn statuses(&self) -> BTreeMap<String, String> {
        let text = |item: &Value, name: &str| item[name]["S"].as_str().unwrap().to_owned();
        let items = self.stack.dynamodb().scan("idempotency");
        items
            .iter()
            .map(|item| (text(item, "id"), text(item, "status")))
            .collect()
    }
}

pub(crate) fn put(dynamodb: &emulator::dynamodb::DynamoDb, item: &Value) {
    match dynamodb.call("PutItem", json!({"TableName": "idempotency", "Item": item})) {
        Reply::Answer(answer) => drop(answer.unwrap()),
        Reply::Lost => panic!("no answer"),
    }
}

pub(crate) fn record(key: &str, status: &str, more: Value) -> Value {
    let mut item = json!({
        "id": {"S": format!("place-order#{key}")},
        "status": {"S": status},
        "owner": {"S": "some-owner"},
        "expiration": {"N": "4102444800"},
    });
    item.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    item
}

pub(crate) fn text(value: &str) -> Value {
    json!({"DataType": "String", "StringValue": value})
}

/// A dead letter as an earlier version of the functions sent it.
pub(crate) fn dead(function: &str, key: &str, reason: &str) -> Value {
    json!({
        "MessageBody": format!("body of {key}"),
        "MessageAttributes": {
            "IdempotencyKey": text(key),
            "FailureReason": text(reason),
            "FailedFunction": text(function),
            "ReceiveCount": {"DataType": "Number", "StringValue": "1"},
            "OriginalMessageId": text(&format!("m-{key}")),
        },
    })
}

/// What a redriven message states about the message it was.
pub(crate) fn original(message: &Value) -> Value {
    let text = message["MessageAttributes"]["Consumer.Original"]["StringValue"].as_str();
    serde_json::from_str(text.unwrap_or("null")).unwrap()
}

/// A dead letter as the functions send it now, of a message of this queue.
pub(crate) fn dead_letter(stack: &Stack, source: &str, key: &str) -> Value {
    let original = json!({"messageId": format!("m-{key}"), "key": key, "queue": arn(stack, source)});
    let failure = json!({"reason": "wrong sum", "function": "place-order", "receiveCount": 1});
    json!({
        "MessageBody": format!("body of {key}"),
        "MessageAttributes": {
            "Consumer.Original": text(&original.to_string()),
            "Consumer.Failure": text(&failure.to_string()),
        },
    })
}

pub(crate) fn arn(stack: &Stack, queue: &str) -> String {
    format!("arn:aws:sqs:{}:000000000000:{queue}", stack.region())
}
