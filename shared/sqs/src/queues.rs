//! The consumer's queues, over SQS.

use aws::service_error;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::error::BuildError;
use aws_sdk_sqs::primitives::Blob;
use aws_sdk_sqs::types::{
    BatchResultErrorEntry, MessageAttributeValue, MessageSystemAttributeNameForSends, MessageSystemAttributeValue,
    SendMessageBatchRequestEntry,
};
use consumer::{Attribute, Limits, QueueError, QueueMessage, Queues};

use crate::limits::{is_fifo, limits};

/// Entries per batch request
/// ([quotas](https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html)).
pub const MAX_ENTRIES: usize = 10;
/// Size of a batch request: its messages together.
const MAX_REQUEST_BYTES: usize = 1024 * 1024;

/// The queues of SQS, through one client. It connects at its first use: most batches send nothing.
#[derive(Debug, Clone)]
pub struct Sqs(pub(crate) Client);

impl Sqs {
    /// The queues that this client reaches.
    pub fn new(client: Client) -> Self {
        Self(client)
    }
}

pub(crate) type Cause = Box<dyn std::error::Error + Send + Sync>;

impl Queues for Sqs {
    async fn send(&self, queue_url: &str, messages: Vec<QueueMessage>) -> Result<(), QueueError> {
        for request in requests(messages) {
            let sent = self.send_batch(queue_url, request).await;
            sent.map_err(|why| error(queue_url, why))?;
        }
        Ok(())
    }

    fn limits(&self, queue_url: &str) -> Limits {
        limits(queue_url)
    }
}

impl Sqs {
    async fn send_batch(&self, queue_url: &str, messages: Vec<QueueMessage>) -> Result<(), Cause> {
        let fifo = is_fifo(queue_url);
        let entries = messages.into_iter().enumerate();
        let entries = entries.map(|(position, message)| send_entry(position, message, fifo));
        let entries = entries.collect::<Result<_, _>>()?;
        let request = self
            .0
            .send_message_batch()
            .queue_url(queue_url)
            .set_entries(Some(entries));
        let sent = request.send().await.map_err(service_error)?;
        refused(&sent.failed)
    }
}

/// Splits messages, in order, so that each part fits a request.
fn requests(messages: Vec<QueueMessage>) -> Vec<Vec<QueueMessage>> {
    let mut requests: Vec<Vec<QueueMessage>> = Vec::new();
    let mut bytes = 0;
    for message in messages {
        bytes += message.bytes();
        match requests.last_mut() {
            Some(request) if request.len() < MAX_ENTRIES && bytes <= MAX_REQUEST_BYTES => request.push(message),
            _ => {
                bytes = message.bytes();
                requests.push(vec![message]);
            }
        }
    }
    requests
}

fn send_entry(position: usize, message: QueueMessage, fifo: bool) -> Result<SendMessageBatchRequestEntry, BuildError> {
    let mut entry = SendMessageBatchRequestEntry::builder()
        .id(position.to_string())
        .message_body(message.body)
        .set_message_group_id(message.group)
        // A standard queue refuses one.
        .set_message_deduplication_id(message.deduplication_id.filter(|_| fifo));
    for (name, value) in message.attributes {
        entry = entry.message_attributes(name, attribute(value)?);
    }
    if let Some(header) = message.trace_header {
        let value = MessageSystemAttributeValue::builder()
            .data_type("String")
            .string_value(header)
            .build()?;
        entry = entry.message_system_attributes(MessageSystemAttributeNameForSends::AwsTraceHeader, value);
    }
    entry.build()
}

fn attribute(value: Attribute) -> Result<MessageAttributeValue, BuildError> {
    MessageAttributeValue::builder()
        .set_data_type(value.data_type)
        .set_string_value(value.string_value)
        .set_binary_value(value.binary_value.map(Blob::new))
        .build()
}

/// The URL of a queue, computed from its ARN
/// ([queue URLs](https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-queue-message-identifiers.html)):
/// `GetQueueUrl` would need a permission, and a request at each cold start.
pub(crate) fn queue_url(arn: &str) -> Option<String> {
    let mut parts = arn.split(':').skip(1);
    let (partition, _sqs) = (parts.next()?, parts.next()?);
    let (region, account, name) = (parts.next()?, parts.next()?, parts.next()?);
    let suffix = match partition {
        "aws-cn" => "amazonaws.com.cn",
        _ => "amazonaws.com",
    };
    Some(format!("https://sqs.{region}.{suffix}/{account}/{name}"))
}

/// An error if some entries failed: a batch request succeeds as a whole even then.
pub(crate) fn refused(entries: &[BatchResultErrorEntry]) -> Result<(), Cause> {
    match entries {
        [] => Ok(()),
        [first, ..] => {
            let why = first.message().unwrap_or(first.code());
            Err(format!("{} refused, the first because: {why}", entries.len()).into())
        }
    }
}

pub(crate) fn error(queue: &str, why: Cause) -> QueueError {
    QueueError {
        queue: queue.to_owned(),
        why,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arn_determines_the_url() {
        assert_eq!(
            queue_url("arn:aws:sqs:eu-west-1:123456789012:orders.fifo").unwrap(),
            "https://sqs.eu-west-1.amazonaws.com/123456789012/orders.fifo"
        );
        assert_eq!(
            queue_url("arn:aws-cn:sqs:cn-north-1:123456789012:orders").unwrap(),
            "https://sqs.cn-north-1.amazonaws.com.cn/123456789012/orders"
        );
        assert_eq!(queue_url("orders"), None);
        assert_eq!(queue_url(""), None);
    }

    fn sized(bytes: usize) -> QueueMessage {
        QueueMessage {
            body: "x".repeat(bytes),
            attributes: [].into(),
            group: None,
            deduplication_id: None,
            trace_header: None,
        }
    }

    #[test]
    fn a_request_holds_ten_messages_and_one_mebibyte_in_order() {
        let lengths = |messages| requests(messages).iter().map(Vec::len).collect::<Vec<_>>();
        assert_eq!(lengths((0..25).map(|_| sized(1)).collect()), [10, 10, 5]);
        assert_eq!(
            lengths(vec![sized(600_000), sized(400_000), sized(60_000), sized(1)]),
            [2, 2]
        );
        assert!(lengths(Vec::new()).is_empty());
        let bodies: Vec<_> = requests((1..=12).map(sized).collect())
            .concat()
            .iter()
            .map(|m| m.body.len())
            .collect();
        assert_eq!(bodies, (1..=12).collect::<Vec<_>>());
    }
}
