//! Writes: the one shape of a put, an update, a delete and a condition check, alone or in a transaction.

use super::error::{condition_failed, missing, validation};
use super::expression::{Condition, Placeholders, Update};
use super::request::{Request, not_emulated};
use super::schema::Key;
use super::store::Table;
use super::value::{AttributeValue, Item, MAX_NESTING, item_size, item_to_json, too_deep};
use crate::ApiError;

/// [Limits](https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html#limits-items).
const MAX_ITEM_BYTES: usize = 400 * 1024;

/// Members of the API before expressions, which nothing here honours.
const LEGACY: [&str; 3] = ["Expected", "ConditionalOperator", "AttributeUpdates"];

/// A write as it was asked for. Reading it needs no table; everything a table decides is decided by [`Write::prepare`].
#[derive(Debug)]
pub(super) struct Write {
    pub(super) table: String,
    target: Target,
    condition: Option<Condition>,
    item_on_failure: bool,
}

#[derive(Debug)]
pub(super) enum Target {
    Put(Item),
    Update(Item, Option<Update>),
    Delete(Item),
    Check(Item),
}

/// What a write that may happen does to its item.
#[derive(Debug)]
pub(super) struct Prepared {
    key: Key,
    pub(super) old: Option<Item>,
    pub(super) new: Option<Item>,
}

impl Write {
    pub(super) fn read_put(request: &Request<'_>) -> Result<Self, ApiError> {
        Self::read(request, |request, _| Ok(Target::Put(request.item("Item")?)))
    }

    pub(super) fn read_delete(request: &Request<'_>) -> Result<Self, ApiError> {
        Self::read(request, |request, _| Ok(Target::Delete(request.item("Key")?)))
    }

    pub(super) fn read_check(request: &Request<'_>) -> Result<Self, ApiError> {
        request.required_text("ConditionExpression")?;
        Self::read(request, |request, _| Ok(Target::Check(request.item("Key")?)))
    }

    pub(super) fn read_update(request: &Request<'_>) -> Result<Self, ApiError> {
        Self::read(request, |request, placeholders| {
            let update = request
                .text("UpdateExpression")?
                .map(|text| Update::parse(text, placeholders))
                .transpose()?;
            Ok(Target::Update(request.item("Key")?, update))
        })
    }

    fn read(
        request: &Request<'_>,
        target: impl FnOnce(&Request<'_>, &mut Placeholders) -> Result<Target, ApiError>,
    ) -> Result<Self, ApiError> {
        request.refuse(&LEGACY)?;
        let table = request.table_name()?.to_owned();
        let expressions = ["UpdateExpression", "ConditionExpression"];
        // Only an update request has an update expression to speak of.
        let expressions = if request.has_any(&["UpdateExpression"]) {
            &expressions[..]
        } else {
            &expressions[1..]
        };
        let mut placeholders = Placeholders::read(request, expressions, expressions)?;
        let target = target(request, &mut placeholders)?;
        let member = "ConditionExpression";
        let condition = request
            .text(member)?
            .map(|text| Condition::parse(member, text, &mut placeholders))
            .transpose()?;
        placeholders.finish()?;
        let on_failure = request.one_of("ReturnValuesOnConditionCheckFailure", &["ALL_OLD", "NONE"])?;
        Ok(Self {
            table,
            target,
            condition,
            item_on_failure: on_failure == Some("ALL_OLD"),
        })
    }

    /// The key of the item it is about.
    pub(super) fn key(&self, table: &Table) -> Result<Key, ApiError> {
        match &self.target {
            Target::Put(item) => table.schema.key_of_item(item),
            Target::Update(key, _) | Target::Delete(key) | Target::Check(key) => table.schema.key_of_request(key),
        }
    }

    /// What it would do, if its condition holds and its result is allowed. Changes nothing.
    pub(super) fn prepare(&self, table: &Table) -> Result<Prepared, ApiError> {
        let key = self.key(table)?;
        self.check_update(table)?;
        let old = table.items.get(&key);
        self.check_condition(old)?;
        let new = match &self.target {
            Target::Put(item) => Some(checked(
                item.clone(),
                "Item size has exceeded the maximum allowed size",
            )?),
            Target::Update(key, update) => updated(old, key, update.as_ref())?,
            Target::Delete(_) => None,
            Target::Check(_) => old.cloned(),
        };
        Ok(Prepared {
            key,
            old: old.cloned(),
            new,
        })
    }

    pub(super) fn update(&self) -> Option<&Update> {
        match &self.target {
            Target::Update(_, update) => update.as_ref(),
            _ => None,
        }
    }

    fn check_update(&self, table: &Table) -> Result<(), ApiError> {
        let mut changed = self.update().into_iter().flat_map(Update::attributes);
        match changed.find(|name| table.schema.attributes().any(|attribute| attribute.name == *name)) {
            Some(name) => Err(validation(format!(
                "One or more parameter values were invalid: Cannot update attribute {name}. This attribute is part of \
                 the key"
            ))),
            None => Ok(()),
        }
    }

    fn check_condition(&self, old: Option<&Item>) -> Result<(), ApiError> {
        let nothing = Item::new();
        match &self.condition {
            Some(condition) if !condition.holds(old.unwrap_or(&nothing)) => Err(match old {
                Some(old) if self.item_on_failure => condition_failed().with("Item", item_to_json(old)),
                _ => condition_failed(),
            }),
            _ => Ok(()),
        }
    }
}

impl Prepared {
    pub(super) fn apply(self, table: &mut Table) {
        match self.new {
            Some(item) => table.items.insert(self.key, item),
            None => table.items.remove(&self.key),
        };
    }

    /// Bytes that count: those of the larger of the two items.
    pub(super) fn size(&self) -> usize {
        [&self.old, &self.new]
            .into_iter()
            .flatten()
            .map(item_size)
            .max()
            .unwrap_or(0)
    }
}

/// An update without an expression creates the item, and one that only takes away doesn't.
fn updated(old: Option<&Item>, key: &Item, update: Option<&Update>) -> Result<Option<Item>, ApiError> {
    let new = match (old, update) {
        (None, Some(update)) if !update.creates() => return Ok(None),
        (_, Some(update)) => update.apply(old.unwrap_or(key))?,
        (_, None) => old.unwrap_or(key).clone(),
    };
    checked(new, "Item size to update has exceeded the maximum allowed size").map(Some)
}

fn checked(item: Item, too_large: &str) -> Result<Item, ApiError> {
    if item.values().map(AttributeValue::nesting).max().unwrap_or(0) > MAX_NESTING {
        return Err(too_deep());
    }
    if item_size(&item) > MAX_ITEM_BYTES {
        Err(validation(too_large))
    } else {
        Ok(item)
    }
}

/// Item collections belong to local secondary indexes: there are none, so there are no metrics of them.
pub(super) fn refuse_collection_metrics(request: &Request<'_>) -> Result<(), ApiError> {
    match request.one_of("ReturnItemCollectionMetrics", &["SIZE", "NONE"])? {
        Some("SIZE") => Err(not_emulated("ReturnItemCollectionMetrics=SIZE")),
        _ => Ok(()),
    }
}

/// In a transaction an update must say what it changes.
pub(super) fn require_update(request: &Request<'_>) -> Result<(), ApiError> {
    request
        .text("UpdateExpression")?
        .map(drop)
        .ok_or_else(|| missing("UpdateExpression"))
}
