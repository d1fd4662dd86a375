//! Messages from files, and a queue to send them to.

mod file;

use std::collections::HashMap;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::error::{BuildError, ProvideErrorMetadata, SdkError};
use aws_sdk_sqs::types::{MessageAttributeValue, SendMessageBatchRequestEntry};

use crate::aws::{no_answer, sqs_client};

pub use file::read;

/// The part of a record of an SQS event that makes a new message.
#[derive(Debug, Default)]
pub struct Message {
    /// The body, as it is.
    pub body: String,
    group: Option<String>,
    deduplication_id: Option<String>,
    attributes: HashMap<String, MessageAttributeValue>,
}

/// The most that a batch may hold, in messages and in bytes of them all, see
/// [SendMessageBatch](https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessageBatch.html).
const BATCH: usize = 10;
const BATCH_BYTES: usize = 1024 * 1024;

/// An existing queue.
pub struct Queue<'a> {
    client: Client,
    endpoint: &'a str,
    name: &'a str,
    url: String,
}

impl<'a> Queue<'a> {
    /// The queue of this name.
    ///
    /// # Errors
    ///
    /// In one line why it is not found.
    pub async fn find(endpoint: &'a str, name: &'a str) -> Result<Self, String> {
        let mut queue = Self {
            client: sqs_client(endpoint).await,
            endpoint,
            name,
            url: String::new(),
        };
        let found = queue.client.get_queue_url().queue_name(name).send().await;
        queue.url = match found {
            Ok(found) => found.queue_url.unwrap_or_default(),
            Err(error) if does_not_exist(&error) => return Err(queue.unknown().await),
            Err(error) => return Err(queue.failure(&error)),
        };
        Ok(queue)
    }

    /// That there is no such queue, and which there are. If they can't be listed, the error is without them.
    async fn unknown(&self) -> String {
        let listed = self.client.list_queues().max_results(1000).send().await;
        let urls = listed.ok().and_then(|listed| listed.queue_urls).unwrap_or_default();
        let names: Vec<_> = urls.iter().filter_map(|url| url.rsplit('/').next()).collect();
        let there = match names[..] {
            [] => "there are none".to_owned(),
            [one] => format!("there is {one}"),
            _ => format!("there are {}", names.join(", ")),
        };
        let meant = cli::did_you_mean(self.name, names);
        format!("there is no queue {} at {}: {there}{meant}", self.name, self.endpoint)
    }

    /// Sends messages, as many at a time as SQS accepts, and returns their IDs in order.
    ///
    /// # Errors
    ///
    /// In one line why one was not sent; others may have been.
    pub async fn send(&self, messages: &[Message]) -> Result<Vec<String>, String> {
        let mut ids = Vec::new();
        let mut rest = messages;
        while !rest.is_empty() {
            let (batch, later) = rest.split_at(batch_length(rest));
            ids.extend(self.send_batch(batch).await?);
            rest = later;
        }
        Ok(ids)
    }

    async fn send_batch(&self, batch: &[Message]) -> Result<Vec<String>, String> {
        let entries = batch.iter().enumerate().map(|(at, message)| message.entry(at));
        let entries = entries.collect::<Result<_, _>>().map_err(|error| error.to_string())?;
        let request = self.client.send_message_batch().queue_url(&self.url);
        let sent = request.set_entries(Some(entries)).send().await;
        let mut sent = sent.map_err(|error| self.failure(&error))?;
        if let Some(failed) = sent.failed.first() {
            let nth = failed.id.parse::<usize>().map_or(0, |at| at + 1);
            let message = failed.message.as_deref().unwrap_or_default();
            let (count, queue) = (batch.len(), self.name);
            return Err(format!(
                "{queue} refused message {nth} of {count}: {}: {message}",
                failed.code
            ));
        }
        sent.successful
            .sort_by_key(|sent| sent.id.parse::<usize>().unwrap_or_default());
        Ok(sent.successful.into_iter().map(|sent| sent.message_id).collect())
    }

    fn failure<E>(&self, error: &SdkError<E>) -> String
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        let (name, endpoint) = (self.name, self.endpoint);
        match (error.code(), error.message()) {
            _ if does_not_exist(error) => format!("there is no queue {name} at {endpoint}"),
            (Some(code), message) => format!("{endpoint} refused: {code}: {}", message.unwrap_or_default()),
            (None, _) => no_answer(endpoint, error),
        }
    }
}

fn does_not_exist<E: ProvideErrorMetadata>(error: &SdkError<E>) -> bool {
    let codes = ["QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue"];
    error.code().is_some_and(|code| codes.contains(&code))
}

/// How many of these, at least one, go into one batch.
fn batch_length(messages: &[Message]) -> usize {
    let mut bytes = 0;
    let fits = |message: &&Message| {
        bytes += message.bytes();
        bytes <= BATCH_BYTES
    };
    messages.iter().take(BATCH).take_while(fits).count().max(1)
}

impl Message {
    /// Its size as SQS counts it: the body, and the attributes' names, types and values.
    fn bytes(&self) -> usize {
        let attribute = |(name, value): (&String, &MessageAttributeValue)| {
            let text = value.string_value().map_or(0, str::len);
            let binary = value.binary_value().map_or(0, |blob| blob.as_ref().len());
            name.len() + value.data_type().len() + text + binary
        };
        self.body.len() + self.attributes.iter().map(attribute).sum::<usize>()
    }

    fn entry(&self, at: usize) -> Result<SendMessageBatchRequestEntry, BuildError> {
        SendMessageBatchRequestEntry::builder()
            .id(at.to_string())
            .message_body(&self.body)
            .set_message_group_id(self.group.clone())
            .set_message_deduplication_id(self.deduplication_id.clone())
            .set_message_attributes((!self.attributes.is_empty()).then(|| self.attributes.clone()))
            .build()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(sizes: &[usize]) -> Vec<Message> {
        let message = |size: &usize| Message {
            body: "x".repeat(*size),
            ..Message::default()
        };
        sizes.iter().map(message).collect()
    }

    #[test]
    fn a_batch_holds_ten_messages_and_one_mebibyte_at_most() {
        assert_eq!(batch_length(&messages(&[1; 12])), 10);
        assert_eq!(batch_length(&messages(&[BATCH_BYTES / 2, BATCH_BYTES / 2, 1])), 2);
        assert_eq!(batch_length(&messages(&[BATCH_BYTES / 2, BATCH_BYTES / 2 + 1])), 1);
    }

    #[test]
    fn a_message_too_large_for_any_batch_is_sent_for_sqs_to_refuse() {
        assert_eq!(batch_length(&messages(&[BATCH_BYTES + 1, 1])), 1);
    }
}
