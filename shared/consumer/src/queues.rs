//! The queues that processing sends to.

use std::collections::{BTreeMap, HashMap};
use std::error::Error;
use std::future::Future;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::Attribute;

/// Queues to send messages to. A crate per queue service implements it; [`MemoryQueues`] is for tests.
pub trait Queues: Send + Sync + 'static {
    /// Sends messages to one queue, in order: at most ten, at most 1 MiB together.
    ///
    /// A message may arrive more than once.
    ///
    /// # Errors
    ///
    /// [`QueueError`]: some of them, or all, may not have been sent.
    fn send(&self, queue_url: &str, messages: Vec<QueueMessage>)
    -> impl Future<Output = Result<(), QueueError>> + Send;
}

/// A message to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueMessage {
    /// The body.
    pub body: String,
    /// The message attributes.
    pub attributes: BTreeMap<String, Attribute>,
    /// The message group, which FIFO queues require.
    pub group: Option<String>,
    /// The deduplication ID, by which a FIFO queue recognises a copy for five minutes. Standard queues have none.
    pub deduplication_id: Option<String>,
    /// The trace, in the format of `AWSTraceHeader`: the receiver continues it.
    pub trace_header: Option<String>,
}

/// A request to a queue failed, or its result is unknown.
#[derive(Debug, thiserror::Error)]
#[error("queue {queue}")]
pub struct QueueError {
    /// The queue's URL or ARN.
    pub queue: String,
    /// The queue's error, or why there is no reply.
    #[source]
    pub why: Box<dyn Error + Send + Sync>,
}

/// Queues in memory, for tests: they record what was sent, and fail as injected.
#[derive(Debug, Default)]
pub struct MemoryQueues {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    sent: HashMap<String, Vec<QueueMessage>>,
    faults: Vec<QueueFault>,
}

/// A fault to inject. Each affects one request.
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

    /// Injects a fault into the next request.
    pub fn inject(&self, fault: QueueFault) {
        self.state().faults.push(fault);
    }

    /// The messages sent to a queue, in order.
    pub fn sent(&self, queue_url: &str) -> Vec<QueueMessage> {
        self.state().sent.get(queue_url).cloned().unwrap_or_default()
    }

    /// A panic in another test thread leaves no partial change behind, so a poisoned lock is safe to use.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Removes and returns the first of these faults that was injected.
    fn strike(&self, faults: &[QueueFault]) -> Option<QueueFault> {
        let mut state = self.state();
        let at = state.faults.iter().position(|fault| faults.contains(fault))?;
        Some(state.faults.remove(at))
    }
}

impl Queues for MemoryQueues {
    async fn send(&self, queue_url: &str, messages: Vec<QueueMessage>) -> Result<(), QueueError> {
        let fault = self.strike(&[QueueFault::NotSent, QueueFault::ReplyLost, QueueFault::SendHangs]);
        if !matches!(fault, Some(QueueFault::NotSent | QueueFault::SendHangs)) {
            self.state()
                .sent
                .entry(queue_url.to_owned())
                .or_default()
                .extend(messages);
        }
        answer(queue_url, fault).await
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
