//! A queue under test, and what the tests do with it.

use std::collections::BTreeMap;
use std::future::Future;
use std::time::Duration;

use consumer::{Incoming, MessageId, QueueMessage, QueueOrder, Source, SourceFault, Verdict};
use idempotency::Timestamp;

/// A queue under test: what its author provides to run the suite. Each test has a fresh, empty queue of its own.
pub trait UnderTest: Send + Sync {
    /// The queue, as a host polls it.
    type Source: Source;

    /// The queue.
    fn source(&self) -> &Self::Source;

    /// Sends messages to the queue, in order, and returns the IDs under which they will be received.
    fn send(&self, messages: &[QueueMessage]) -> impl Future<Output = Vec<MessageId>> + Send;

    /// How many messages the queue holds: visible, delayed or in flight.
    fn left(&self) -> impl Future<Output = usize> + Send;

    /// Makes the queue redeliver all messages in flight. A queue without visibility timeouts loses its connection here.
    fn redeliver(&self) -> impl Future<Output = ()> + Send {
        self.wait(self.source().queue().window)
    }

    /// Lets this time pass. A test whose clock is paused is not slower for it.
    fn wait(&self, time: Duration) -> impl Future<Output = ()> + Send {
        tokio::time::sleep(time)
    }

    /// The clock by which [`Verdict::Retry`] states a time.
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    /// What the queue can do.
    fn abilities(&self) -> Abilities {
        Abilities::default()
    }
}

/// What a queue can do. A test of something else is skipped. The default is what SQS can do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Abilities {
    /// It has visibility timeouts: a message can be hidden for longer, and is redelivered when the time ends.
    pub hides: bool,
    /// A message that is redelivered without a verdict states a higher receive count.
    pub counts_redeliveries: bool,
    /// Attributes may be numbers and bytes, not only strings.
    pub typed_attributes: bool,
    /// A message states its deduplication ID.
    pub deduplication_ids: bool,
    /// A message states the trace of its producer.
    pub traces: bool,
    /// The size of the largest body, in bytes.
    pub body_bytes: usize,
    /// A delay that the queue can keep.
    pub delay: Duration,
    /// By how much that delay may be too short.
    pub early: Duration,
    /// By how much it may be too long.
    pub late: Duration,
}

impl Default for Abilities {
    fn default() -> Self {
        Self {
            hides: true,
            counts_redeliveries: true,
            typed_attributes: true,
            deduplication_ids: true,
            traces: true,
            body_bytes: 1024 * 1024,
            delay: Duration::from_secs(60),
            early: Duration::ZERO,
            late: Duration::from_secs(1),
        }
    }
}

/// A received message with its receipt.
pub(super) type Received<U> = (Incoming, ReceiptOf<U>);
pub(super) type ReceiptOf<U> = <<U as UnderTest>::Source as Source>::Receipt;

/// A retry at once: its time is over.
pub(super) const RETRY_NOW: Verdict = Verdict::Retry {
    at: Some(Timestamp::from_millis(0)),
};

/// So many receives return what is there. A receive may return less than there is.
const RECEIVES: usize = 20;

/// A message of a group of its own. Within a queue, `name` is given once.
pub(super) fn message(name: &str) -> QueueMessage {
    in_group(name, name)
}

pub(super) fn in_group(name: &str, group: &str) -> QueueMessage {
    QueueMessage {
        body: name.to_owned(),
        attributes: BTreeMap::new(),
        group: Some(group.to_owned()),
        deduplication_id: Some(name.to_owned()),
        trace_header: None,
    }
}

pub(super) async fn send<U: UnderTest>(queue: &U, names: &[&str]) -> Vec<MessageId> {
    let messages: Vec<_> = names.iter().map(|name| message(name)).collect();
    queue.send(&messages).await
}

/// Receives this many messages.
pub(super) async fn receive<U: UnderTest>(queue: &U, count: usize) -> Vec<Received<U>> {
    let mut received = Vec::new();
    for _ in 0..RECEIVES {
        if received.len() >= count {
            break;
        }
        received.extend(queue.source().receive(count - received.len()).await.unwrap());
    }
    assert_eq!(received.len(), count, "received {:?}", bodies::<U>(&received));
    received
}

pub(super) async fn receive_one<U: UnderTest>(queue: &U) -> Received<U> {
    receive(queue, 1).await.remove(0)
}

/// Receives and deletes this many messages, two at a time, and returns their bodies.
pub(super) async fn drain<U: UnderTest>(queue: &U, count: usize) -> Vec<String> {
    let mut drained = Vec::new();
    for _ in 0..count + RECEIVES {
        if drained.len() >= count {
            break;
        }
        for (message, receipt) in queue.source().receive(2).await.unwrap() {
            drained.push(message.body);
            settle::<U>(queue, receipt, Verdict::Done).await.unwrap();
        }
    }
    drained
}

/// The messages that can be received now, without waiting for a long poll: those that arrive until a message that is sent last.
pub(super) async fn visible<U: UnderTest>(queue: &U, marker: &str) -> Vec<String> {
    send(queue, &[marker]).await;
    let mut visible = Vec::new();
    for _ in 0..RECEIVES {
        for (message, receipt) in queue.source().receive(10).await.unwrap() {
            if message.body == marker {
                settle::<U>(queue, receipt, Verdict::Done).await.unwrap();
                return visible;
            }
            visible.push(message.body);
        }
    }
    panic!("a message that was just sent is not received, only {visible:?}");
}

pub(super) async fn settle<U: UnderTest>(
    queue: &U,
    receipt: ReceiptOf<U>,
    verdict: Verdict,
) -> Result<(), SourceFault> {
    let mut results = settle_all(queue, &mut [(receipt, verdict)]).await;
    results.remove(0)
}

/// The faults of all, one for each.
pub(super) async fn settle_all<U: UnderTest>(
    queue: &U,
    messages: &mut [(ReceiptOf<U>, Verdict)],
) -> Vec<Result<(), SourceFault>> {
    let results = queue.source().settle(messages).await;
    assert_eq!(results.len(), messages.len(), "one result per message");
    results
        .into_iter()
        .map(|result| result.map_err(|error| error.fault))
        .collect()
}

pub(super) fn retry_at<U: UnderTest>(queue: &U, delay: Duration) -> Verdict {
    let at = Some(queue.now().plus(delay));
    Verdict::Retry { at }
}

/// A stale receipt is reported as lost, or has no effect.
pub(super) fn assert_lost_or_harmless(result: Result<(), SourceFault>) {
    assert!(
        matches!(result, Ok(()) | Err(SourceFault::ReceiptLost)),
        "a stale receipt is reported as {result:?}"
    );
}

pub(super) fn bodies<U: UnderTest>(received: &[Received<U>]) -> Vec<&str> {
    received.iter().map(|(message, _)| message.body.as_str()).collect()
}

pub(super) fn order<U: UnderTest>(queue: &U) -> QueueOrder {
    queue.source().queue().order
}

/// Reports a test that does not apply.
pub(super) fn skipped(why: &str) {
    println!("skipped: the queue {why}");
}
