//! One dead letter's way back.

use aws_sdk_sqs::types::{MessageSystemAttributeNameForSends, MessageSystemAttributeValue};
use idempotency::{DynamoDbStore, Key, Status};

use super::letter::{Attributes, DeadLetter};
use super::queue::Queue;
use super::sent::Sent;
use crate::trouble;

/// Where dead letters come from, where they go, and where their records are.
pub(super) struct Way<'a> {
    pub(super) from: &'a Queue,
    pub(super) to: &'a Queue,
    pub(super) ledger: &'a DynamoDbStore,
    /// The name of its table.
    pub(super) table: &'a str,
    /// The namespace of letters that don't tell theirs.
    pub(super) namespace: Option<&'a str>,
}

/// What became of a letter's record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cleared {
    /// It said `REJECTED`, and is deleted.
    Yes,
    /// It says something else: the next attempt finds what is right.
    NotNeeded,
    /// There is none.
    NoRecord,
    /// The letter does not tell its namespace: if the record says `REJECTED`, it will be rejected again.
    Unknown,
}

/// What stands in the way, and what became of the record if it came that far.
pub(super) struct Trouble {
    pub(super) why: String,
    pub(super) cleared: Option<Cleared>,
}

impl Way<'_> {
    /// Clears its record, sends it, deletes it. Broken off after any of these, the letter is still in one queue or in both.
    pub(super) async fn send_back(&self, letter: &DeadLetter, so_far: &mut Sent) -> Result<Cleared, Trouble> {
        let trouble = |cleared| move |why| Trouble { why, cleared };
        let attributes = letter.attributes_to_send().map_err(trouble(None))?;
        let cleared = self.clear(letter, false).await.map_err(trouble(None))?;
        so_far.add(letter);
        let sent = self.send(letter, attributes).await;
        so_far.add_id(sent.map_err(trouble(Some(cleared)))?);
        let deleted = self.delete(letter).await;
        deleted.map_err(|why| Trouble {
            why: format!("sent, but still here as well: {why}"),
            cleared: Some(cleared),
        })?;
        Ok(cleared)
    }

    /// What [`send_back`](Self::send_back) would do to its record, and whether the letter could be sent.
    pub(super) async fn try_out(&self, letter: &DeadLetter, so_far: &mut Sent) -> Result<Cleared, Trouble> {
        let trouble = |why| Trouble { why, cleared: None };
        letter.attributes_to_send().map_err(trouble)?;
        let cleared = self.clear(letter, true).await.map_err(trouble)?;
        so_far.add(letter);
        Ok(cleared)
    }

    /// Deletes the letter's record if it says `REJECTED`; `dry`: only looks.
    async fn clear(&self, letter: &DeadLetter, dry: bool) -> Result<Cleared, String> {
        let Some(namespace) = letter.function().or(self.namespace) else {
            return Ok(Cleared::Unknown);
        };
        let key = Key::new(namespace, letter.key()).map_err(|error| error.to_string())?;
        let record = self.ledger.record(&key).await.map_err(|error| trouble::chain(&error))?;
        let record = match record {
            None => return Ok(Cleared::NoRecord),
            Some(record) if record.status != Status::Rejected => return Ok(Cleared::NotNeeded),
            Some(_) if dry => return Ok(Cleared::Yes),
            Some(record) => record,
        };
        match self.ledger.delete_record(&key, &record).await {
            Ok(true) => Ok(Cleared::Yes),
            Ok(false) => Err(format!("its record {} is changing just now", key.record_id())),
            Err(error) => Err(trouble::chain(&error)),
        }
    }

    /// Gives back the ID that it has now.
    async fn send(&self, letter: &DeadLetter, attributes: Attributes) -> Result<String, String> {
        let trace = letter.trace_header.as_ref().map(|header| {
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
            .message_body(&letter.body)
            .set_message_attributes(Some(attributes))
            .set_message_system_attributes(trace.map(|trace| [trace].into()))
            .set_message_group_id(letter.group.clone())
            // A copy that is sent twice within five minutes arrives once.
            .set_message_deduplication_id(self.to.is_fifo().then(|| letter.id.clone()))
            .send()
            .await;
        let sent = sent.map_err(|error| self.to.trouble(&error))?;
        Ok(sent.message_id.unwrap_or_default())
    }

    async fn delete(&self, letter: &DeadLetter) -> Result<(), String> {
        let request = self.from.client.delete_message().queue_url(&self.from.url);
        let deleted = request.receipt_handle(&letter.receipt).send().await;
        deleted.map(drop).map_err(|error| self.from.trouble(&error))
    }
}
