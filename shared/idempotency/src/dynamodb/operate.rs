//! What operators need and the protocol does not: to read a record, to delete one, and to correct its outgoing messages.

use std::collections::HashMap;

use aws_sdk_dynamodb::operation::delete_item::DeleteItemError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::AttributeValue;

use super::failure::{conflict, failure};
use super::item::{ID, Item, LEASE_END, OUTGOING, OWNER, STATUS, written};
use super::store::DynamoDbStore;
use crate::{Key, OutgoingMessage, Record, Status, StoreError};

impl DynamoDbStore {
    /// A key's record as it is now, with every attribute that the table has; `None`: there is none.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the table gave no answer, or refused the request.
    pub async fn item(&self, key: &Key) -> Result<Option<Item>, StoreError> {
        let read = self
            .client
            .get_item()
            .table_name(&self.table)
            .key(ID, AttributeValue::S(key.record_id().to_owned()))
            .consistent_read(true)
            .send()
            .await;
        Ok(read.map_err(|error| failure(error, &self.table, &[]))?.item)
    }

    /// A key's record as it is now; `None`: there is none.
    ///
    /// # Errors
    ///
    /// Those of [`item`](Self::item), and [`StoreError::Unreadable`].
    pub async fn record(&self, key: &Key) -> Result<Option<Record>, StoreError> {
        let item = self.item(key).await?;
        item.map(|item| Record::from_item(key, &item)).transpose()
    }

    /// Deletes a key's record if it is still the one that was `seen`: same status, owner and end of the lease. The next
    /// message with this key is then processed as if it were the first.
    ///
    /// `false`: another record exists, and nothing was deleted. A completed record is never deleted, because its work
    /// would be repeated (promise 3).
    ///
    /// # Errors
    ///
    /// [`StoreError`]; whether the record is deleted is not known then.
    pub async fn delete_record(&self, key: &Key, seen: &Record) -> Result<bool, StoreError> {
        if seen.status == Status::Completed {
            return Ok(false);
        }
        let (condition, names, values) = unchanged(seen);
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
            return Ok(true);
        };
        match error.as_service_error() {
            // Perhaps none exists: an earlier copy of this request deleted it, or its holder released it.
            Some(DeleteItemError::ConditionalCheckFailedException(_)) => Ok(self.item(key).await?.is_none()),
            Some(DeleteItemError::TransactionConflictException(_)) => Err(conflict(key)),
            _ => Err(failure(error, &self.table, &[])),
        }
    }

    /// Replaces the outgoing messages of a completed record if it is still the one that was `seen`: same status, owner and
    /// outgoing messages. For messages with a wrong destination, which no redelivery can send. The record stays completed,
    /// with its result and its expiration (promise 3).
    ///
    /// `false`: another record exists, or none, or it is not completed; nothing was changed.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unreadable`] if `seen` is no record; otherwise it is not known whether the record is changed.
    pub async fn correct_outgoing(
        &self,
        key: &Key,
        seen: &Item,
        outgoing: &[OutgoingMessage],
    ) -> Result<bool, StoreError> {
        let record = Record::from_item(key, seen)?;
        let (Some(before), Some(after)) = (seen.get(OUTGOING), written(outgoing).map(AttributeValue::S)) else {
            return Ok(false);
        };
        if record.status != Status::Completed {
            return Ok(false);
        }
        let (condition, mut names, mut values) = unchanged(&record);
        names.insert("#outgoing".to_owned(), OUTGOING.to_owned());
        values.insert(":before".to_owned(), before.clone());
        values.insert(":after".to_owned(), after.clone());
        let sent = self
            .client
            .update_item()
            .table_name(&self.table)
            .key(ID, AttributeValue::S(key.record_id().to_owned()))
            .update_expression("SET #outgoing = :after")
            .condition_expression(format!("{condition} AND #outgoing = :before"))
            .set_expression_attribute_names(Some(names))
            .set_expression_attribute_values(Some(values))
            .send()
            .await;
        let Err(error) = sent else {
            return Ok(true);
        };
        match error.as_service_error() {
            // Perhaps an earlier copy of this request, whose reply was lost, has changed it.
            Some(UpdateItemError::ConditionalCheckFailedException(_)) => {
                let now = self.item(key).await?;
                Ok(now.is_some_and(|item| item.get(OUTGOING) == Some(&after)))
            }
            Some(UpdateItemError::TransactionConflictException(_)) => Err(conflict(key)),
            _ => Err(failure(error, &self.table, &[])),
        }
    }
}

type Names = HashMap<String, String>;
type Values = HashMap<String, AttributeValue>;

/// The condition that a record is the one that was seen. The end of the lease is part of it: a holder that extends its
/// lease is alive.
fn unchanged(seen: &Record) -> (String, Names, Values) {
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
