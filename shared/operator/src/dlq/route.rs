//! One dead letter back to a queue.

use std::collections::HashMap;

use aws_sdk_sqs::error::BuildError;
use aws_sdk_sqs::primitives::Blob;
use aws_sdk_sqs::types::{MessageAttributeValue, MessageSystemAttributeNameForSends, MessageSystemAttributeValue};
use consumer::{Attribute, QueueMessage};
use idempotency::{Key, Status};

use super::copies::Sent;
use super::dead_letter::DeadLetter;
use super::message::{Deduplication, Redriven, redriven};
use super::target::Targets;
use crate::error;
use crate::ledger::Ledger;
use crate::queue::Queue;

/// Where dead letters come from, where they go, and where their records are.
pub(super) struct Route<'a> {
    pub(super) from: &'a Queue,
    pub(super) targets: Targets<'a>,
    pub(super) ledger: &'a Ledger,
    /// The namespace of dead letters that name no function.
    pub(super) namespace: Option<&'a str>,
}

/// What happened to the record of a dead letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RecordState {
    /// It was `REJECTED`, and is deleted.
    Deleted,
    /// It has another status, and stays: the next attempt acts on it.
    Kept,
    /// There is none.
    Missing,
    /// Not read, because the namespace is unknown. If it is `REJECTED`, the message is rejected again.
    Unchecked,
}

/// What happened to a dead letter.
pub(super) struct Done {
    pub(super) record: RecordState,
    /// The name of the queue it was sent to.
    pub(super) to: String,
    pub(super) deduplication: Deduplication,
}

/// Why a dead letter was not redriven, and what happened to its record before.
pub(super) struct RedriveError {
    pub(super) why: String,
    /// `None`: the record was not reached.
    pub(super) record: Option<RecordState>,
}

/// Nothing was done.
impl From<String> for RedriveError {
    fn from(why: String) -> Self {
        Self { why, record: None }
    }
}

impl Route<'_> {
    /// Deletes the record, sends the message, deletes the dead letter. Interrupted after any of these steps, the message is
    /// still in one of the queues or in both. A dry run only finds out what this would do.
    pub(super) async fn redrive(
        &mut self,
        dead_letter: &DeadLetter,
        sent: &mut Sent,
        dry_run: bool,
    ) -> Result<Done, RedriveError> {
        self.targets.look_up(dead_letter).await;
        let to = self.targets.of(dead_letter)?;
        let Redriven { message, deduplication } = redriven(dead_letter, to).await?;
        let record = self.clear_record(dead_letter, dry_run).await?;
        let done = Done {
            record,
            to: to.name().to_owned(),
            deduplication,
        };
        if dry_run {
            sent.arrived(dead_letter, None);
            return Ok(done);
        }
        let failed = |why| RedriveError {
            why,
            record: Some(record),
        };
        sent.trying(dead_letter);
        let id = send(&message, to).await.map_err(failed)?;
        sent.arrived(dead_letter, Some(id));
        let deleted = self.delete(dead_letter).await;
        deleted.map_err(|why| failed(format!("sent, but not deleted from this queue: {why}")))?;
        Ok(done)
    }

    /// Deletes the record if it is `REJECTED`; a dry run only reads it.
    async fn clear_record(&self, dead_letter: &DeadLetter, dry_run: bool) -> Result<RecordState, String> {
        let Some(namespace) = dead_letter.function().or(self.namespace) else {
            return Ok(RecordState::Unchecked);
        };
        let key = Key::new(namespace, dead_letter.key()).map_err(|error| error.to_string())?;
        let record = self.ledger.record(&key).await.map_err(|error| error::chain(&error))?;
        let record = match record {
            None => return Ok(RecordState::Missing),
            Some(record) if record.status != Status::Rejected => return Ok(RecordState::Kept),
            Some(_) if dry_run => return Ok(RecordState::Deleted),
            Some(record) => record,
        };
        match self.ledger.delete_record(&key, &record).await {
            Ok(true) => Ok(RecordState::Deleted),
            Ok(false) => Err(format!(
                "record {} has changed since it was read: run the command again",
                key.record_id()
            )),
            Err(error) => Err(error::chain(&error)),
        }
    }

    /// Deletes a dead letter: one that was sent, or a copy of it.
    pub(super) async fn delete(&self, dead_letter: &DeadLetter) -> Result<(), String> {
        let request = self.from.client.delete_message().queue_url(&self.from.url);
        let deleted = request.receipt_handle(&dead_letter.receipt).send().await;
        deleted.map(drop).map_err(|error| self.from.describe(&error))
    }
}

/// Returns the message ID that the message has now.
async fn send(message: &QueueMessage, to: &Queue) -> Result<String, String> {
    let invalid = |error: BuildError| error.to_string();
    let trace = message.trace_header.as_ref().map(|header| {
        let value = MessageSystemAttributeValue::builder().data_type("String");
        let value = value.string_value(header).build();
        value.map(|value| (MessageSystemAttributeNameForSends::AwsTraceHeader, value))
    });
    let trace = trace.transpose().map_err(invalid)?;
    let attributes = message.attributes.iter();
    let attributes = attributes.map(|(name, value)| Ok((name.clone(), attribute(value)?)));
    let attributes: HashMap<_, _> = attributes.collect::<Result<_, _>>().map_err(invalid)?;
    let request = to.client.send_message().queue_url(&to.url);
    let sent = request
        .message_body(&message.body)
        .set_message_attributes(Some(attributes))
        .set_message_system_attributes(trace.map(|trace| [trace].into()))
        .set_message_group_id(message.group.clone())
        .set_message_deduplication_id(message.deduplication_id.clone())
        .send()
        .await;
    let sent = sent.map_err(|error| to.describe(&error))?;
    Ok(sent.message_id.unwrap_or_default())
}

fn attribute(value: &Attribute) -> Result<MessageAttributeValue, BuildError> {
    MessageAttributeValue::builder()
        .data_type(value.data_type.as_deref().unwrap_or("String"))
        .set_string_value(value.string_value.clone())
        .set_binary_value(value.binary_value.clone().map(Blob::new))
        .build()
}
