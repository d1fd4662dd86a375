//! Visibility timeouts of received messages.

use std::time::Duration;

use aws_sdk_sqs::error::BuildError;
use aws_sdk_sqs::types::ChangeMessageVisibilityBatchRequestEntry;
use consumer::QueueError;
use idempotency::Timestamp;

use crate::Sqs;
use crate::failed::Failed;
use crate::queues::queue_url;

/// A new visibility timeout of a received message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VisibilityChange {
    /// The receipt handle of the message.
    pub receipt_handle: String,
    /// Starts now; whole seconds.
    pub timeout: Duration,
}

/// A message stays invisible for at most 12 hours from its receive
/// ([visibility timeout](https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-visibility-timeout.html)),
/// which was up to a batching window (5 minutes) and an invocation (15 minutes) ago.
const LONGEST: Duration = Duration::from_secs((12 * 60 - 20) * 60);

/// The visibility timeout that ends at this time: whole seconds, rounded up, and no longer than SQS allows.
pub fn visibility_timeout(now: Timestamp, visible_at: Timestamp) -> Duration {
    whole_seconds(now.until(visible_at), LONGEST)
}

/// A visibility timeout of this length: whole seconds, rounded up, and no longer than `longest`.
pub(crate) fn whole_seconds(timeout: Duration, longest: Duration) -> Duration {
    let seconds = u64::try_from(timeout.as_millis().div_ceil(1000)).unwrap_or(u64::MAX);
    Duration::from_secs(seconds.min(longest.as_secs()))
}

/// The entry of a batch request. Its ID is the position in the request.
pub(crate) fn change_entry(
    position: usize,
    receipt_handle: &str,
    timeout: Duration,
) -> Result<ChangeMessageVisibilityBatchRequestEntry, BuildError> {
    ChangeMessageVisibilityBatchRequestEntry::builder()
        .id(position.to_string())
        .receipt_handle(receipt_handle)
        .visibility_timeout(i32::try_from(timeout.as_secs()).unwrap_or(i32::MAX))
        .build()
}

impl Sqs {
    /// Changes the visibility timeouts of at most ten messages of one queue.
    ///
    /// # Errors
    ///
    /// [`QueueError`]: some or all of them keep their visibility timeout.
    pub async fn change_visibility(&self, queue_arn: &str, changes: Vec<VisibilityChange>) -> Result<(), QueueError> {
        let count = changes.len();
        let changed = async {
            let url = queue_url(queue_arn).ok_or("the eventSourceARN of its records is no queue's ARN");
            let url = url.map_err(Failed::refused)?;
            let entries = changes.iter().enumerate();
            let entries =
                entries.map(|(position, change)| change_entry(position, &change.receipt_handle, change.timeout));
            let entries = entries.collect::<Result<_, _>>().map_err(Failed::refused)?;
            let request = self
                .0
                .change_message_visibility_batch()
                .queue_url(url)
                .set_entries(Some(entries));
            let changed = request.send().await;
            let changed = changed.map_err(|error| Failed::request(error, count))?;
            let successful = changed.successful.iter().map(|entry| entry.id.as_str());
            Failed::entries(count, successful, &changed.failed)
        };
        let changed: Result<(), Failed> = changed.await;
        changed.map_err(|failed| failed.into_error(queue_arn, 0..count, count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

    #[test]
    fn a_timeout_is_in_whole_seconds_never_early_never_too_long() {
        for (millis, expected) in [(0, 0), (1, 1), (1000, 1), (1001, 2), (100_000_000, 42_000)] {
            let timeout = visibility_timeout(NOW, NOW.plus(Duration::from_millis(millis)));
            assert_eq!(timeout, Duration::from_secs(expected));
        }
        let past = Timestamp::from_millis(NOW.millis() - 5000);
        assert_eq!(visibility_timeout(NOW, past), Duration::ZERO);
    }
}
