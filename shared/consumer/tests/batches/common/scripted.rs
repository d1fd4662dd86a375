//! A scripted handler, whose message is its action.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use consumer::{Delivery, Failure, Handler, Mode};
use idempotency::{Completion, OutgoingMessage, Refusal, Write};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Action {
    Succeed,
    /// Succeeds with a write; its refusal means already done.
    Write,
    /// Succeeds with a write; its refusal is permanent.
    WriteOnce,
    /// Succeeds with a write; its refusal panics.
    PanicInRefusal,
    Retry,
    Permanent,
    Panic,
    /// Panics while its body is decoded.
    PanicInDecoding(Panicking),
    Hang,
    TakeASecond,
    /// Fails with a retry after a minute.
    RetryInAMinute,
    /// Succeeds with three messages: to one queue, another, and the first again.
    Send,
    /// Succeeds with the write of `Write` and the messages of `Send`.
    WriteAndSend,
    /// Succeeds with a message that no queue accepts.
    SendInvalid,
    /// Succeeds with a write and a message that no queue accepts.
    WriteAndSendInvalid,
    /// Succeeds with a write and more messages than a record has room for.
    WriteAndSendTooMuch,
}

/// Panics when it is decoded, as a wrong `Deserialize` may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct Panicking;

impl<'de> Deserialize<'de> for Panicking {
    fn deserialize<D: serde::Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        panic!("while decoding")
    }
}

/// Performs the action of each message: `'c'` in claim-then-complete mode, `'o'` in one-step mode, `'n'` in natural mode.
#[derive(Default)]
pub(crate) struct Scripted<const MODE: char> {
    /// The IDs of handled messages, in the order in which they were started.
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
    type Message = Action;
    type Write = Effect;
    const NAMESPACE: &'static str = "scripted";
    const MODE: Mode = match MODE {
        'c' => Mode::ClaimThenComplete,
        'o' => Mode::OneStep,
        _ => Mode::Natural,
    };

    async fn handle(&self, action: Action, delivery: &Delivery) -> Result<Completion<Effect>, Failure> {
        self.handled.lock().unwrap().push(delivery.message_id().to_owned());
        let running = self.running.fetch_add(1, Ordering::SeqCst) + 1;
        self.most_running.fetch_max(running, Ordering::SeqCst);
        let done = perform(action).await;
        self.running.fetch_sub(1, Ordering::SeqCst);
        done
    }
}

pub(crate) async fn perform(action: Action) -> Result<Completion<Effect>, Failure> {
    match action {
        Action::Succeed => {}
        Action::Write => return Ok(Completion::new().write(write(Refusal::AlreadyDone))),
        Action::WriteOnce => {
            return Ok(Completion::new().write(write(Refusal::Permanent("there is another".to_owned()))));
        }
        Action::PanicInRefusal => {
            return Ok(Completion::new().write(Effect { meaning: None }));
        }
        Action::PanicInDecoding(_) => unreachable!("decoding has panicked"),
        Action::Retry => return Err(Failure::retry("not today")),
        Action::Permanent => return Err(Failure::permanent("not ever")),
        Action::Panic => panic!("while handling"),
        Action::Hang => std::future::pending().await,
        Action::RetryInAMinute => return Err(Failure::retry_after(Duration::from_secs(60), "in a minute")),
        Action::Send => return Ok(outgoing().into_iter().fold(Completion::new(), Completion::send)),
        Action::WriteAndSend => {
            let written = Completion::new().write(write(Refusal::AlreadyDone));
            return Ok(outgoing().into_iter().fold(written, Completion::send));
        }
        Action::SendInvalid => return Ok(with_invalid(Completion::new())),
        Action::WriteAndSendInvalid => {
            return Ok(with_invalid(Completion::new().write(write(Refusal::AlreadyDone))));
        }
        Action::WriteAndSendTooMuch => {
            let written = Completion::new().write(write(Refusal::AlreadyDone));
            return Ok(written.send(OutgoingMessage::new(MAIL, "x".repeat(400 * 1024))));
        }
        Action::TakeASecond => tokio::time::sleep(Duration::from_secs(1)).await,
    }
    Ok(Completion::new())
}

/// The queues to which actions send messages.
pub(crate) const MAIL: &str = "https://sqs.eu-west-1.amazonaws.com/000000000000/mail";
pub(crate) const LABELS: &str = "https://sqs.eu-west-1.amazonaws.com/000000000000/labels.fifo";

/// The messages of an action; the last has a key of its own.
fn outgoing() -> [OutgoingMessage; 3] {
    [
        OutgoingMessage::new(MAIL, "first").with_attribute("kind", "greeting"),
        OutgoingMessage::new(LABELS, "second").with_group("g"),
        OutgoingMessage::new(MAIL, "third").with_key("the third"),
    ]
}

fn with_invalid(completion: Completion<Effect>) -> Completion<Effect> {
    completion
        .send(OutgoingMessage::new(MAIL, "fine"))
        .send(OutgoingMessage::new(MAIL, ""))
}

fn write(refused: Refusal) -> Effect {
    Effect { meaning: Some(refused) }
}

/// The write of an action.
#[derive(Debug, Clone)]
pub(crate) struct Effect {
    /// What its refusal means; `None`: it panics.
    meaning: Option<Refusal>,
}

impl Write for Effect {
    type Found = ();

    fn refusal(&self, found: Option<&()>) -> Refusal {
        match &self.meaning {
            Some(meaning) => meaning.clone(),
            None => panic!("refused by {found:?}"),
        }
    }
}
