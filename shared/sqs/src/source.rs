//! A queue of SQS that a host polls.

mod attributes;
mod batches;
mod check;
mod fault;
mod received;

use std::num::NonZeroU32;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::config::Builder;
use aws_sdk_sqs::config::timeout::TimeoutConfig;
use aws_sdk_sqs::operation::receive_message::ReceiveMessageOutput;
use aws_sdk_sqs::types::MessageSystemAttributeName;
use consumer::{Incoming, MessageId, Source, SourceError, SourceQueue, Verdict};
use tokio::time::Instant;
use uuid::Uuid;

use self::attributes::QueueAttributes;
use self::fault::{EntryError, Permission, Place};
use crate::queues::MAX_ENTRIES;

/// The longest wait of SQS for messages
/// ([long polling](https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-short-and-long-polling.html)).
const LONG_POLL: Duration = Duration::from_secs(20);
/// One attempt to receive: the wait, and time for the reply.
const ATTEMPT: Duration = Duration::from_secs(25);
/// All attempts to receive: less than the 30 seconds that orchestrators give a process to end.
const ATTEMPTS: Duration = Duration::from_secs(28);
/// A message stays invisible for at most 12 hours from its receive
/// ([visibility timeout](https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-visibility-timeout.html)).
const LONGEST: Duration = Duration::from_secs(12 * 60 * 60);

/// What a message needs to state of itself.
const SYSTEM_ATTRIBUTES: [MessageSystemAttributeName; 5] = [
    MessageSystemAttributeName::ApproximateReceiveCount,
    MessageSystemAttributeName::SentTimestamp,
    MessageSystemAttributeName::MessageGroupId,
    MessageSystemAttributeName::MessageDeduplicationId,
    MessageSystemAttributeName::AwsTraceHeader,
];

/// One queue of SQS, as a host polls it.
///
/// SQS can't end a long poll: after [`close`](Source::close), an outstanding receive lasts up to 20 seconds, and at most 28 if
/// the network fails.
#[derive(Debug)]
pub struct SqsSource {
    client: Client,
    place: Place,
    attributes: QueueAttributes,
    queue: SourceQueue,
    closed: AtomicBool,
}

/// The receipt of one receive of a message.
#[derive(Debug, Clone)]
pub struct SqsReceipt {
    handle: String,
    message: MessageId,
    /// The order of deletes is kept within it, on a FIFO queue.
    group: Option<String>,
    /// Not later than SQS received it for this host: the 12 hours begin there.
    received_at: Instant,
}

impl SqsSource {
    /// Reads what the queue states of itself, once. Requires `sqs:GetQueueAttributes`.
    ///
    /// A message is hidden for the queue's visibility timeout, at least ten seconds. A change of the visibility timeout takes effect
    /// when the queue is opened again.
    ///
    /// The client's timeouts are those of short requests: one second for an attempt is fine. Long polls have their own.
    ///
    /// # Errors
    ///
    /// [`SourceError`]. `Refused`: the queue is missing or access is denied; the text states what to do. `Unavailable`: try again.
    pub async fn open(client: Client, queue_url: impl Into<String>) -> Result<Self, SourceError> {
        let url = queue_url.into();
        let place = Place::new(&client, url.clone());
        let attributes = attributes::read(&client, &place).await;
        let attributes = attributes.map_err(|error| error.of_queue(&url))?;
        let queue = SourceQueue {
            name: url.clone(),
            order: attributes.order(&url),
            batch: MAX_ENTRIES,
            window: attributes.window,
            settling: attributes.window / 5,
            longest: Some(LONGEST),
        };
        Ok(Self {
            client,
            place,
            attributes,
            queue,
            closed: AtomicBool::new(false),
        })
    }

    /// After how many receives the queue's redrive policy moves a message; `None`: it has no policy. A host gives it to
    /// [`Services::with_max_receive_count`](consumer::Services::with_max_receive_count).
    pub fn max_receive_count(&self) -> Option<NonZeroU32> {
        self.attributes.max_receive_count
    }

    /// The URL of the dead-letter queue that the redrive policy names; `None`: there is no policy, or the dead-letter queue is in
    /// another account or region.
    pub fn dead_letter_queue(&self) -> Option<String> {
        self.attributes.dead_letter_queue(&self.place.url)
    }

    async fn request(&self, max: usize) -> Result<ReceiveMessageOutput, EntryError> {
        let timeouts = TimeoutConfig::builder()
            .operation_attempt_timeout(ATTEMPT)
            .operation_timeout(ATTEMPTS)
            .read_timeout(ATTEMPT)
            .build();
        let window = self.queue.window;
        let request = self
            .client
            .receive_message()
            .queue_url(&self.place.url)
            .max_number_of_messages(i32::try_from(max.min(MAX_ENTRIES)).unwrap_or(1))
            .wait_time_seconds(seconds(LONG_POLL))
            .visibility_timeout(seconds(window))
            .message_attribute_names("All")
            .set_message_system_attribute_names(Some(SYSTEM_ATTRIBUTES.to_vec()))
            .set_receive_request_attempt_id(self.attempt_id());
        let request = request
            .customize()
            .config_override(Builder::default().timeout_config(timeouts));
        let received = request.send().await;
        received.map_err(|error| EntryError::of_request(error, Permission::Receive, &self.place))
    }

    /// Makes the SDK's second attempt return the messages of a first one whose reply was lost, instead of others: without it their
    /// groups would wait until the visibility timeout ends. Only FIFO queues have it
    /// ([ReceiveMessage](https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ReceiveMessage.html)).
    fn attempt_id(&self) -> Option<String> {
        self.queue.order.is_ordered().then(|| Uuid::new_v4().to_string())
    }
}

impl Source for SqsSource {
    type Receipt = SqsReceipt;

    const SYSTEM: &'static str = "aws_sqs";

    fn queue(&self) -> &SourceQueue {
        &self.queue
    }

    async fn receive(&self, max: usize) -> Result<Vec<(Incoming, SqsReceipt)>, SourceError> {
        if max == 0 || self.closed.load(Ordering::Relaxed) {
            return Ok(Vec::new());
        }
        // Before the request, because SQS received the messages at some time while it waited.
        let received_at = Instant::now();
        let reply = self
            .request(max)
            .await
            .map_err(|error| error.of_queue(&self.place.url))?;
        let messages = reply.messages.unwrap_or_default().into_iter();
        let read = |message| received::read(message, self.attributes.arn.as_deref(), received_at);
        let (read, odd): (Vec<_>, Vec<_>) = messages.map(read).partition(Result::is_ok);
        for why in odd.into_iter().filter_map(Result::err) {
            tracing::warn!(
                "message of {} is left in the queue for its redrive policy: {why}",
                self.place.url
            );
        }
        Ok(read.into_iter().flatten().collect())
    }

    async fn extend(&self, receipts: &mut [SqsReceipt], by: Duration) -> Vec<Result<(), SourceError>> {
        self.described(self.extend_all(receipts, by).await)
    }

    async fn settle(&self, messages: &mut [(SqsReceipt, Verdict)]) -> Vec<Result<(), SourceError>> {
        self.described(self.settle_all(messages).await)
    }

    async fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
    }
}

fn seconds(duration: Duration) -> i32 {
    i32::try_from(duration.as_secs()).unwrap_or(i32::MAX)
}
