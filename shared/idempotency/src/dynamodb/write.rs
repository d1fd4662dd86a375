//! Writes to DynamoDB tables.

use std::fmt;
use std::sync::Arc;

use aws_sdk_dynamodb::types::{
    ConditionCheck, Delete, Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem, Update,
};

use super::item::Item;
use crate::{Refusal, Write};

type Meaning = Arc<dyn Fn(Option<&Item>) -> Refusal + Send + Sync>;

/// A write to one of the author's tables, committed in one transaction with the completed record.
#[derive(Clone)]
pub struct DynamoDbWrite {
    action: TransactWriteItem,
    /// `None`: not stated.
    meaning: Option<Meaning>,
}

impl DynamoDbWrite {
    /// Put an item.
    pub fn put(mut put: Put) -> Self {
        put.return_values_on_condition_check_failure = Some(ReturnValuesOnConditionCheckFailure::AllOld);
        Self::of(TransactWriteItem::builder().put(put).build())
    }

    /// Update an item.
    pub fn update(mut update: Update) -> Self {
        update.return_values_on_condition_check_failure = Some(ReturnValuesOnConditionCheckFailure::AllOld);
        Self::of(TransactWriteItem::builder().update(update).build())
    }

    /// Delete an item.
    pub fn delete(mut delete: Delete) -> Self {
        delete.return_values_on_condition_check_failure = Some(ReturnValuesOnConditionCheckFailure::AllOld);
        Self::of(TransactWriteItem::builder().delete(delete).build())
    }

    /// Change nothing, but refuse the whole completion unless a condition holds.
    pub fn check(mut check: ConditionCheck) -> Self {
        check.return_values_on_condition_check_failure = Some(ReturnValuesOnConditionCheckFailure::AllOld);
        Self::of(TransactWriteItem::builder().condition_check(check).build())
    }

    /// State what it means when this write's condition fails, given the item that failed it (`None`: there is no such
    /// item). Unless stated, it means a retry.
    #[must_use]
    pub fn if_refused(self, meaning: impl Fn(Option<&Item>) -> Refusal + Send + Sync + 'static) -> Self {
        Self {
            meaning: Some(Arc::new(meaning)),
            ..self
        }
    }

    /// The write as the SDK sends it.
    pub fn action(&self) -> &TransactWriteItem {
        &self.action
    }

    fn of(action: TransactWriteItem) -> Self {
        Self { action, meaning: None }
    }

    /// The table that it changes.
    pub(super) fn table(&self) -> &str {
        let action = &self.action;
        let table = (action.put().map(Put::table_name))
            .or(action.update().map(Update::table_name))
            .or(action.delete().map(Delete::table_name))
            .or(action.condition_check().map(ConditionCheck::table_name));
        table.unwrap_or_default()
    }
}

impl Write for DynamoDbWrite {
    type Found = Item;

    fn refusal(&self, found: Option<&Item>) -> Refusal {
        match &self.meaning {
            Some(meaning) => meaning(found),
            None => Refusal::Retry("the condition of a write does not hold".to_owned()),
        }
    }
}

impl fmt::Debug for DynamoDbWrite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("DynamoDbWrite").field(&self.action).finish()
    }
}
