//! A handler that does what the message's body says, and events to feed it.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use batch::{Budget, Delivery, Failure, Handler, MemoryQueues, Mode, Services, SqsEvent};
use idempotency::{Completion, Key, MemoryStore, OutgoingMessage, Refusal, Status, Timestamp, Write};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Deed {
    Succeed,
    /// Succeeds with a write, whose refusal means that the effect is there already.
    Write,
    /// Succeeds with a write, whose refusal is permanent.
    WriteOnce,
    /// Succeeds with a write, whose refusal is read by a closure that panics.
    WriteBadly,
    Retry,
    Permanent,
    Panic,
    /// Panics while its body is decoded.
    PanicInDecoding(Bomb),
    Hang,
    TakeASecond,
    /// Asks to be tried again after a minute.
    RetryInAMinute,
    /// Succeeds with three messages, to one queue and another and the first again.
    Send,
    /// Succeeds with a write, whose refusal means that the effect is there already, and the same messages.
    WriteAndSend,
    /// Succeeds with a message that SQS would not accept.
    SendRubbish,
    /// Succeeds with a write and a message that SQS would not accept.
    WriteAndSendRubbish,
    /// Succeeds with a write and more messages than a record has room for.
    WriteAndSendTooMuch,
}

/// Goes off when it is decoded, as a careless `Deserialize` may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct Bomb;

impl<'de> Deserialize<'de> for Bomb {
    fn deserialize<D: serde::Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        panic!("while decoding")
    }
}

/// Does the deed, in one mode or another.
#[derive(Default)]
pub(crate) struct Scripted<const MODE: char> {
    /// IDs of the messages that were handled, in order of their start.
    pub(crate) handled: Mutex<Vec<String>>,
    pub(crate) running: AtomicUsize,
    pub(crate) most_running: AtomicUsize,
}

pub(crate) type Claiming = Scripted<'c'>;
pub(crate) type OneStep = Scripted<'o'>;
pub(crate) type Natural = Scripted<'n'>;

impl<const MODE: char> Scripted<MODE> {
    pub(crate) fn new() -> Arc<Self> {
        Arc::default()
    }

    pub(crate) fn handled(&self) -> Vec<String> {
        self.handled.lock().unwrap().clone()
    }
}

impl<const MODE: char> Handler for Scripted<MODE> {
    type Message = Deed;
    type Write = Effect;
    const NAMESPACE: &'static str = "scripted";
    const MODE: Mode = match MODE {
        'c' => Mode::ClaimThenComplete,
        'o' => Mode::OneStep,
        _ => Mode::Natural,
    };

    async fn handle(&self, deed: Deed, delivery: &Delivery) -> Result<Completion<Effect>, Failure> {
        self.handled.lock().unwrap().push(delivery.message_id().to_owned());
        let running = self.running.fetch_add(1, Ordering::SeqCst) + 1;
        self.most_running.fetch_max(running, Ordering::SeqCst);
        let done = perform(deed).await;
        self.running.fetch_sub(1, Ordering::SeqCst);
        done
    }
}

pub(crate) async fn perform(deed: Deed) -> Result<Completion<Effect>, Failure> {
    match deed {
        Deed::Succeed => {}
        Deed::Write => return Ok(Completion::new().write(write(Refusal::AlreadyDone))),
        Deed::WriteOnce => return Ok(Completion::new().write(write(Refusal::Permanent("there is another".to_owned())))),
        Deed::WriteBadly => {
            return Ok(Completion::new().write(Effect { meaning: None }));
        }
        Deed::PanicInDecoding(_) => unreachable!("it went off before"),
        Deed::Retry => return Err(Failure::retry("not today")),
        Deed::Permanent => return Err(Failure::permanent("not ever")),
        Deed::Panic => panic!("at the disco"),
        Deed::Hang => std::future::pending().await,
        Deed::RetryInAMinute => return Err(Failure::retry_after(Duration::from_secs(60), "come back later")),
        Deed::Send => return Ok(outgoing().into_iter().fold(Completion::new(), Completion::send)),
        Deed::WriteAndSend => {
            let written = Completion::new().write(write(Refusal::AlreadyDone));
            return Ok(outgoing().into_iter().fold(written, Completion::send));
        }
        Deed::SendRubbish => return Ok(with_rubbish(Completion::new())),
        Deed::WriteAndSendRubbish => {
            return Ok(with_rubbish(Completion::new().write(write(Refusal::AlreadyDone))));
        }
        Deed::WriteAndSendTooMuch => {
            let written = Completion::new().write(write(Refusal::AlreadyDone));
            return Ok(written.send(OutgoingMessage::new(MAIL, "x".repeat(400 * 1024))));
        }
        Deed::TakeASecond => tokio::time::sleep(Duration::from_secs(1)).await,
    }
    Ok(Completion::new())
}

/// Where deeds send their messages.
pub(crate) const MAIL: &str = "https://sqs.eu-west-1.amazonaws.com/000000000000/mail";
pub(crate) const LABELS: &str = "https://sqs.eu-west-1.amazonaws.com/000000000000/labels.fifo";

/// What a deed sends: the last under a key of its own.
fn outgoing() -> [OutgoingMessage; 3] {
    [
        OutgoingMessage::new(MAIL, "first").with_attribute("kind", "greeting"),
        OutgoingMessage::new(LABELS, "second").with_group("g"),
        OutgoingMessage::new(MAIL, "third").with_key("the third"),
    ]
}

fn with_rubbish(completion: Completion<Effect>) -> Completion<Effect> {
    completion
        .send(OutgoingMessage::new(MAIL, "fine"))
        .send(OutgoingMessage::new(MAIL, ""))
}

/// The bodies that a queue was sent, in order.
pub(crate) fn bodies(services: &Memory, queue: &str) -> Vec<String> {
    services
        .queues()
        .sent(queue)
        .into_iter()
        .map(|message| message.body)
        .collect()
}

fn write(refused: Refusal) -> Effect {
    Effect { meaning: Some(refused) }
}

/// A write of a deed.
#[derive(Debug, Clone)]
pub(crate) struct Effect {
    /// What its refusal means; `None`: reading it panics.
    meaning: Option<Refusal>,
}

impl Write for Effect {
    type Found = ();

    fn refusal(&self, found: Option<&()>) -> Refusal {
        match &self.meaning {
            Some(meaning) => meaning.clone(),
            None => panic!("while reading {found:?}"),
        }
    }
}

/// A message of an event.
#[derive(Debug, Clone)]
pub(crate) struct Sent(Value);

impl Sent {
    pub(crate) fn new(id: &str, body: impl Into<String>) -> Self {
        Self(json!({
            "messageId": id,
            "receiptHandle": format!("receipt of {id}"),
            "body": body.into(),
            "attributes": {"ApproximateReceiveCount": "1"},
        }))
    }

    /// Says something that SQS would say of it.
    pub(crate) fn system(mut self, name: &str, value: impl ToString) -> Self {
        self.0["attributes"][name] = value.to_string().into();
        self
    }

    pub(crate) fn group(self, group: &str) -> Self {
        self.system("MessageGroupId", group)
    }

    pub(crate) fn attribute(mut self, name: &str, value: &str) -> Self {
        self.0["messageAttributes"][name] = json!({"dataType": "String", "stringValue": value});
        self
    }

    pub(crate) fn field(mut self, name: &str, value: Value) -> Self {
        self.0[name] = value;
        self
    }
}

pub(crate) fn event_of(queue: &str, messages: impl IntoIterator<Item = Sent>) -> SqsEvent {
    let records: Vec<_> = messages
        .into_iter()
        .map(|sent| sent.field("eventSourceARN", queue.into()).0)
        .collect();
    serde_json::from_value(json!({ "Records": records })).unwrap()
}

pub(crate) const STANDARD: &str = "arn:aws:sqs:eu-west-1:000000000000:work";
pub(crate) const FIFO: &str = "arn:aws:sqs:eu-west-1:000000000000:work.fifo";

/// An event of messages that are each an ID, a group and a body.
pub(crate) fn event<'a>(queue: &str, messages: impl IntoIterator<Item = (&'a str, &'a str, String)>) -> SqsEvent {
    let sent = |(id, group, body): (&str, &str, String)| Sent::new(id, body).group(group);
    event_of(queue, messages.into_iter().map(sent))
}

/// An event of a standard queue, a deed a message.
pub(crate) fn deeds<'a>(messages: impl IntoIterator<Item = (&'a str, Deed)>) -> SqsEvent {
    event(STANDARD, messages.into_iter().map(|(id, deed)| (id, id, body(deed))))
}

pub(crate) fn body(deed: Deed) -> String {
    serde_json::to_string(&deed).unwrap()
}

pub(crate) const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

/// Ten seconds: handlers have 7.5 of them, and leases last eleven.
pub(crate) fn ten_seconds() -> Budget {
    Budget::new(NOW, NOW.plus(Duration::from_secs(10)))
}

pub(crate) fn key(message_id: &str) -> Key {
    Key::new("scripted", message_id).unwrap()
}

/// Where messages go that can never be worked.
pub(crate) const DEAD: &str = "https://sqs.eu-west-1.amazonaws.com/000000000000/work-dlq";

pub(crate) fn with_dead_letter_queue() -> Memory {
    let store = MemoryStore::new().with_max_record_bytes(400 * 1024);
    Services::new(store, MemoryQueues::new()).with_dead_letter_queue(DEAD)
}

pub(crate) fn status(services: &Memory, id: &str) -> Option<Status> {
    services.store().record(&key(id)).map(|record| record.status)
}

pub(crate) fn reason(services: &Memory, id: &str) -> Option<String> {
    services.store().record(&key(id))?.reason
}

pub(crate) type Memory = Services<MemoryStore<Effect>, MemoryQueues>;

/// Runs the event and gives back the IDs in the response.
pub(crate) async fn failed<H: Handler<Write = Effect>>(
    handler: &Arc<H>,
    services: &Memory,
    event: SqsEvent,
) -> Vec<String> {
    failed_within(&ten_seconds(), handler, services, event).await
}

pub(crate) async fn failed_within<H: Handler<Write = Effect>>(
    budget: &Budget,
    handler: &Arc<H>,
    services: &Memory,
    event: SqsEvent,
) -> Vec<String> {
    let report = batch::run(handler, services, event, budget).await.unwrap();
    let failures = report.response.batch_item_failures.into_iter();
    failures.map(|failure| failure.item_identifier).collect()
}
