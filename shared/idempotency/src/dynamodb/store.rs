//! Records in a DynamoDB table.

use std::sync::Arc;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::ProvideErrorMetadata;
use aws_sdk_dynamodb::operation::delete_item::DeleteItemError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{AttributeValue, Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem};

use super::batch::{Batches, Outcome};
use super::expression::Expression;
use super::failure::{conflict, failure, tables};
use super::refused::{reasons, why, why_cancelled};
use super::write::DynamoDbWrite;
use super::{item, size};
use crate::{Answer, Change, Condition, Key, OwnerToken, Record, Refusal, Store, StoreError, StoreFor, TooLarge};

/// Records in a table whose partition key is the string `id` and whose TTL attribute is `expiration`.
///
/// Attributes and status words are those of Powertools for AWS Lambda, so that its tables keep working. A change is one
/// `PutItem`, `DeleteItem` or, if it has writes, `TransactWriteItems`. A refused one returns the item that refused
/// it, so that a duplicate costs one request and no read. Changes without writes that are requested at the same time share a
/// `BatchExecuteStatement`, and duplicates among them two. A store and its clones gather them together: use them in one runtime.
///
/// A record has at most 400 KB, a transaction 99 writes beside the record, with one action per item.
#[derive(Debug, Clone)]
pub struct DynamoDbStore {
    pub(super) client: Client,
    pub(super) table: String,
    /// Shared by all clones.
    batches: Arc<Batches>,
}

impl DynamoDbStore {
    /// The records in this table.
    ///
    /// The client should time out and retry: a change sent again is answered as if it had been sent once.
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        let table = table.into();
        let batches = Arc::new(Batches::new(client.clone(), table.clone()));
        Self { client, table, batches }
    }

    /// Opens the connection, and finds out whether the table may be written at all.
    ///
    /// Costs one write unit: a conditional delete of the record of `key`, a key that should never be used. A read would cost a
    /// tenth, but would need a permission of its own, and find out nothing about writes.
    ///
    /// # Errors
    ///
    /// [`StoreError::Refused`] names what is wrong with table or permissions; others may pass.
    pub async fn connect(&self, key: &Key) -> Result<(), StoreError> {
        let no_owner = OwnerToken::from("nobody".to_owned());
        let change = Change {
            key,
            condition: Condition::Held(&no_owner),
            record: None,
            writes: &[],
        };
        self.delete(&change).await.map(drop)
    }

    async fn put(&self, change: &Change<'_, DynamoDbWrite>, record: &Record) -> Result<Answer, StoreError> {
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
                Some(PutItemError::TransactionConflictException(_)) => Err(conflict(change.key)),
                _ => Err(failure(error, &self.table, &[])),
            },
        }
    }

    async fn delete(&self, change: &Change<'_, DynamoDbWrite>) -> Result<Answer, StoreError> {
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
                Some(DeleteItemError::TransactionConflictException(_)) => Err(conflict(change.key)),
                _ => Err(failure(error, &self.table, &[])),
            },
        }
    }

    async fn transact(&self, change: &Change<'_, DynamoDbWrite>, record: &Record) -> Result<Answer, StoreError> {
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
                        .unwrap_or_else(|| Err(StoreError::Refused(reasons(change, cancelled).into())))
                }
                // Nothing was applied, nor would be: two writes to one item, for example.
                _ if error.code() == Some("ValidationException") => {
                    Ok(Answer::WriteRefused(Refusal::Permanent(format!(
                        "its writes are no valid transaction: {} ({})",
                        error.message().unwrap_or_default(),
                        tables(&self.table, change.writes)
                    ))))
                }
                _ => Err(failure(error, &self.table, change.writes)),
            },
        }
    }

    /// The record first, then the writes: refusals are read by position.
    fn actions(
        &self,
        change: &Change<'_, DynamoDbWrite>,
        record: &Record,
    ) -> Result<Vec<TransactWriteItem>, StoreError> {
        let expression = Expression::of(&change.condition);
        let put = Put::builder()
            .table_name(&self.table)
            .set_item(Some(item::of(change.key, record)))
            .condition_expression(expression.text)
            .set_expression_attribute_names(Some(expression.names))
            .set_expression_attribute_values(Some(expression.values))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .build()
            .map_err(|error| StoreError::Refused(error.into()))?;
        let record = TransactWriteItem::builder().put(put).build();
        Ok(std::iter::once(record)
            .chain(change.writes.iter().map(|write| write.action().clone()))
            .collect())
    }
}

impl Store for DynamoDbStore {
    type Write = DynamoDbWrite;

    async fn change(&self, change: Change<'_, DynamoDbWrite>) -> Result<Answer, StoreError> {
        // Requests of their own are on the heap: each takes kilobytes, and most changes share one.
        match change.record {
            None => Box::pin(self.delete(&change)).await,
            // A transaction costs twice the write units, so a record alone is put without one.
            Some(record) if change.writes.is_empty() => match self.batches.change(&change, record).await {
                Outcome::Answered(answer) => answer,
                Outcome::Undecided => Box::pin(self.put(&change, record)).await,
            },
            Some(record) => Box::pin(self.transact(&change, record)).await,
        }
    }

    fn check(&self, key: &Key, record: &Record, writes: &[DynamoDbWrite]) -> Result<(), TooLarge> {
        size::check(key, record, writes.len())
    }
}

impl StoreFor<DynamoDbWrite> for DynamoDbStore {
    type Store = Self;

    fn into_store(self) -> Self {
        self
    }
}
