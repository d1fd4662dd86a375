//! The consumer's queues, over SQS.

use std::ops::Range;
use std::sync::{Arc, LazyLock};

use aws_sdk_sqs::Client;
use aws_sdk_sqs::error::BuildError;
use aws_sdk_sqs::primitives::Blob;
use aws_sdk_sqs::types::{
    MessageAttributeValue, MessageSystemAttributeNameForSends, MessageSystemAttributeValue,
    SendMessageBatchRequestEntry,
};
use consumer::{Attribute, Limits, QueueError, QueueMessage, Queues};

use crate::failed::Failed;
use crate::limits::{is_fifo, limits};

/// Entries per batch request
/// ([quotas](https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html)).
pub const MAX_ENTRIES: usize = 10;
/// Size of a batch request: its messages together.
const MAX_REQUEST_BYTES: usize = 1024 * 1024;

/// The queues of SQS, through one client. It connects at its first use: most batches send nothing.
#[derive(Debug, Clone)]
pub struct Sqs(pub(crate) Arc<LazyLock<Client, Build>>);

type Build = Box<dyn FnOnce() -> Client + Send>;

impl Sqs {
    /// The queues that this client reaches.
    pub fn new(client: Client) -> Self {
        Self::when_used(move || client)
    }

    /// The same; the client is built when it is first used. Building one takes as much time as a request.
    pub fn when_used(build: impl FnOnce() -> Client + Send + 'static) -> Self {
        Self(Arc::new(LazyLock::new(Box::new(build))))
    }
}

impl Queues for Sqs {
    async fn send(&self, queue_url: &str, messages: &[QueueMessage]) -> Result<(), QueueError> {
        for request in requests(messages, is_fifo(queue_url)) {
            let sent = self.send_batch(queue_url, &messages[request.clone()]).await;
            // The order is kept: what follows a request that failed is not sent before it.
            sent.map_err(|failed| failed.into_error(queue_url, request, messages.len()))?;
        }
        Ok(())
    }

    fn limits(&self, queue_url: &str) -> Limits {
        limits(queue_url)
    }
}

impl Sqs {
    async fn send_batch(&self, queue_url: &str, messages: &[QueueMessage]) -> Result<(), Failed> {
        let fifo = is_fifo(queue_url);
        let entries = messages.iter().enumerate();
        let entries = entries.map(|(position, message)| send_entry(position, message, fifo));
        let entries = entries.collect::<Result<_, _>>().map_err(Failed::refused)?;
        let request = self
            .0
            .send_message_batch()
            .queue_url(queue_url)
            .set_entries(Some(entries));
        let sent = request
            .send()
            .await
            .map_err(|error| Failed::request(error, messages.len()))?;
        let successful = sent.successful.iter().map(|entry| entry.id.as_str());
        Failed::entries(messages.len(), successful, &sent.failed)
    }
}

/// Splits messages, in order, so that each part fits a request.
///
/// A request to a FIFO queue has one message of each group. SQS may fail one entry of a request and accept those after it,
/// and sent again the one would arrive behind messages of its group.
fn requests(messages: &[QueueMessage], fifo: bool) -> Vec<Range<usize>> {
    let mut requests: Vec<Range<usize>> = Vec::new();
    let mut bytes = 0;
    for (position, message) in messages.iter().enumerate() {
        bytes += message.bytes();
        let fits = |request: &Range<usize>| {
            let before = &messages[request.clone()];
            before.len() < MAX_ENTRIES
                && bytes <= MAX_REQUEST_BYTES
                && !(fifo && before.iter().any(|other| other.group == message.group))
        };
        match requests.last_mut().filter(|request| fits(request)) {
            Some(request) => request.end += 1,
            None => {
                bytes = message.bytes();
                requests.push(position..position + 1);
            }
        }
    }
    requests
}

fn send_entry(position: usize, message: &QueueMessage, fifo: bool) -> Result<SendMessageBatchRequestEntry, BuildError> {
    let mut entry = SendMessageBatchRequestEntry::builder()
        .id(position.to_string())
        .message_body(&message.body)
        .set_message_group_id(message.group.clone())
        // A standard queue refuses one.
        .set_message_deduplication_id(message.deduplication_id.clone().filter(|_| fifo));
    for (name, value) in &message.attributes {
        entry = entry.message_attributes(name, attribute(value)?);
    }
    if let Some(header) = &message.trace_header {
        let value = MessageSystemAttributeValue::builder()
            .data_type("String")
            .string_value(header)
            .build()?;
        entry = entry.message_system_attributes(MessageSystemAttributeNameForSends::AwsTraceHeader, value);
    }
    entry.build()
}

fn attribute(value: &Attribute) -> Result<MessageAttributeValue, BuildError> {
    MessageAttributeValue::builder()
        .set_data_type(value.data_type.clone())
        .set_string_value(value.string_value.clone())
        .set_binary_value(value.binary_value.clone().map(Blob::new))
        .build()
}

/// The URL of a queue, computed from its ARN
/// ([queue URLs](https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-queue-message-identifiers.html)):
/// `GetQueueUrl` would need a permission, and a request at each cold start.
pub(crate) fn queue_url(arn: &str) -> Option<String> {
    let mut parts = arn.split(':').skip(1);
    let (partition, _sqs) = (parts.next()?, parts.next()?);
    let (region, account, name) = (parts.next()?, parts.next()?, parts.next()?);
    // https://docs.aws.amazon.com/whitepapers/latest/aws-fault-isolation-boundaries/partitions.html; the rest from the SDKs.
    let suffix = match partition {
        "aws-cn" => "amazonaws.com.cn",
        "aws-eusc" => "amazonaws.eu",
        "aws-iso" => "c2s.ic.gov",
        "aws-iso-b" => "sc2s.sgov.gov",
        "aws-iso-e" => "cloud.adc-e.uk",
        "aws-iso-f" => "csp.hci.ic.gov",
        _ => "amazonaws.com",
    };
    Some(format!("https://sqs.{region}.{suffix}/{account}/{name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arn_determines_the_url() {
        for (partition, region, host) in [
            ("aws", "eu-west-1", "sqs.eu-west-1.amazonaws.com"),
            ("aws-cn", "cn-north-1", "sqs.cn-north-1.amazonaws.com.cn"),
            ("aws-us-gov", "us-gov-west-1", "sqs.us-gov-west-1.amazonaws.com"),
            ("aws-eusc", "eusc-de-east-1", "sqs.eusc-de-east-1.amazonaws.eu"),
            ("aws-iso", "us-iso-east-1", "sqs.us-iso-east-1.c2s.ic.gov"),
            ("aws-iso-b", "us-isob-east-1", "sqs.us-isob-east-1.sc2s.sgov.gov"),
            ("aws-iso-e", "eu-isoe-west-1", "sqs.eu-isoe-west-1.cloud.adc-e.uk"),
            ("aws-iso-f", "us-isof-south-1", "sqs.us-isof-south-1.csp.hci.ic.gov"),
        ] {
            let url = queue_url(&format!("arn:{partition}:sqs:{region}:123456789012:orders.fifo"));
            assert_eq!(url, Some(format!("https://{host}/123456789012/orders.fifo")));
        }
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
        let split = |bytes: &[usize]| requests(&bytes.iter().copied().map(sized).collect::<Vec<_>>(), false);
        assert_eq!(split(&[1; 25]), [0..10, 10..20, 20..25]);
        assert_eq!(split(&[600_000, 400_000, 60_000, 1]), [0..2, 2..4]);
        assert!(split(&[]).is_empty());
    }

    #[test]
    fn a_request_to_a_fifo_queue_has_one_message_of_each_group() {
        let in_group = |group: &str| QueueMessage {
            group: Some(group.to_owned()),
            ..sized(1)
        };
        let messages = ["a", "b", "a", "a", "c", "b"].map(in_group);
        assert_eq!(requests(&messages, true), [0..2, 2..3, 3..6]);
        assert_eq!(requests(&messages, false).len(), 1);
    }
}
