//! What operators need and the protocol does not: to delete a record, and to correct its outgoing messages.

use idempotency::{Key, OutgoingMessage, OwnerToken, Record, Status, StoreError};

use crate::PostgresStore;
use crate::pipeline::Request;
use crate::record::{Typed, id, json, optional_number, optional_text, text};
use crate::statements::Statement;

impl PostgresStore {
    /// Deletes a key's record if it is still the one that was `seen`: same status, owner and end of the lease. The next message with this
    /// key is then processed as if it were the first.
    ///
    /// `false`: another record exists, and nothing was deleted. A completed record is never deleted, because its work would be repeated
    /// (promise 3).
    ///
    /// # Errors
    ///
    /// [`StoreError`]; whether the record is deleted is not known then.
    pub async fn delete_record(&self, key: &Key, seen: &Record) -> Result<bool, StoreError> {
        if seen.status == Status::Completed {
            return Ok(false);
        }
        let statement = Statement {
            text: format!("DELETE FROM {} AS l WHERE {UNCHANGED} RETURNING 1", self.table()),
            parameters: unchanged(key, seen),
        };
        let answers = self.exchange(&[Request::Query(&statement)], Some(key)).await?;
        // Perhaps none exists: an earlier copy of this request deleted it, or its holder released it.
        Ok(answers.row(0).is_some() || self.record(key).await?.is_none())
    }

    /// Replaces the outgoing messages of a completed record if it is still the one that was `seen`: same status, owner and outgoing
    /// messages. For messages with a wrong destination, which no redelivery can send. The record stays completed, with its result and its
    /// expiration (promise 3).
    ///
    /// `false`: another record exists, or none, or it is not completed, or it has no outgoing messages; nothing was changed.
    ///
    /// # Errors
    ///
    /// [`StoreError`]; whether the record is changed is not known then.
    pub async fn correct_outgoing(
        &self,
        key: &Key,
        seen: &Record,
        outgoing: &[OutgoingMessage],
    ) -> Result<bool, StoreError> {
        let (Some(before), Some(after)) = (json(&seen.outgoing), json(outgoing)) else {
            return Ok(false);
        };
        if seen.status != Status::Completed {
            return Ok(false);
        }
        let mut parameters = unchanged(key, seen);
        parameters.extend([text(&before), text(&after)]);
        let statement = Statement {
            text: format!(
                "UPDATE {} AS l SET outgoing = $6 WHERE {UNCHANGED} AND l.outgoing = $5 RETURNING 1",
                self.table()
            ),
            parameters,
        };
        let answers = self.exchange(&[Request::Query(&statement)], Some(key)).await?;
        if answers.row(0).is_some() {
            return Ok(true);
        }
        // Perhaps an earlier copy of this request, whose reply was lost, has changed it.
        let now = self.record(key).await?;
        Ok(now
            .is_some_and(|now| now.status == Status::Completed && now.owner == seen.owner && now.outgoing == outgoing))
    }
}

/// The condition that a record is the one that was seen. The end of the lease is part of it: a holder that extends its lease is alive.
const UNCHANGED: &str = "l.id = $1 AND l.status = $2 AND l.owner IS NOT DISTINCT FROM $3 \
                         AND l.in_progress_expiration IS NOT DISTINCT FROM $4";

fn unchanged(key: &Key, seen: &Record) -> Vec<Typed> {
    vec![
        id(key),
        text(seen.status.word()),
        optional_text(seen.owner.as_ref().map(OwnerToken::as_str)),
        optional_number(seen.lease_end.map(|end| end.millis())),
    ]
}
