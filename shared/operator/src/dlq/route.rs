//! One dead letter back to a queue.

use aws_sdk_sqs::types::{MessageSystemAttributeNameForSends, MessageSystemAttributeValue};
use idempotency::{DynamoDbStore, Key, Status};

use super::dead_letter::{Attributes, DeadLetter};
use super::queue::Queue;
use super::sent::Sent;
use crate::error;

/// Where dead letters come from, where they go, and where their records are.
pub(super) struct Route<'a> {
    pub(super) from: &'a Queue,
    pub(super) to: &'a Queue,
    pub(super) ledger: &'a DynamoDbStore,
    /// The name of the ledger's table.
    pub(super) table: &'a str,
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

/// Why a dead letter was not redriven, and what happened to its record before.
pub(super) struct RedriveError {
    pub(super) why: String,
    /// `None`: the record was not reached.
    pub(super) record: Option<RecordState>,
}

impl Route<'_> {
    /// Deletes the record, sends the message, deletes the dead letter. Interrupted after any of these steps, the message is
    /// still in one of the queues or in both.
    pub(super) async fn redrive(&self, dead_letter: &DeadLetter, sent: &mut Sent) -> Result<RecordState, RedriveError> {
        let failed = |record| move |why| RedriveError { why, record };
        let attributes = dead_letter.attributes_to_send().map_err(failed(None))?;
        let record = self.clear_record(dead_letter, false).await.map_err(failed(None))?;
        sent.add(dead_letter);
        let id = self.send(dead_letter, attributes).await;
        sent.add_id(id.map_err(failed(Some(record)))?);
        let deleted = self.delete(dead_letter).await;
        deleted.map_err(|why| RedriveError {
            why: format!("sent, but not deleted from this queue: {why}"),
            record: Some(record),
        })?;
        Ok(record)
    }

    /// What [`redrive`](Self::redrive) would do to the record, and whether the message could be sent.
    pub(super) async fn preview(&self, dead_letter: &DeadLetter, sent: &mut Sent) -> Result<RecordState, RedriveError> {
        let failed = |why| RedriveError { why, record: None };
        dead_letter.attributes_to_send().map_err(failed)?;
        let record = self.clear_record(dead_letter, true).await.map_err(failed)?;
        sent.add(dead_letter);
        Ok(record)
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

    /// Returns the message ID that the message has now.
    async fn send(&self, dead_letter: &DeadLetter, attributes: Attributes) -> Result<String, String> {
        let trace = dead_letter.trace_header.as_ref().map(|header| {
            let value = MessageSystemAttributeValue::builder()
                .data_type("String")
                .string_value(header);
            value
                .build()
                .map(|value| (MessageSystemAttributeNameForSends::AwsTraceHeader, value))
        });
        let trace = trace.transpose().map_err(|error| error.to_string())?;
        let request = self.to.client.send_message().queue_url(&self.to.url);
        let sent = request
            .message_body(&dead_letter.body)
            .set_message_attributes(Some(attributes))
            .set_message_system_attributes(trace.map(|trace| [trace].into()))
            .set_message_group_id(dead_letter.group.clone())
            // A copy that is sent again within five minutes arrives once.
            .set_message_deduplication_id(self.to.is_fifo().then(|| dead_letter.id.clone()))
            .send()
            .await;
        let sent = sent.map_err(|error| self.to.describe(&error))?;
        Ok(sent.message_id.unwrap_or_default())
    }

    async fn delete(&self, dead_letter: &DeadLetter) -> Result<(), String> {
        let request = self.from.client.delete_message().queue_url(&self.from.url);
        let deleted = request.receipt_handle(&dead_letter.receipt).send().await;
        deleted.map(drop).map_err(|error| self.from.describe(&error))
    }
}
