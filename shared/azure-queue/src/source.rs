//! A Storage Queue as the queue that messages are received from.

mod receive;
mod settle;

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::time::Duration;

use consumer::{Incoming, QueueOrder, Source, SourceError, SourceQueue, Verdict};
use tokio::sync::watch;

use crate::fault::Fault;
use crate::operations::MOST_MESSAGES;
use crate::queues::shown;
use crate::undecodable::Mover;
use crate::{AzureQueueUrl, AzureQueues};

/// How often a message is received at most, unless a program decides otherwise: the queue has no limit of its own. With the
/// default delays, that takes more than an hour. Azure Functions move messages after five.
pub const DEFAULT_MAX_RECEIVE_COUNT: NonZeroU32 = match NonZeroU32::new(14) {
    Some(receives) => receives,
    None => NonZeroU32::MIN,
};

/// A Storage Queue that a host polls.
///
/// There is no long poll: an empty queue is polled again after a delay that doubles, from 0.1 s up to 5 s.
#[derive(Debug)]
pub struct AzureQueueSource {
    about: SourceQueue,
    url: AzureQueueUrl,
    queues: AzureQueues,
    mover: Mover,
    dead_letter_queue: String,
    /// Empty answers, one after the other.
    empty: AtomicU32,
    closed: watch::Sender<bool>,
}

/// The receipt of a message. Each extension replaces it at the queue, so it can't be cloned.
#[derive(Debug)]
pub struct AzureQueueReceipt {
    message_id: String,
    pop_receipt: String,
}

impl AzureQueueSource {
    /// Checks that the queue exists. Messages that can't be decoded are moved to `dead_letter_queue`, the URL of a queue of the
    /// same account, which a host also gives to its services: by default [`AzureQueueUrl::dead_letter_queue`].
    ///
    /// # Errors
    ///
    /// [`SourceError`]. `Refused`: the queue is missing, or the credentials are not accepted; the text states what to do.
    /// `Unavailable`: try again.
    pub async fn open(
        queues: &AzureQueues,
        url: AzureQueueUrl,
        dead_letter_queue: impl Into<String>,
    ) -> Result<Self, SourceError> {
        let (name, dead_letter_queue) = (url.to_string(), dead_letter_queue.into());
        let dead_letters = queues.queue(&dead_letter_queue);
        let dead_letters = dead_letters.map_err(|why| Fault::refused(why).of_queue(shown(&dead_letter_queue)))?;
        queues.exists(&url).await.map_err(|fault| fault.of_queue(&name))?;
        Ok(Self {
            about: SourceQueue {
                name,
                order: QueueOrder::Unordered,
                batch: MOST_MESSAGES,
                window: url.window,
                settling: url.window / 5,
                longest: None,
            },
            mover: Mover {
                client: Arc::clone(&queues.client),
                url: url.clone(),
                dead_letter_queue: dead_letters.queue,
            },
            url,
            queues: queues.clone(),
            dead_letter_queue,
            empty: AtomicU32::new(0),
            closed: watch::Sender::new(false),
        })
    }

    /// The URL of the queue for its dead letters.
    pub fn dead_letter_queue(&self) -> String {
        self.dead_letter_queue.clone()
    }

    fn error(&self, fault: Fault) -> SourceError {
        fault.of_queue(&self.about.name)
    }
}

impl Source for AzureQueueSource {
    type Receipt = AzureQueueReceipt;

    const SYSTEM: &'static str = "azure_storage_queue";

    fn queue(&self) -> &SourceQueue {
        &self.about
    }

    async fn receive(&self, max: usize) -> Result<Vec<(Incoming, AzureQueueReceipt)>, SourceError> {
        let received = self.wait_for_messages(max).await;
        received.map_err(|fault| self.error(fault))
    }

    async fn extend(&self, receipts: &mut [AzureQueueReceipt], by: Duration) -> Vec<Result<(), SourceError>> {
        let results = self.extend_all(receipts, by).await.into_iter();
        results
            .map(|result| result.map_err(|fault| self.error(fault)))
            .collect()
    }

    async fn settle(&self, messages: &mut [(AzureQueueReceipt, Verdict)]) -> Vec<Result<(), SourceError>> {
        let results = self.settle_all(messages).await.into_iter();
        results
            .map(|result| result.map_err(|fault| self.error(fault)))
            .collect()
    }

    async fn close(&self) {
        self.closed.send_replace(true);
    }
}
