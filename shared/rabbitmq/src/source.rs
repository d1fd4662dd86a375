//! A queue of RabbitMQ as the queue that messages are received from.

mod receive;
mod settle;

use std::num::{NonZeroU16, NonZeroU32};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use consumer::{Incoming, QueueOrder, Source, SourceError, SourceQueue, Verdict};
use tokio::sync::{Mutex, watch};

use crate::fault::Fault;
use crate::publisher::Publisher;
use crate::queues::destination;
use crate::session::Session;
use crate::topology::Topology;
use crate::{RabbitMq, RabbitMqReceipt, RabbitMqUrl};

/// How often a message is received at most, unless a program decides otherwise: the queue does not count retries, which are copies.
/// With the default delays, that takes more than an hour.
pub const DEFAULT_MAX_RECEIVE_COUNT: NonZeroU32 = match NonZeroU32::new(14) {
    Some(receives) => receives,
    None => NonZeroU32::MIN,
};

/// How long settling may take: a copy is sent after connecting, and confirmed, each with a limit of its own.
const SETTLING: Duration = Duration::from_secs(45);

/// A queue of RabbitMQ that a host polls.
///
/// It declares the queue, its dead-letter queue and its wait queues each time that it connects. On any error it connects again,
/// at the next receive. Receipts of the old connection are lost then, and the broker redelivers their messages. A receive that
/// is dropped before it returns has the same effect: to stop receiving, use [`close`](Source::close).
#[derive(Debug)]
pub struct RabbitMqSource {
    about: SourceQueue,
    url: RabbitMqUrl,
    topology: Topology,
    publisher: Arc<Publisher>,
    prefetch: NonZeroU16,
    feed: Mutex<Feed>,
    closed: watch::Sender<bool>,
    /// A wait queue is missing: declare the queues again at the next receive.
    incomplete: AtomicBool,
}

/// Where messages come from at present.
#[derive(Debug, Default)]
struct Feed {
    /// `None` also during a receive: if that is dropped, its session ends, and the broker gets its deliveries back.
    session: Option<Session>,
    /// Receives that have failed one after the other.
    failures: u32,
}

impl RabbitMqSource {
    /// Connects to the broker and declares the queue that the URL names, with its dead-letter queue and its wait queues. For a host
    /// that does something between that and its first message: [`open`](Self::open) declares them, too.
    ///
    /// # Errors
    ///
    /// [`SourceError`], for example because the password is wrong, or because a queue exists with other arguments.
    pub async fn declare(queues: &RabbitMq) -> Result<(), SourceError> {
        let url = queues.publisher.url();
        let topology = topology(url)?;
        let declared = Session::declare_alone(url, &topology).await;
        declared.map_err(|fault| fault.of_queue(&url.to_string()))
    }

    /// Connects to the broker, declares the queue that the URL names, and begins to consume it.
    ///
    /// `prefetch`: how many messages the broker sends without waiting for acknowledgements. Give it the number of messages that
    /// are processed at a time: more would wait in this process, hidden from others.
    ///
    /// # Errors
    ///
    /// [`SourceError`], for example because the password is wrong, or because a queue exists with other arguments.
    pub async fn open(queues: &RabbitMq, prefetch: NonZeroU16) -> Result<Self, SourceError> {
        let url = queues.publisher.url().clone();
        let name = url.to_string();
        let topology = topology(&url)?;
        let session = Session::open(&url, &topology, prefetch).await;
        let session = session.map_err(|fault| fault.of_queue(&name))?;
        Ok(Self {
            about: SourceQueue {
                name,
                order: match topology.ordered {
                    true => QueueOrder::HeldGroups,
                    false => QueueOrder::Unordered,
                },
                batch: prefetch.get().into(),
                window: url.query.window,
                settling: SETTLING,
                longest: Some(url.query.longest),
            },
            url,
            topology,
            publisher: Arc::clone(&queues.publisher),
            prefetch,
            feed: Mutex::new(Feed {
                session: Some(session),
                failures: 0,
            }),
            closed: watch::Sender::new(false),
            incomplete: AtomicBool::new(false),
        })
    }

    /// The destination of its dead letters: `amqp:NAME-dlq`.
    pub fn dead_letter_queue(&self) -> String {
        destination(&self.topology.dead_letter_queue())
    }

    fn is_closed(&self) -> bool {
        *self.closed.borrow()
    }

    /// Waits until [`close`](Source::close).
    async fn closed(&self) {
        // The sender lives as long as `self`, so this can't fail.
        let _ = self.closed.subscribe().wait_for(|closed| *closed).await;
    }

    fn error(&self, fault: Fault) -> SourceError {
        fault.of_queue(&self.about.name)
    }
}

fn topology(url: &RabbitMqUrl) -> Result<Topology, SourceError> {
    let unnamed = || Fault::refused("its URL names no queue; add ?queue=NAME").of_queue(&url.to_string());
    let queue = url.queue().ok_or_else(unnamed)?.to_owned();
    let ordered = url.is_ordered();
    Ok(Topology { queue, ordered })
}

impl Source for RabbitMqSource {
    type Receipt = RabbitMqReceipt;

    const SYSTEM: &'static str = "rabbitmq";

    fn queue(&self) -> &SourceQueue {
        &self.about
    }

    async fn receive(&self, max: usize) -> Result<Vec<(Incoming, RabbitMqReceipt)>, SourceError> {
        let mut feed = self.feed.lock().await;
        match self.take(&mut feed, max).await {
            Ok(received) => {
                feed.failures = 0;
                Ok(received)
            }
            Err(fault) => {
                feed.failures = feed.failures.saturating_add(1);
                feed.end().await;
                Err(self.error(fault))
            }
        }
    }

    /// Nothing to do: a message is hidden until it is settled, or its connection is closed.
    async fn extend(&self, receipts: &mut [RabbitMqReceipt], _: Duration) -> Vec<Result<(), SourceError>> {
        receipts.iter().map(|_| Ok(())).collect()
    }

    async fn settle(&self, messages: &mut [(RabbitMqReceipt, Verdict)]) -> Vec<Result<(), SourceError>> {
        let results = self.settle_all(messages).await.into_iter();
        results
            .map(|result| result.map_err(|fault| self.error(fault)))
            .collect()
    }

    async fn close(&self) {
        self.closed.send_replace(true);
        let mut feed = self.feed.lock().await;
        let Some(session) = feed.session.as_mut() else { return };
        // The messages of an ordered queue are returned all at once when the source is dropped. What is acknowledged is not.
        let closed = match self.topology.ordered {
            true => session.ping(self.prefetch).await,
            false => session.cancel().await,
        };
        if let Err(fault) = closed {
            tracing::warn!("queue {}: not closed in order: {fault}", self.about.name);
            feed.end().await;
        }
    }
}

impl Feed {
    async fn end(&mut self) {
        if let Some(session) = self.session.take() {
            session.end().await;
        }
    }
}
