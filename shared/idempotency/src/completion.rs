//! What a finished handler hands back.

use std::collections::HashMap;
use std::fmt;

use aws_sdk_dynamodb::types::{
    AttributeValue, ConditionCheck, Delete, Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem, Update,
};

use crate::{Attempt, Key, OutgoingMessage, Record, dynamodb};

/// A DynamoDB item: attribute names and values.
pub type Item = HashMap<String, AttributeValue>;

/// Finished work: what is to be committed together with the record that says so.
#[derive(Debug, Default)]
pub struct Completion {
    writes: Vec<Write>,
    messages: Vec<OutgoingMessage>,
    data: Option<String>,
}

impl Completion {
    /// Nothing to commit but the record.
    pub fn new() -> Self {
        Self::default()
    }

    /// Commit this write in the same transaction as the record: both happen, or neither.
    ///
    /// A transaction holds at most 100 items, the record included, and one action per item
    /// ([TransactWriteItems](https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html)).
    #[must_use]
    pub fn write(mut self, write: Write) -> Self {
        self.writes.push(write);
        self
    }

    /// Send this message once the record is there: it is kept in the record, so that a crash can't lose it.
    ///
    /// It is sent at least once, each time under the same key. What is not committed is not sent.
    #[must_use]
    pub fn send(mut self, message: OutgoingMessage) -> Self {
        self.messages.push(message);
        self
    }

    /// Keep a small result, JSON, in the record, for whoever reads it there.
    #[must_use]
    pub fn data(self, json: impl Into<String>) -> Self {
        Self {
            data: Some(json.into()),
            ..self
        }
    }

    /// The same completion without its writes, for when their effect turned out to be there already.
    ///
    /// Its messages stay: whether those of the message that brought the effect about were sent, nobody knows. A key of the
    /// business's own makes both the same message.
    #[must_use]
    pub fn without_writes(self) -> Self {
        Self {
            writes: Vec::new(),
            ..self
        }
    }

    /// The messages to send after the completion of `key`'s work, each under its key.
    pub fn outgoing(&self, key: &Key) -> Vec<OutgoingMessage> {
        let messages = self.messages.iter().cloned().enumerate();
        messages
            .map(|(position, message)| message.keyed(key, position))
            .collect()
    }

    /// Whether there is anything to commit beside the record.
    pub fn has_writes(&self) -> bool {
        !self.writes.is_empty()
    }

    /// Whether the completed record has room for result and messages.
    ///
    /// # Errors
    ///
    /// [`TooLarge`]: the completion would be refused, and after its handler's effects at that.
    pub fn check(&self, attempt: &Attempt) -> Result<(), TooLarge> {
        match dynamodb::bytes(attempt.key(), &Record::completed(attempt, self)) {
            bytes if bytes > MAX_ITEM_BYTES => Err(TooLarge { bytes }),
            _ => Ok(()),
        }
    }

    pub(crate) fn writes(&self) -> &[Write] {
        &self.writes
    }

    pub(crate) fn result(&self) -> Option<&str> {
        self.data.as_deref()
    }
}

/// DynamoDB's limit for an item, attribute names included
/// ([Constraints](https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html)).
const MAX_ITEM_BYTES: usize = 400 * 1024;

/// A completion that no record has room for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the completed record, with its result and outgoing messages, would take {bytes} bytes of at most {MAX_ITEM_BYTES}"
)]
pub struct TooLarge {
    /// What the record would take.
    pub bytes: usize,
}

/// What a write's own failed condition means for the message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// The effect is there already: the work is done, and none of the completion's writes are needed.
    AlreadyDone,
    /// It may succeed later, for this reason.
    Retry(String),
    /// It can never succeed, for this reason.
    Permanent(String),
}

type Meaning = Box<dyn Fn(Option<&Item>) -> Refusal + Send + Sync>;

/// A write to the author's own tables, applied at most once per key.
pub struct Write {
    action: TransactWriteItem,
    meaning: Meaning,
}

impl Write {
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

    /// Say what it means when this write's condition fails, given the item that failed it (`None`: there is no such
    /// item). Unless said, it means a retry.
    #[must_use]
    pub fn if_refused(self, meaning: impl Fn(Option<&Item>) -> Refusal + Send + Sync + 'static) -> Self {
        Self {
            meaning: Box::new(meaning),
            ..self
        }
    }

    fn of(action: TransactWriteItem) -> Self {
        Self {
            action,
            meaning: Box::new(|_| Refusal::Retry("the condition of a write does not hold".to_owned())),
        }
    }

    pub(crate) fn action(&self) -> &TransactWriteItem {
        &self.action
    }

    /// The table that it is made in.
    pub(crate) fn table(&self) -> &str {
        let action = &self.action;
        let table = (action.put().map(Put::table_name))
            .or(action.update().map(Update::table_name))
            .or(action.delete().map(Delete::table_name))
            .or(action.condition_check().map(ConditionCheck::table_name));
        table.unwrap_or_default()
    }

    pub(crate) fn refusal(&self, old: Option<&Item>) -> Refusal {
        (self.meaning)(old)
    }
}

impl fmt::Debug for Write {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Write").field(&self.action).finish()
    }
}

/// What several refused writes mean together: permanent outweighs retry, which outweighs already done.
pub(crate) fn combine(refusals: impl IntoIterator<Item = Refusal>) -> Option<Refusal> {
    refusals.into_iter().max_by_key(|refusal| match refusal {
        Refusal::AlreadyDone => 0,
        Refusal::Retry(_) => 1,
        Refusal::Permanent(_) => 2,
    })
}
