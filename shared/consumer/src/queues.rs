//! The queues that messages are sent to.

use std::collections::HashMap;
use std::error::Error;
use std::future::Future;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::{Limits, QueueMessage};

/// The queues that outgoing messages and dead letters are sent to: implemented by a crate for each kind of queue, and
/// [in memory](MemoryQueues) for tests.
#[diagnostic::on_unimplemented(
    message = "`{Self}` can't send messages to queues",
    note = "use `Sqs` of the crate `sqs` on a host, or `MemoryQueues` in a test"
)]
pub trait Queues: Send + Sync + 'static {
    /// Sends messages to one queue, in order, in as many requests as the queue needs. A request that fails is the last.
    ///
    /// A message may arrive more than once: the consumer sends those again that [`QueueError::unsent`] names.
    ///
    /// # Errors
    ///
    /// [`QueueError`]: some of them, or all, may not have been sent.
    fn send(&self, queue: &str, messages: &[QueueMessage]) -> impl Future<Output = Result<(), QueueError>> + Send;

    /// What a queue accepts as a message.
    fn limits(&self, queue: &str) -> Limits;
}

/// A request to a queue failed, or its result is unknown.
#[derive(Debug, thiserror::Error)]
#[error("queue {queue}")]
pub struct QueueError {
    /// The queue's URL or ARN.
    pub queue: String,
    /// What the queue reported, or why there was no answer.
    #[source]
    pub why: Box<dyn Error + Send + Sync>,
    /// Positions of the messages that another try may send, in order: those that the queue was too busy for, and those that
    /// it may not have received. Empty: another try can't help, because the queue is missing or refuses them, for example.
    pub unsent: Vec<usize>,
}

impl QueueError {
    /// The error of a request that another try can't fix.
    pub fn refused(queue: impl Into<String>, why: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self {
            queue: queue.into(),
            why: why.into(),
            unsent: Vec::new(),
        }
    }
}

/// Queues in memory, for tests: they keep what was sent, and fail on demand.
#[derive(Debug, Default)]
pub struct MemoryQueues {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    sent: HashMap<String, Vec<QueueMessage>>,
    faults: Vec<QueueFault>,
}

/// How a queue may fail. Each fault affects one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QueueFault {
    /// Messages are not sent, because the queue is too busy.
    NotSent,
    /// Of the messages of one request, this one is not sent.
    EntryNotSent(usize),
    /// Messages are not sent, because the queue refuses them and would again.
    Refused,
    /// Messages are sent, but the reply is lost.
    ReplyLost,
    /// A request to send is never answered.
    SendHangs,
}

impl MemoryQueues {
    /// Empty queues.
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets the next request fail in this way.
    pub fn inject(&self, fault: QueueFault) {
        self.state().faults.push(fault);
    }

    /// The messages that were sent to a queue, in order.
    pub fn sent(&self, queue_url: &str) -> Vec<QueueMessage> {
        self.state().sent.get(queue_url).cloned().unwrap_or_default()
    }

    /// A panic of another test thread can't leave half a change behind, so a poisoned lock is usable.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the fault that was injected first.
    fn take_fault(&self) -> Option<QueueFault> {
        let mut state = self.state();
        (!state.faults.is_empty()).then(|| state.faults.remove(0))
    }
}

impl Queues for MemoryQueues {
    async fn send(&self, queue_url: &str, messages: &[QueueMessage]) -> Result<(), QueueError> {
        let (fault, all) = (self.take_fault(), 0..messages.len());
        let unsent: Vec<_> = match fault {
            None => Vec::new(),
            Some(QueueFault::EntryNotSent(position)) => vec![position],
            Some(_) => all.clone().collect(),
        };
        let sent = |position: &usize| fault == Some(QueueFault::ReplyLost) || !unsent.contains(position);
        let sent = all.filter(sent).map(|position| messages[position].clone());
        self.state().sent.entry(queue_url.to_owned()).or_default().extend(sent);
        match fault {
            None => Ok(()),
            Some(QueueFault::SendHangs) => std::future::pending().await,
            Some(QueueFault::Refused) => Err(QueueError::refused(queue_url, "injected")),
            Some(_) => Err(QueueError {
                unsent,
                ..QueueError::refused(queue_url, "injected")
            }),
        }
    }

    /// 1 MiB, ten attributes, a body, no control characters. A queue is ordered if its name ends with `.fifo`.
    fn limits(&self, queue: &str) -> Limits {
        Limits {
            message_bytes: 1024 * 1024,
            attributes: 10,
            empty_body: false,
            ordered: queue.ends_with(".fifo"),
            character: |character| !character.is_control() || matches!(character, '\t' | '\n' | '\r'),
            attribute_name: |name| !name.is_empty(),
            group: |group| !group.is_empty(),
            other: |_| Ok(()),
        }
    }
}
