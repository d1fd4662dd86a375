//! The ledger in a DynamoDB table.

mod expression;
mod failure;
#[cfg(test)]
mod golden;
mod item;
mod operate;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::ProvideErrorMetadata;
use aws_sdk_dynamodb::operation::delete_item::DeleteItemError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::error::TransactionCanceledException;
use aws_sdk_dynamodb::types::{
    AttributeValue, CancellationReason, Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem,
};

use self::expression::Expression;
pub(crate) use self::item::bytes;
use crate::completion::combine;
use crate::{Answer, Change, Condition, Item, Key, Ledger, LedgerError, OwnerToken, Record, Refusal, Write, decide};

/// Records in a table whose partition key is the string `id` and whose TTL attribute is `expiration`.
///
/// Attributes and status words are those of Powertools for AWS Lambda, so that its tables keep working. Every change is
/// one `PutItem`, `DeleteItem` or, if it has writes, `TransactWriteItems`, and a refused one brings the item that refused
/// it, so that a duplicate costs one request and no read.
#[derive(Debug, Clone)]
pub struct DynamoDbLedger {
    client: Client,
    table: String,
}

impl DynamoDbLedger {
    /// A ledger in this table.
    ///
    /// The client should time out and retry: a change sent again is answered as if it had been sent once.
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        Self {
            client,
            table: table.into(),
        }
    }

    /// Opens the connection, and finds out whether the table may be written at all.
    ///
    /// Costs one write unit: it deletes the record of `key`, which should never be used, if it is nobody's claim.
    ///
    /// # Errors
    ///
    /// [`LedgerError::Refused`] names what is wrong with table or permissions; others may pass.
    pub async fn connect(&self, key: &Key) -> Result<(), LedgerError> {
        let nobody = OwnerToken::from("nobody".to_owned());
        let change = Change {
            key,
            condition: Condition::Held(&nobody),
            record: None,
            writes: &[],
        };
        self.delete(&change).await.map(drop)
    }

    async fn put(&self, change: &Change<'_>, record: &Record) -> Result<Answer, LedgerError> {
        let expression = Expression::of(&change.condition);
        let sent = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item::of(change.key, record)))
            .condition_expression(expression.text)
            .set_expression_attribute_names(Some(expression.names))
            .set_expression_attribute_values(Some(expression.values))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        match sent {
            Ok(_) => Ok(Answer::Applied),
            Err(error) => match error.as_service_error() {
                Some(PutItemError::ConditionalCheckFailedException(refused)) => why(change, refused.item()),
                Some(PutItemError::TransactionConflictException(_)) => Ok(Answer::Conflict),
                _ => Err(self.failure(error, &[])),
            },
        }
    }

    async fn delete(&self, change: &Change<'_>) -> Result<Answer, LedgerError> {
        let expression = Expression::of(&change.condition);
        let sent = self
            .client
            .delete_item()
            .table_name(&self.table)
            .key(item::ID, AttributeValue::S(change.key.record_id().to_owned()))
            .condition_expression(expression.text)
            .set_expression_attribute_names(Some(expression.names))
            .set_expression_attribute_values(Some(expression.values))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        match sent {
            Ok(_) => Ok(Answer::Applied),
            Err(error) => match error.as_service_error() {
                Some(DeleteItemError::ConditionalCheckFailedException(refused)) => why(change, refused.item()),
                Some(DeleteItemError::TransactionConflictException(_)) => Ok(Answer::Conflict),
                _ => Err(self.failure(error, &[])),
            },
        }
    }

    async fn transact(&self, change: &Change<'_>, record: &Record) -> Result<Answer, LedgerError> {
        let sent = self
            .client
            .transact_write_items()
            .client_request_token(change.condition.owner().as_str())
            .set_transact_items(Some(self.actions(change, record)?))
            .send()
            .await;
        match sent {
            Ok(_) => Ok(Answer::Applied),
            Err(error) => match error.as_service_error() {
                Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) => {
                    why_cancelled(change, cancelled)
                        .unwrap_or_else(|| Err(LedgerError::Refused(reasons(change, cancelled).into())))
                }
                // Nothing of it was applied, nor would be: two writes to one item, say, or more than a transaction holds.
                _ if error.code() == Some("ValidationException") => {
                    Ok(Answer::WriteRefused(Refusal::Permanent(format!(
                        "its writes are no valid transaction: {} ({})",
                        error.message().unwrap_or_default(),
                        self.tables(change.writes)
                    ))))
                }
                _ => Err(self.failure(error, change.writes)),
            },
        }
    }

    /// The record first, then the writes: refusals are read by position.
    fn actions(&self, change: &Change<'_>, record: &Record) -> Result<Vec<TransactWriteItem>, LedgerError> {
        let expression = Expression::of(&change.condition);
        let put = Put::builder()
            .table_name(&self.table)
            .set_item(Some(item::of(change.key, record)))
            .condition_expression(expression.text)
            .set_expression_attribute_names(Some(expression.names))
            .set_expression_attribute_values(Some(expression.values))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .build()
            .map_err(|error| LedgerError::Refused(error.into()))?;
        let record = TransactWriteItem::builder().put(put).build();
        Ok(std::iter::once(record)
            .chain(change.writes.iter().map(|write| write.action().clone()))
            .collect())
    }
}

impl Ledger for DynamoDbLedger {
    async fn change(&self, change: Change<'_>) -> Result<Answer, LedgerError> {
        match &change.record {
            None => self.delete(&change).await,
            // A transaction costs twice the write units, so a record alone is put without one.
            Some(record) if change.writes.is_empty() => self.put(&change, record).await,
            Some(record) => self.transact(&change, record).await,
        }
    }
}

/// Why the store refused a change, given the item that refused it.
fn why(change: &Change<'_>, item: Option<&Item>) -> Result<Answer, LedgerError> {
    let record = item.map(|item| item::record(change.key, item)).transpose()?;
    Answer::to(decide(record.as_ref(), change)).ok_or_else(|| LedgerError::Inconsistent {
        id: change.key.record_id().to_owned(),
        why: match record {
            Some(_) => "it refused a change that the record allows".to_owned(),
            None => "it refused a change for a record that it does not show".to_owned(),
        },
    })
}

/// Why the store cancelled a transaction; `None` if neither a condition nor a conflict did.
fn why_cancelled(change: &Change<'_>, cancelled: &TransactionCanceledException) -> Option<Result<Answer, LedgerError>> {
    let mut reasons = cancelled.cancellation_reasons().iter();
    let failed = |reason: &CancellationReason| reason.code() == Some("ConditionalCheckFailed");
    if let Some(record) = reasons.next().filter(|reason| failed(reason)) {
        return Some(why(change, record.item()));
    }
    let refused = change.writes.iter().zip(reasons).enumerate();
    let refused = refused.filter_map(|(position, (write, reason))| match reason.code() {
        Some("ConditionalCheckFailed") => Some(write.refusal(reason.item())),
        // An item that would grow beyond its limit, say: it would be refused again.
        Some("ValidationError" | "ItemCollectionSizeLimitExceeded") => Some(Refusal::Permanent(format!(
            "{} can't be made: {}",
            named(position, write),
            reason.message().unwrap_or_default()
        ))),
        _ => None,
    });
    if let Some(refusal) = combine(refused) {
        return Some(Ok(Answer::WriteRefused(refusal)));
    }
    // Each means that nothing was applied, and that it may be in a moment.
    let conflict = |reason: &CancellationReason| {
        matches!(
            reason.code(),
            Some("TransactionConflict" | "ThrottlingError" | "ProvisionedThroughputExceeded")
        )
    };
    cancelled
        .cancellation_reasons()
        .iter()
        .any(conflict)
        .then_some(Ok(Answer::Conflict))
}

/// The reasons of a cancelled transaction, each with its item; the SDK shows the codes alone.
fn reasons(change: &Change<'_>, cancelled: &TransactionCanceledException) -> String {
    let writes = change.writes.iter().enumerate();
    let writes = writes.map(|(position, write)| named(position, write));
    let items = std::iter::once("the record".to_owned()).chain(writes);
    let told = items
        .zip(cancelled.cancellation_reasons())
        .filter(|(_, reason)| reason.code() != Some("None"))
        .map(|(item, reason)| {
            format!(
                "{item}: {}: {}",
                reason.code().unwrap_or_default(),
                reason.message().unwrap_or_default()
            )
        });
    told.collect::<Vec<_>>().join("; ")
}

/// A write by its place among the completion's, counted from zero, and its table.
fn named(position: usize, write: &Write) -> String {
    format!("write {position} (table {})", write.table())
}
