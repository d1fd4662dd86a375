//! What an operator needs of the ledger and its protocol does not: to look at a record, and to take one out.

use std::collections::HashMap;

use aws_sdk_dynamodb::operation::delete_item::DeleteItemError;
use aws_sdk_dynamodb::types::AttributeValue;

use super::DynamoDbLedger;
use super::item::{self, ID, LEASE_END, OWNER, STATUS};
use crate::{Item, Key, LedgerError, Record, Settled, Status};

impl DynamoDbLedger {
    /// A key's record as it is now, with every attribute it has, those of others too; `None`: there is none.
    ///
    /// # Errors
    ///
    /// [`LedgerError`] if the table gave no answer, or refused.
    pub async fn item(&self, key: &Key) -> Result<Option<Item>, LedgerError> {
        let read = self
            .client
            .get_item()
            .table_name(&self.table)
            .key(ID, AttributeValue::S(key.record_id().to_owned()))
            .consistent_read(true)
            .send()
            .await;
        Ok(read.map_err(|error| self.failure(error, &[]))?.item)
    }

    /// A key's record as it is now; `None`: there is none.
    ///
    /// # Errors
    ///
    /// Those of [`item`](Self::item), and [`LedgerError::Unreadable`].
    pub async fn record(&self, key: &Key) -> Result<Option<Record>, LedgerError> {
        let item = self.item(key).await?;
        item.map(|item| Record::from_item(key, &item)).transpose()
    }

    /// Deletes a key's record if it is still the one that was `seen`: status, owner and end of the lease. The next message with
    /// this key is worked as if it were the first.
    ///
    /// [`Settled::Done`] if there is no record any more. [`Settled::Lost`] if there is another: nothing was deleted. A completed
    /// record is never deleted, for its work would be repeated.
    ///
    /// # Errors
    ///
    /// [`LedgerError`]; whether the record is deleted is not known then.
    pub async fn forget(&self, key: &Key, seen: &Record) -> Result<Settled, LedgerError> {
        if seen.status == Status::Completed {
            return Ok(Settled::Lost);
        }
        let (condition, names, values) = still(seen);
        let sent = self
            .client
            .delete_item()
            .table_name(&self.table)
            .key(ID, AttributeValue::S(key.record_id().to_owned()))
            .condition_expression(condition)
            .set_expression_attribute_names(Some(names))
            .set_expression_attribute_values(Some(values))
            .send()
            .await;
        let Err(error) = sent else {
            return Ok(Settled::Done);
        };
        match error.as_service_error() {
            // Perhaps there is none: by an earlier copy of this request, or because its holder was faster.
            Some(DeleteItemError::ConditionalCheckFailedException(_)) => Ok(match self.item(key).await? {
                Some(_) => Settled::Lost,
                None => Settled::Done,
            }),
            Some(DeleteItemError::TransactionConflictException(_)) => Err(LedgerError::Conflict {
                id: key.record_id().to_owned(),
            }),
            _ => Err(self.failure(error, &[])),
        }
    }
}

impl Record {
    /// The record of a key as the table has it.
    ///
    /// # Errors
    ///
    /// [`LedgerError::Unreadable`] if it is neither ours nor Powertools'.
    pub fn from_item(key: &Key, item: &Item) -> Result<Self, LedgerError> {
        item::record(key, item)
    }
}

type Names = HashMap<String, String>;
type Values = HashMap<String, AttributeValue>;

/// The condition that a record is the one that was seen. The end of the lease is part of it: who extends a lease is alive.
fn still(seen: &Record) -> (String, Names, Values) {
    let text = |value: &str| AttributeValue::S(value.to_owned());
    let parts = [
        ("status", STATUS, Some(text(seen.status.word()))),
        ("owner", OWNER, seen.owner.as_ref().map(|owner| text(owner.as_str()))),
        (
            "lease_end",
            LEASE_END,
            seen.lease_end.map(|end| AttributeValue::N(end.millis().to_string())),
        ),
    ];
    let condition = |(name, _, value): &(&str, &str, Option<AttributeValue>)| match value {
        Some(_) => format!("#{name} = :{name}"),
        None => format!("attribute_not_exists(#{name})"),
    };
    let conditions: Vec<_> = parts.iter().map(condition).collect();
    let names = parts
        .iter()
        .map(|(name, attribute, _)| (format!("#{name}"), (*attribute).to_owned()));
    let names = names.collect();
    let values = parts
        .into_iter()
        .filter_map(|(name, _, value)| Some((format!(":{name}"), value?)));
    (conditions.join(" AND "), names, values.collect())
}
