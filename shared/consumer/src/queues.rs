//! The queues that messages are sent to.

use std::collections::HashMap;
use std::error::Error;
use std::future::Future;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::{Limits, QueueMessage};

/// The queues that outgoing messages and dead letters are sent to: implemented by a crate for each kind of queue, and
/// [in memory](MemoryQueues) for tests.
pub trait Queues: Send + Sync + 'static {
    /// Sends messages to one queue, in order, in as many requests as the queue needs.
    ///
    /// A message may arrive more than once.
    ///
    /// # Errors
    ///
    /// [`QueueError`]: some of them, or all, may not have been sent.
    fn send(&self, queue: &str, messages: Vec<QueueMessage>) -> impl Future<Output = Result<(), QueueError>> + Send;

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
    /// Messages are not sent.
    NotSent,
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

    /// Takes the first of these faults that was injected.
    fn take_fault(&self, faults: &[QueueFault]) -> Option<QueueFault> {
        let mut state = self.state();
        let at = state.faults.iter().position(|fault| faults.contains(fault))?;
        Some(state.faults.remove(at))
    }
}

impl Queues for MemoryQueues {
    async fn send(&self, queue_url: &str, messages: Vec<QueueMessage>) -> Result<(), QueueError> {
        let fault = self.take_fault(&[QueueFault::NotSent, QueueFault::ReplyLost, QueueFault::SendHangs]);
        if !matches!(fault, Some(QueueFault::NotSent | QueueFault::SendHangs)) {
            self.state()
                .sent
                .entry(queue_url.to_owned())
                .or_default()
                .extend(messages);
        }
        answer(queue_url, fault).await
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
        }
    }
}

async fn answer(queue: &str, fault: Option<QueueFault>) -> Result<(), QueueError> {
    match fault {
        None => Ok(()),
        Some(QueueFault::SendHangs) => std::future::pending().await,
        Some(_) => Err(QueueError {
            queue: queue.to_owned(),
            why: "injected".into(),
        }),
    }
}
