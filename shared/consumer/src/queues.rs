//! What a batch asks of the queues.

use std::collections::{BTreeMap, HashMap};
use std::error::Error;
use std::future::Future;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::Attribute;

/// The queues, as a batch needs them: implemented over SQS by the host, and [in memory](MemoryQueues) for tests.
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

/// A message as it is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueMessage {
    /// The body.
    pub body: String,
    /// The message attributes.
    pub attributes: BTreeMap<String, Attribute>,
    /// The message group, which FIFO queues demand.
    pub group: Option<String>,
    /// By which a FIFO queue tells a copy for five minutes; of no use to a standard queue.
    pub deduplication_id: Option<String>,
    /// The system attribute `AWSTraceHeader`, so that a trace goes on with the message.
    pub trace_header: Option<String>,
}

/// A queue did not do what it was asked for, or nobody knows whether it did.
#[derive(Debug, thiserror::Error)]
#[error("queue {queue}")]
pub struct QueueError {
    /// The queue's URL or ARN.
    pub queue: String,
    /// What it said, or why it said nothing.
    #[source]
    pub why: Box<dyn Error + Send + Sync>,
}

/// Queues in memory: what was sent and hidden, for a test to look at, and queues that misbehave when told so.
#[derive(Debug, Default)]
pub struct MemoryQueues {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    sent: HashMap<String, Vec<QueueMessage>>,
    faults: Vec<QueueFault>,
}

/// What queues may do instead of answering. Each strikes once, at the next request of its kind.
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
    /// Queues that were sent nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets the queues misbehave once.
    pub fn inject(&self, fault: QueueFault) {
        self.state().faults.push(fault);
    }

    /// What a queue was sent, in order.
    pub fn sent(&self, queue_url: &str) -> Vec<QueueMessage> {
        self.state().sent.get(queue_url).cloned().unwrap_or_default()
    }

    /// A panic of another test thread can't leave half a change behind, so a poisoned lock is as good as any.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The first of these faults that was injected, which is then used up.
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
