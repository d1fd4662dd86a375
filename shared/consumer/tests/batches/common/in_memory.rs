//! The scripted handler's effects, in memory.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use consumer::{Delivery, Failure};
use idempotency::{Completion, OutgoingMessage, Refusal, Write};
use scripted::{Effects, Refused, Script, kind};

pub(crate) type Scripted<K> = scripted::Scripted<K, InMemory>;
pub(crate) type Claiming = Scripted<kind::Claiming>;
pub(crate) type OneStep = Scripted<kind::OneStep>;
pub(crate) type Natural = Scripted<kind::Natural>;

/// Performs a script for a handler that is not scripted otherwise.
pub(crate) async fn perform(script: &Script, delivery: &Delivery) -> Result<Completion<Effect>, Failure> {
    scripted::run(script, &InMemory::default(), delivery).await
}

#[derive(Default)]
pub(crate) struct InMemory {
    /// The IDs of handled messages, in the order in which they were started.
    handled: Mutex<Vec<String>>,
    running: AtomicUsize,
    most_running: AtomicUsize,
}

impl InMemory {
    pub(crate) fn handled(&self) -> Vec<String> {
        self.handled.lock().unwrap().clone()
    }

    /// How many messages were processed concurrently, at most.
    pub(crate) fn most_running(&self) -> usize {
        self.most_running.load(Ordering::SeqCst)
    }
}

impl Effects for InMemory {
    type Write = Effect;

    async fn started(&self, delivery: &Delivery) -> Result<(), Failure> {
        self.handled.lock().unwrap().push(delivery.message_id().to_owned());
        let running = self.running.fetch_add(1, Ordering::SeqCst) + 1;
        self.most_running.fetch_max(running, Ordering::SeqCst);
        Ok(())
    }

    fn ended(&self) {
        self.running.fetch_sub(1, Ordering::SeqCst);
    }

    fn write(&self, refused: Refused, _: &Delivery) -> Result<Effect, Failure> {
        Ok(Effect { refused })
    }

    /// The last one has a key of its own.
    fn outgoing(&self) -> Result<Vec<OutgoingMessage>, Failure> {
        Ok(vec![
            OutgoingMessage::new(MAIL, "first").with_attribute("kind", "greeting"),
            OutgoingMessage::new(LABELS, "second").with_group("g"),
            OutgoingMessage::new(MAIL, "third").with_key("the third"),
        ])
    }

    async fn released(&self) -> Result<(), Failure> {
        unreachable!("tests in memory pause the time instead")
    }
}

/// The queues of the outgoing messages.
pub(crate) const MAIL: &str = "https://sqs.eu-west-1.amazonaws.com/000000000000/mail";
pub(crate) const LABELS: &str = "https://sqs.eu-west-1.amazonaws.com/000000000000/labels.fifo";

/// The write of an action.
#[derive(Debug, Clone)]
pub(crate) struct Effect {
    refused: Refused,
}

impl Write for Effect {
    type Found = ();

    fn refusal(&self, found: Option<&()>) -> Refusal {
        match self.refused {
            Refused::AlreadyDone => Refusal::AlreadyDone,
            Refused::Permanent => Refusal::Permanent("there is another".to_owned()),
            Refused::Panic => panic!("refused by {found:?}"),
        }
    }
}
