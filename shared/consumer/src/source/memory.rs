//! A queue in memory, for tests of a host.

mod faults;
mod messages;
mod record;
#[cfg(test)]
mod tests;

use std::future::pending;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use idempotency::Timestamp;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

pub use faults::{InjectedFault, SourceOperation};
pub use messages::{MemoryReceipt, StoredMessage};
pub use record::{SourceAction, SourceRecord};

use self::faults::Faults;
use self::messages::Messages;
use crate::{Incoming, MessageId, QueueOrder, Source, SourceError, SourceFault, SourceQueue, Verdict};

/// How long a receive waits for messages, as on SQS.
const LONG_POLL: Duration = Duration::from_secs(20);

/// A queue in memory that behaves as SQS does, on tokio's clock: a test may pause it. It fails on demand, and keeps a record.
///
/// Visibility timeouts, receive counts and message groups are those of SQS. So are old receipts: on a standard queue, deleting
/// with one succeeds and deletes nothing.
#[derive(Debug)]
pub struct MemorySource {
    queue: SourceQueue,
    state: Mutex<State>,
    /// Notified when something that a waiting receive could return has changed.
    changed: Notify,
    clock: Clock,
}

#[derive(Debug)]
struct State {
    messages: Messages,
    faults: Faults,
    record: Vec<SourceRecord>,
    closed: bool,
}

/// The system clock, read once; from then on time passes by tokio's clock.
#[derive(Debug)]
struct Clock {
    started: Instant,
    started_at: Timestamp,
}

impl Clock {
    fn now(&self) -> Timestamp {
        self.started_at.plus(self.started.elapsed())
    }
}

impl Default for MemorySource {
    fn default() -> Self {
        Self::new()
    }
}

impl MemorySource {
    /// An empty standard queue: without order, with a visibility timeout of 30 seconds.
    pub fn new() -> Self {
        Self::of(QueueOrder::Unordered)
    }

    /// An empty FIFO queue: a message group waits while one of its messages is in flight.
    pub fn fifo() -> Self {
        Self::of(QueueOrder::Groups)
    }

    /// An empty queue that can't hide a message, as RabbitMQ: a received message stays in flight until it is settled. A retry returns
    /// it to its position, once no other message is in flight; until then nothing is received.
    pub fn held() -> Self {
        Self::of(QueueOrder::HeldGroups)
    }

    fn of(order: QueueOrder) -> Self {
        let state = State {
            messages: Messages::new(order),
            faults: Faults::default(),
            record: Vec::new(),
            closed: false,
        };
        Self {
            queue: SourceQueue {
                name: "memory".to_owned(),
                order,
                batch: 10,
                window: Duration::from_secs(30),
                settling: Duration::from_secs(6),
                longest: None,
            },
            state: Mutex::new(state),
            changed: Notify::new(),
            clock: Clock {
                started: Instant::now(),
                started_at: Timestamp::now(),
            },
        }
    }

    /// Hides a received message for this long.
    #[must_use]
    pub fn with_window(mut self, window: Duration) -> Self {
        self.queue.window = window;
        self.queue.settling = window / 5;
        self
    }

    /// Hides a message for at most this long after its receive; by default without end.
    #[must_use]
    pub fn with_longest(mut self, longest: Duration) -> Self {
        self.queue.longest = Some(longest);
        self
    }

    /// Adds a message. Its receives are counted on top of those that its receive count states; 1 states none.
    pub fn send(&self, message: Incoming) {
        let now = self.now();
        self.state().messages.add(Incoming {
            sent_at: message.sent_at.or(Some(now)),
            ..message
        });
        self.changed.notify_waiters();
    }

    /// Lets the next request of this kind fail in this way. Each fault affects one request, in the order of injection.
    pub fn inject(&self, operation: SourceOperation, fault: InjectedFault) {
        self.state().faults.inject(operation, fault);
    }

    /// Ends the visibility timeouts of all messages in flight, as a lost connection does: each can be received again, and on a queue
    /// that [can't hide](Self::held) messages no receipt is valid any more.
    pub fn redeliver(&self) {
        self.state().messages.redeliver();
        self.changed.notify_waiters();
    }

    /// The time of day of this queue. It passes by tokio's clock.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The messages that are not deleted, in the order of sending.
    pub fn left(&self) -> Vec<StoredMessage> {
        self.state().messages.left(Instant::now())
    }

    /// The messages that were deleted, in that order.
    pub fn deleted(&self) -> Vec<MessageId> {
        self.state().messages.deleted().to_vec()
    }

    /// All that was requested, in order.
    pub fn record(&self) -> Vec<SourceRecord> {
        self.state().record.clone()
    }

    /// A panic of another test thread can't leave half a change behind, so a poisoned lock is usable.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn error(&self, fault: SourceFault) -> SourceError {
        let why = match fault {
            SourceFault::ReceiptLost => "the receipt is not valid: the message is visible, received again, or deleted",
            SourceFault::Unavailable | SourceFault::Refused => "injected",
        };
        SourceError {
            queue: self.queue.name.clone(),
            fault,
            why: why.into(),
        }
    }

    /// Waits for messages, and takes them.
    async fn poll(&self, max: usize) -> Vec<(Incoming, MemoryReceipt)> {
        let deadline = Instant::now() + LONG_POLL;
        loop {
            // Listens before it looks, so that nothing in between is missed.
            let changed = self.changed.notified();
            let now = Instant::now();
            let wake = {
                let mut state = self.state();
                if state.closed {
                    return Vec::new();
                }
                let received = state
                    .messages
                    .receive(now, max.min(self.queue.batch), self.queue.window);
                if !received.is_empty() || max == 0 || now >= deadline {
                    return received;
                }
                state.messages.next_visible(now).unwrap_or(deadline).min(deadline)
            };
            // Either way it looks again.
            let _ = timeout_at(wake, changed).await;
        }
    }

    /// Takes the fault of the next request of this kind; never returns from one that hangs.
    async fn fault(&self, operation: SourceOperation) -> Option<InjectedFault> {
        let fault = self.state().faults.take(operation);
        match fault {
            Some(InjectedFault::Hangs) => pending().await,
            fault => fault,
        }
    }

    /// Applies each request, in order, unless a fault prevents it.
    async fn apply(
        &self,
        operation: SourceOperation,
        requests: Vec<(MemoryReceipt, SourceAction)>,
    ) -> Vec<Result<(), SourceError>> {
        let fault = self.fault(operation).await;
        let at = self.now();
        let mut state = self.state();
        let mut results = Vec::with_capacity(requests.len());
        for (position, (receipt, action)) in requests.into_iter().enumerate() {
            let applied = match fault.and_then(|fault| fault.before(position)) {
                Some(prevented) => Err(prevented),
                None => self.apply_one(&mut state.messages, &receipt, &action, at),
            };
            let result = fault.and_then(|fault| fault.after(position)).map_or(applied, Err);
            state.record.push(SourceRecord {
                at,
                message: receipt.message,
                action,
                fault: result.err(),
            });
            results.push(result.map_err(|fault| self.error(fault)));
        }
        drop(state);
        self.changed.notify_waiters();
        results
    }

    fn apply_one(
        &self,
        messages: &mut Messages,
        receipt: &MemoryReceipt,
        action: &SourceAction,
        at: Timestamp,
    ) -> Result<(), SourceFault> {
        let now = Instant::now();
        let can_hide = self.queue.order != QueueOrder::HeldGroups;
        let longest = self.queue.longest;
        match action {
            SourceAction::Extended { by } if can_hide => messages.hide(receipt, now, *by, longest),
            SourceAction::Settled(Verdict::Done | Verdict::Rejected) => messages.delete(receipt, now),
            SourceAction::Settled(Verdict::Retry { .. }) if !can_hide => messages.requeue(receipt, now),
            SourceAction::Settled(Verdict::Retry { at: Some(visible_at) }) => {
                messages.hide(receipt, now, at.until(*visible_at), longest)
            }
            // Nothing to do.
            SourceAction::Settled(Verdict::Retry { at: None })
            | SourceAction::Extended { .. }
            | SourceAction::Received { .. } => Ok(()),
        }
    }
}

impl Source for MemorySource {
    type Receipt = MemoryReceipt;

    const SYSTEM: &'static str = "memory";

    fn queue(&self) -> &SourceQueue {
        &self.queue
    }

    async fn receive(&self, max: usize) -> Result<Vec<(Incoming, MemoryReceipt)>, SourceError> {
        let fault = self.fault(SourceOperation::Receive).await;
        if let Some(fault @ (InjectedFault::Unavailable | InjectedFault::Refused)) = fault {
            return Err(self.error(fault.before(0).unwrap_or(SourceFault::Unavailable)));
        }
        let received = self.poll(max).await;
        let (at, mut returned) = (self.now(), Vec::new());
        for (position, (message, receipt)) in received.into_iter().enumerate() {
            let lost = fault.and_then(|fault| fault.after(position));
            self.state().record.push(SourceRecord::received(at, &message, lost));
            returned.extend(lost.is_none().then_some((message, receipt)));
        }
        match fault {
            Some(InjectedFault::ReplyLost) => Err(self.error(SourceFault::Unavailable)),
            _ => Ok(returned),
        }
    }

    async fn extend(&self, receipts: &mut [MemoryReceipt], by: Duration) -> Vec<Result<(), SourceError>> {
        let requests = receipts
            .iter()
            .map(|receipt| (receipt.clone(), SourceAction::Extended { by }));
        self.apply(SourceOperation::Extend, requests.collect()).await
    }

    async fn settle(&self, messages: &mut [(MemoryReceipt, Verdict)]) -> Vec<Result<(), SourceError>> {
        let requests = messages.iter();
        let requests = requests.map(|(receipt, verdict)| (receipt.clone(), SourceAction::Settled(*verdict)));
        self.apply(SourceOperation::Settle, requests.collect()).await
    }

    async fn close(&self) {
        self.state().closed = true;
        self.changed.notify_waiters();
    }
}
